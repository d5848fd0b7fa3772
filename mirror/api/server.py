"""The API on sockets: TLS or clear text, client certificates, streams, an end without haste."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from aiohttp.web_server import Server

from fake_registry.config import ServerCertificate
from fake_registry.listening import Address, bind
from fake_registry.tls import CertificateAuthority, server_context
from mirror.api.access import Access
from mirror.api.exchange import Connection, Exchanges
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.quick import OpenConnections, QuickConnection
from mirror.errors import InputError

_NAMES: Final = ("localhost", "127.0.0.1", "::1")

log = logging.getLogger(__name__)


def tls_context(pem: bytes, client_ca: Path | None = None) -> ssl.SSLContext:
    """A context for a server with a certificate and its key. With `client_ca` clients may show certificates that it
    signed.

    Raises:
        InputError: the file of the client CA cannot be used.
    """
    context = server_context(pem)
    if client_ca is not None:
        try:
            context.load_verify_locations(cafile=client_ca)
        except OSError as error:  # ssl.SSLError is one, too
            raise InputError(f"{client_ca}: no certificates that could be used: {error.strerror or error}") from None
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _pem(given: ServerCertificate) -> bytes:
    return f"{given.cert}\n{given.key}".encode()


class Served(Protocol):
    """What answers the requests of a server."""

    @property
    def access(self) -> Access:
        """Who may ask: whether clients may show certificates."""
        ...

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request."""
        ...


class ApiServer:
    """Serves an API on any number of listeners. An asynchronous context manager that closes them.

    With an `authority` it speaks TLS, without one clear text; it shows a certificate of that authority, or in its place
    the one that is given. Seconds: `greeting` is how long a client may take to send
    its first request, TLS handshake included; `idle` how long a connection may wait for the next one; `grace` how long
    requests under way are waited for by `close`. Streams are ended at once.
    """

    def __init__(
        self,
        api: Served,
        authority: CertificateAuthority | None = None,
        *,
        certificate: ServerCertificate | None = None,
        greeting: float = 30.0,
        idle: float = 180.0,
        grace: float = 5.0,
    ) -> None:
        self._api = api
        self._authority = authority
        self._given = certificate
        self._shown: ssl.SSLContext | None = None
        self._greeting = greeting
        self._idle = idle
        self._grace = grace
        self._manager: Server | None = None
        self._certificates = api.access.client_ca is not None
        self._connections = OpenConnections()
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Address:
        """Listens on an address (port 0: a free one), and says on which.

        Raises:
            OSError: the address is in use, not ours, or unknown.
            InputError: the CA of client certificates cannot be used.
        """
        return await self.listen(bind(host, port), [host] if host else [])

    async def listen(self, listeners: list[socket.socket], names: list[str] | None = None) -> Address:
        """Takes over sockets that listen already; the address is that of the first. `names` go into the certificate."""
        try:
            context = self._context(listeners, names or [])
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        if self._manager is None:
            self._manager = Server(Exchanges(self._api.handle, certificates=self._certificates))
            self._connections = OpenConnections()
        loop = asyncio.get_running_loop()
        for listener in listeners:
            server = await loop.create_server(
                self._connection,
                sock=listener,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._greeting,
            )
            self._servers.append(server)
        return Address.of(listeners[0])

    def _context(self, listeners: list[socket.socket], names: list[str]) -> ssl.SSLContext | None:
        if self._authority is None:
            return None
        addresses = [listener.getsockname()[0].partition("%")[0] for listener in listeners]
        if self._given is None:
            issued = self._authority.issue([*dict.fromkeys((*names, *addresses, *_NAMES))])
            return tls_context(issued, self._api.access.client_ca)
        self.show(self._given)
        context = tls_context(_pem(self._given), self._api.access.client_ca)
        context.sni_callback = self._choose
        return context

    def show(self, certificate: ServerCertificate) -> None:
        """Shows another certificate from the next connection on, where one was given."""
        self._shown = tls_context(_pem(certificate), self._api.access.client_ca)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called in each handshake, whether the client says a name or not."""
        del name, context
        assert self._shown is not None
        connection.context = self._shown

    async def close(self) -> None:
        """Stops listening, ends streams, lets requests under way finish, and closes every connection."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        manager, self._manager = self._manager, None
        if manager is None:
            return
        self._connections.closed = True
        quick = [one for one in self._connections if isinstance(one, QuickConnection)]
        for connection in self._connections:
            if isinstance(connection, Connection):
                connection.end_stream()
            elif isinstance(connection, QuickConnection):
                connection.end()
        manager.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._grace):
                await asyncio.gather(manager.shutdown(self._grace), *(self._finish(one) for one in quick))
        for connection in self._connections:
            connection.cut()

    async def _finish(self, connection: QuickConnection) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await connection.finish()

    def _connection(self) -> QuickConnection:
        manager = self._manager
        assert manager is not None

        def successor() -> Connection:
            """aiohttp's protocol, for connections that bring more than simple requests, or take streams."""
            return Connection(manager, self._connections, greeting=self._greeting, idle=self._idle)

        return QuickConnection(
            self._api.handle,
            successor,
            self._connections,
            certificates=self._certificates,
            greeting=self._greeting,
            idle=self._idle,
        )
