"""HTTP as Go's ``http.Client`` does it, over any transport: redirects, gzip, and the one repeat on a used connection.

Source: net/http ``client.go``, ``transport.go``.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from mirror.importer.failures import ClientFailure, UrlFailure
from mirror.importer.transport import Answer, Transport, TransportError

USER_AGENT: Final = ("user-agent", "Go-http-client/1.1")
GZIP: Final = ("accept-encoding", "gzip")
MAX_REDIRECTS: Final = 10
MAX_BODY: Final = 64 * 1024 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Headers = tuple[tuple[str, str], ...]


class Url(NamedTuple):
    """A URL in the parts that a request needs: ``https``, ``quay.io:8443``, ``/v2/?n=1``."""

    scheme: str
    host: str
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.target}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Authorize = Callable[[Url], Awaitable[Headers]]
"""Gives the Authorization header for a request, if any. A failure becomes the request's failure."""


class Wire:
    """Sends requests over a transport and remembers which connections Go would have kept open."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._idle: set[tuple[bool, str, str]] = set()

    async def request(
        self,
        method: str,
        url: Url,
        headers: Headers,
        *,
        insecure: bool,
        timeout: float | None = None,
        authorize: Authorize | None = None,
    ) -> tuple[Answer, Url]:
        """Makes a request and follows redirects; the answer, decompressed, and the URL that gave it.

        Raises:
            UrlFailure: no answer, no authorization, or too many redirects.
            ClientFailure: the answer's body could not be read.
        """
        first_method = method
        for count in range(1, MAX_REDIRECTS + 1):
            try:
                extra = await authorize(url) if authorize is not None else ()
                answer = await self._exchange(method, url, headers + extra, insecure=insecure, timeout=timeout)
            except TransportError as error:
                if error.in_body:
                    raise ClientFailure(str(error)) from None
                raise UrlFailure(first_method, _shown(url), str(error), timeout=error.timeout) from None
            except ClientFailure as failure:
                timed_out = isinstance(failure, UrlFailure) and failure.timeout
                raise UrlFailure(first_method, _shown(url), str(failure), timeout=timed_out) from None
            location = answer.header("location") if answer.status in _REDIRECTS else ""
            if not location:
                return _decompressed(method, headers, answer), url
            if count == MAX_REDIRECTS:
                raise UrlFailure(first_method, location, f"stopped after {MAX_REDIRECTS} redirects")
            url = _redirected(first_method, url, location)
            if answer.status <= 303 and method != "HEAD":
                method = "GET"
        raise AssertionError("unreachable")

    async def _exchange(
        self, method: str, url: Url, headers: Headers, *, insecure: bool, timeout: float | None
    ) -> Answer:
        """One exchange. On a connection that had been used before, Go repeats a request that was hung up on."""
        connection = (insecure, url.scheme, url.host)
        sent = _with_defaults(method, headers)
        while True:
            try:
                answer = await self._transport.send(
                    method, url.scheme, url.host, url.target, sent, insecure=insecure, timeout=timeout
                )
            except TransportError as error:
                used = connection in self._idle
                self._idle.discard(connection)
                if error.hung_up and used:
                    continue
                raise
            self._idle.add(connection)
            return answer


def _with_defaults(method: str, headers: Headers) -> Headers:
    if method == "HEAD" or any(name == "accept-encoding" for name, _ in headers):
        return (USER_AGENT, *headers)
    return (USER_AGENT, *headers, GZIP)


def _shown(url: Url) -> str:
    """The URL as an error shows it: without a password."""
    userinfo, at, host = url.host.rpartition("@")
    if not at:
        return str(url)
    user, colon, _ = userinfo.partition(":")
    return f"{url.scheme}://{user}{':***' if colon else ''}@{host}{url.target}"


def parse_url(text: str) -> Url:
    """The URL of an absolute ``http`` or ``https`` address; the fragment is dropped.

    Raises:
        ValueError: it is not one.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(text)
    target = parts.path or "/"
    return Url(parts.scheme, parts.netloc, f"{target}?{parts.query}" if parts.query else target)


def _redirected(method: str, url: Url, location: str) -> Url:
    joined = urljoin(str(url), location)
    try:
        return parse_url(joined)
    except ValueError:
        scheme = joined.partition(":")[0]
        raise UrlFailure(method, joined, f'unsupported protocol scheme "{scheme}"') from None


def _decompressed(method: str, headers: Sequence[tuple[str, str]], answer: Answer) -> Answer:
    """Go's transparent gzip: only where it asked for gzip by itself."""
    if method == "HEAD" or answer.header("content-encoding").lower() != "gzip":
        return answer
    if any(name == "accept-encoding" for name, _ in headers):
        return answer
    kept = [line for line in answer.headers if line[0] not in ("content-encoding", "content-length")]
    return Answer(answer.status, answer.reason, kept, gunzip(answer.body))


def gunzip(data: bytes) -> bytes:
    """Gzip data, bounded; failures have the texts of Go's ``compress/gzip``."""
    if not data:
        raise ClientFailure("EOF")
    if data[:3] != b"\x1f\x8b\x08":
        raise ClientFailure("unexpected EOF" if len(data) < 10 else "gzip: invalid header")
    return inflate(data, 31)


def inflate(data: bytes, window_bits: int) -> bytes:
    """Deflated data (`window_bits` as in zlib: 31 gzip, -15 raw), never more than `MAX_BODY` bytes of it."""
    machine = zlib.decompressobj(window_bits)
    try:
        body = machine.decompress(data, MAX_BODY)
    except zlib.error:
        raise ClientFailure(f"flate: corrupt input before offset {len(data)}") from None
    if machine.unconsumed_tail:
        raise ClientFailure(f"body of more than {MAX_BODY} bytes")
    if not machine.eof:
        raise ClientFailure("unexpected EOF")
    return body
