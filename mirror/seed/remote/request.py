"""HTTP/1.1 requests as bytes."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from yarl import URL

from mirror.seed.remote.failures import RequestError

Body = bytes | Callable[[], AsyncIterable[bytes]] | None
"""What is sent with a request: bytes, or a function that gives them piece by piece."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_OURS: Final = {"User-Agent": "ismirror", "Accept-Encoding": "identity"}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_HOST: Final = re.compile(r"[\w~-]{1,63}(\.[\w~-]{1,63})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.~-]+)?", re.ASCII)
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


class Request(NamedTuple):
    """What is asked of a server."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: Body = None


def request_head(request: Request, proxy: URL | None = None) -> bytes:
    """The head of a request; of one that goes to a proxy, which passes it on, if there is one.

    Raises:
        RequestError: something in it cannot be sent.
    """
    url = request.url
    target = _target(url)
    fields = {"Host": authority(url), **_OURS}
    if proxy is not None:
        target = f"{url.scheme}://{authority(url)}{target}"
        fields |= proxy_authorization(proxy)
    given = {name.lower() for name in request.headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given} | dict(request.headers)
    if "content-length" not in given:
        body = request.body
        if callable(body):
            fields["Transfer-Encoding"] = "chunked"
        elif body is not None or request.method in _WITH_BODY:
            fields["Content-Length"] = str(len(body or b""))
    return _lines(request.method, target, fields)


def tunnel_head(url: URL, proxy: URL) -> bytes:
    """The head of a request for a tunnel to the server of a URL (raises `RequestError`)."""
    host = authority(url, with_port=True)
    return _lines("CONNECT", host, {"Host": host, "User-Agent": _OURS["User-Agent"], **proxy_authorization(proxy)})


def body_length(request: Request) -> int | None:
    """How many bytes come with a request; None: they come in chunks."""
    for name, value in request.headers.items():
        if name.lower() == "content-length":
            return int(value)
    return None if callable(request.body) else len(request.body or b"")


def authority(url: URL, *, with_port: bool = False) -> str:
    """Host and port of a URL, without the port that its scheme has anyway unless it is wanted.

    Raises:
        RequestError: the URL has none.
    """
    host, port = url.raw_host or "", url.port
    if url.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or port is None:
        raise RequestError("no URL that can be asked")
    host = f"[{host}]" if ":" in host else host
    return host if port == _DEFAULT_PORTS[url.scheme] and not with_port else f"{host}:{port}"


def proxy_authorization(proxy: URL) -> dict[str, str]:
    """The login that stands in the URL of a proxy, as a header."""
    if proxy.user is None:
        return {}
    login = f"{proxy.user}:{proxy.password or ''}".encode("utf-8", "surrogateescape")
    return {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"}


def _target(url: URL) -> str:
    """Path and query; what may not stand there is escaped."""
    return quote(url.raw_path_qs or "/", safe=_PRINTABLE, errors="surrogateescape")


def _lines(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    if not _TOKEN.fullmatch(method):
        raise RequestError("no method that can be sent")
    for name, value in fields.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RequestError(f"the header {name[:50]!r} cannot be sent")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")
