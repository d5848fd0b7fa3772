"""Connections to registries: certificates, proxies, redirects.

aiohttp makes and keeps the connections. What it would do on its own (cookies, decompression, proxies from the
environment, redirects with all headers) is off or done here.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Final, Self

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mirror.client_tls import trusting_context, verifying_context
from mirror.errors import InputError
from mirror.seed.remote.failures import RemoteError

MAX_REDIRECTS: Final = 10

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TIMEOUT: Final = ClientTimeout(total=None, connect=None, sock_connect=30.0, sock_read=60.0)
_UNKNOWN_HOST: Final = frozenset(
    number for name in ("EAI_NONAME", "EAI_NODATA") if (number := getattr(socket, name, None)) is not None
)
_MAX_LINE: Final = 64 * 1024

Body = bytes | Callable[[], AsyncIterable[bytes]] | None
"""What is sent with a request: bytes, or a function that gives them piece by piece."""


def parse_proxy(text: str, name: str) -> URL:
    """A proxy as people write it: a URL, or an address.

    Raises:
        InputError: it is none of an HTTP proxy; says `name`.
    """
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise InputError(f"{name}: {text!r} is not the URL of an HTTP proxy")
    return proxy


class Proxies:
    """Which proxy is asked for a URL, by ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` in either case.

    ``NO_PROXY`` lists hosts, domains (with and without a leading dot: those below, too), addresses, networks in CIDR
    notation, any of them with a port, or ``*``. Never a proxy for localhost and loopback addresses. Source:
    golang.org/x/net/http/httpproxy.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        def value(name: str) -> str:
            return environment.get(name.lower()) or environment.get(name) or ""

        self._proxies = {"http": value("HTTP_PROXY"), "https": value("HTTPS_PROXY")}
        if environment.get("REQUEST_METHOD"):  # a CGI's HTTP_PROXY is a header of its client
            self._proxies["http"] = environment.get("http_proxy", "")
        self._exceptions = [entry.strip().lower() for entry in value("NO_PROXY").split(",") if entry.strip()]

    def proxy(self, url: URL) -> URL | None:
        """The proxy for a URL, or None.

        Raises:
            InputError: the variable holds no URL of an HTTP proxy.
        """
        text = self._proxies.get(url.scheme, "")
        host = (url.host or "").lower()
        if not text or self._is_direct(host, url.port):
            return None
        return parse_proxy(text, f"{url.scheme.upper()}_PROXY")

    def _is_direct(self, host: str, port: int | None) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_excepts(entry, host, port, address) for entry in self._exceptions)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _excepts(
    entry: str, host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if port != int(wanted):
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith("*."):
        entry = entry[1:]
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith(f".{entry}")


class Network:
    """Sends requests. An asynchronous context manager that closes its connections.

    `ca` are authorities (PEM) that are trusted besides those of the system. With `connect` all connections go to that
    address, whatever the host is called. `limit` is the number of connections to one host.

    Raises:
        InputError: `ca` holds no certificates.
    """

    def __init__(
        self,
        *,
        ca: bytes | None = None,
        connect: tuple[str, int] | None = None,
        proxies: Proxies | None = None,
        limit: int = 8,
    ) -> None:
        try:
            self._verifying = verifying_context(ca, system=True)
        except ValueError as error:
            raise InputError(f"--ca: {error}") from None
        self._trusting = trusting_context()
        self._connect = connect
        self._proxies = proxies if proxies is not None and connect is None else Proxies({})
        self._limit = limit
        self._session: ClientSession | None = None
        self.requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], *, body: Body = None, insecure: bool = False
    ) -> ClientResponse:
        """Sends a request and follows redirects of what only reads; the answer's body is not read yet.

        Credentials stay with the host that they are for. With `insecure` certificates are not looked at.

        Raises:
            RemoteError: no answer came, or the redirects lead nowhere.
        """
        headers = dict(headers)
        secure = url.scheme == "https"
        for _ in range(MAX_REDIRECTS + 1):
            response = await self.exchange(method, url, headers, body=body, insecure=insecure)
            location = response.headers.get("Location", "")
            if response.status not in REDIRECTS or not location or method not in {"GET", "HEAD"}:
                return response
            response.release()
            try:
                target = url.join(URL(location, encoded=True))
                different = target.origin() != url.origin()
            except ValueError:
                shown = location.partition("?")[0][:200]  # what is signed is a secret as long as it is good
                raise RemoteError(f"{method} {url.with_query(None)}: leads to {shown!r}, which is no URL") from None
            if target.scheme not in {"http", "https"} or (secure and target.scheme == "http" and not insecure):
                where = url.with_query(None)
                raise RemoteError(f"{method} {where}: leads from https to {target.scheme}; --insecure allows http")
            if different:
                headers.pop("Authorization", None)
            url = target
        raise RemoteError(f"{method} {url.with_query(None)}: more than {MAX_REDIRECTS} redirects")

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], *, body: Body = None, insecure: bool = False
    ) -> ClientResponse:
        """Sends one request and follows nothing; the answer's body is not read yet (raises `RemoteError`)."""
        self.requests += 1
        try:
            return await self._ready().request(
                method,
                url,
                headers=headers,
                data=body() if callable(body) else body,
                allow_redirects=False,
                ssl=self._trusting if insecure else self._verifying,
                proxy=self._proxies.proxy(url),
            )
        except (ClientError, OSError, ValueError) as error:
            raise no_answer(method, url, error) from None

    def _ready(self) -> ClientSession:
        if self._session is None:
            resolver = None if self._connect is None else _OneAddress(*self._connect)
            self._session = ClientSession(
                connector=TCPConnector(limit=0, limit_per_host=self._limit, resolver=resolver, ttl_dns_cache=300),
                cookie_jar=DummyCookieJar(),
                timeout=_TIMEOUT,
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Content-Type"),
                headers={"User-Agent": "ismirror", "Accept-Encoding": "identity"},
                max_line_size=_MAX_LINE,
                max_field_size=_MAX_LINE,
            )
        return self._session


def no_answer(method: str, url: URL, error: Exception) -> RemoteError:
    """The failure that an exception of aiohttp stands for; most of them may pass."""
    where = f"{method} {url.with_query(None)}"
    if isinstance(error, ClientConnectorCertificateError):
        return RemoteError(f"{where}: certificate: {_certificate_problem(error)}; --ca names an authority to trust")
    if isinstance(error, InvalidURL) or not isinstance(error, (ClientError, OSError)):
        return RemoteError(f"{where}: no URL that can be asked")
    if isinstance(error, ClientSSLError):
        return RemoteError(f"{where}: TLS: {error.os_error.strerror or error.os_error}", passing=True)
    if isinstance(error, ClientConnectorError):
        # asyncio has texts of its own in place of the system's, with addresses in the way of Python
        cause = error.os_error
        if isinstance(cause, socket.gaierror):
            unknown = cause.errno in _UNKNOWN_HOST
            text = "no such host" if unknown else cause.strerror or str(cause)
            return RemoteError(f"{where}: {text.lower()}", passing=not unknown)
        text = os.strerror(cause.errno) if cause.errno else str(cause)
        return RemoteError(f"{where}: {text.lower()}", passing=True)
    if isinstance(error, ServerDisconnectedError):
        return RemoteError(f"{where}: hung up without an answer", passing=True, hung_up=True)
    if isinstance(error, ClientOSError) and error.errno == errno.ECONNRESET:
        return RemoteError(f"{where}: connection reset", passing=True, hung_up=True)
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return RemoteError(f"{where}: nothing came for too long", passing=True)
    return RemoteError(f"{where}: {str(error).partition(', message=')[0] or type(error).__name__}", passing=True)


def _certificate_problem(error: ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return str(getattr(cause, "verify_message", "") or cause).rstrip(".")


class _OneAddress(AbstractResolver):
    """Finds every host at one address."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del port, family
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        return None
