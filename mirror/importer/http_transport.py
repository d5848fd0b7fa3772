"""The transport over real sockets: aiohttp's client, with Go's manner of connecting and Go's words for what fails.

aiohttp pools connections, which `mirror.importer.connections` makes and reads answers from. Its conveniences (retries,
redirects, cookies, decompression, proxies, default headers) are all off: one call of `HttpTransport.send` is one
exchange.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, Self

from aiohttp import (
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)
from multidict import CIMultiDict
from yarl import URL

from mirror.client_tls import shared_context, trusting_context
from mirror.clock import Clock, SystemClock
from mirror.errors import InputError
from mirror.importer.connections import Connector, Request, Response
from mirror.importer.dial import (
    Addresses,
    Dialer,
    Endpoint,
    HostList,
    Lookup,
    no_such_host,
    parse_target,
    system_lookup,
)
from mirror.importer.inflating import MAX_BODY
from mirror.importer.transport import Answer, TransportError
from mirror.importer.waiting import BODY_LATE, HANDSHAKE_TIMEOUT, HEADERS_LATE, Waits

_NO_DEFAULTS: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class HttpTransport:
    """One HTTP/1.1 exchange at a time over sockets; a `mirror.importer.transport.Transport`.

    Where hosts are: `resolve` lists those that exist (``quay.io``, ``plain.example.com:5000``) with the address at
    which each is found, or `Refused`; with `connect` every other host is at that address; with neither, the system is
    asked. `addresses` says whether texts show the addresses that were dialled or a fixed one. `ca` are the trusted
    authorities (PEM), the system's if None; with `system` those are trusted, too. Timeouts are in seconds;
    `concurrency` is also the number of connections to a host; `lookup` resolves names. `waits` is shared with a server
    in the same process, which then keeps nobody waiting but says how long it would.

    Raises:
        InputError: `ca` holds no certificates.
    """

    def __init__(
        self,
        *,
        connect: tuple[str, int] | None = None,
        resolve: Mapping[str, Endpoint] | None = None,
        ca: bytes | None = None,
        system: bool = False,
        addresses: Addresses = "real",
        concurrency: int = 8,
        clock: Clock | None = None,
        dial_timeout: float = 30.0,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
        lookup: Lookup = system_lookup,
        waits: Waits | None = None,
    ) -> None:
        self.concurrency = concurrency
        hosts = None if resolve is None else HostList(resolve)
        self._dialer = Dialer(hosts=hosts, via=connect, addresses=addresses, timeout=dial_timeout, lookup=lookup)
        try:
            self._verifying = shared_context(ca, system=system)
        except ValueError as error:
            raise InputError(f"the trusted authorities: {error}") from None
        self._ca = ca or b""
        self._trusting: ssl.SSLContext | None = None
        self._clock = clock or SystemClock()
        self._handshake_timeout = handshake_timeout
        self._waits = Waits() if waits is None else waits
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        """Makes one exchange; see `mirror.importer.transport.Transport`."""
        waits = self._waits
        waits.begin(timeout)
        response: ClientResponse | None = None
        pieces: list[bytes] = []
        broken: TransportError | None = None
        try:
            async with asyncio.timeout(timeout):
                response = await self._request(method, scheme, host, target, headers, insecure=insecure)
                await _read(response, pieces)
        except (TransportError, TimeoutError) as error:
            if response is None:
                if waits.gave_up is not None:
                    raise waits.failure() from None
                if isinstance(error, TimeoutError):
                    raise TransportError(HEADERS_LATE, timeout=True) from None
                error.took = waits.head
                raise
            response.close()
            broken = (
                error if isinstance(error, TransportError) else TransportError(BODY_LATE, timeout=True, in_body=True)
            )
            if waits.gave_up is not None:
                broken = waits.body_failure()
        except BaseException:
            if response is not None:
                response.close()
            raise
        lines = [(name.lower(), value) for name, value in response.headers.items()]
        return Answer(response.status, response.reason or "", lines, b"".join(pieces), broken, waits.head)

    async def aclose(self) -> None:
        """Gives all connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
    ) -> ClientResponse:
        where = parse_target(scheme, host)
        authority = host.rpartition("@")[2]
        lines = CIMultiDict(headers)
        lines.setdefault("Host", authority.removesuffix(":"))
        try:
            url = URL(f"{scheme}://{authority}{target}", encoded=True)
        except ValueError:
            raise no_such_host(where.host) from None
        return await self._ready().request(
            method,
            url,
            headers=lines,
            allow_redirects=False,
            ssl=self._context(insecure=insecure) if scheme == "https" else True,
            server_hostname=where.host,
        )

    def _ready(self) -> ClientSession:
        if self._session is None:
            connector = Connector(
                self._dialer,
                self._verifying,
                self._clock,
                handshake_timeout=self._handshake_timeout,
                limit_per_host=self.concurrency,
                ca=self._ca,
            )
            self._session = ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=_NO_DEFAULTS,
                request_class=Request,
                response_class=Response,
            )
            # aiohttp repeats what a used connection hung up on; here the caller decides that.
            self._session._retry_connection = False
        return self._session

    def _context(self, *, insecure: bool) -> ssl.SSLContext:
        if not insecure:
            return self._verifying
        if self._trusting is None:
            self._trusting = trusting_context()
        return self._trusting


async def _read(response: ClientResponse, pieces: list[bytes]) -> None:
    """Reads the whole body; what came of one that fails is in `pieces`, too.

    Raises:
        TransportError: it is cut short, or longer than it may be.
    """
    assert isinstance(response, Response)
    length = 0
    while length <= MAX_BODY:
        piece = await response.content.readany()
        if not piece:
            if response.answer.failure:
                raise TransportError(response.answer.failure, in_body=True)
            return
        pieces.append(piece)
        length += len(piece)
    raise TransportError(f"body of more than {MAX_BODY} bytes", in_body=True)
