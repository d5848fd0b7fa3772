"""How connections are made: names, addresses, TLS, and proxies that lead on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from yarl import URL

from mirror.client_tls import shared_context, trusting_context, verifying_context
from mirror.seed.remote.connection import Connection
from mirror.seed.remote.failures import ConnectingError, ProxyError
from mirror.seed.remote.request import tunnel_head

CONNECT_TIMEOUT: Final = 30.0
"""Seconds for a connection to be made, and for TLS to begin."""

_KEEP_NAMES: Final = 300.0
_NEXT_ADDRESS: Final = 0.25  # RFC 8305, 5

_Addresses = Sequence[tuple[Any, Any, int, str, Any]]


class Place(NamedTuple):
    """Where connections lead to. With `insecure` certificates are not looked at."""

    origin: URL
    insecure: bool = False
    proxy: URL | None = None


class Dialer:
    """Makes connections; all to the address `connect`, if there is one, whatever hosts are called.

    `ca` are authorities (PEM) that are trusted besides those of the system.

    Raises:
        ValueError: there are no certificates in `ca`.
    """

    def __init__(self, ca: bytes | None = None, connect: tuple[str, int] | None = None) -> None:
        self._ca = ca
        self._connect = connect
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._names: dict[tuple[str, int], tuple[float, asyncio.Future[_Addresses]]] = {}
        if ca is not None:
            verifying_context(ca)

    async def dial(self, place: Place, lost: Callable[[Connection], None]) -> Connection:
        """A new connection.

        Raises:
            ConnectingError: there is none to be had.
            ProxyError: the proxy does not lead on.
            AnswerError, RequestError: the proxy cannot be asked.
            TimeoutError: it took too long.
        """
        # Limits of time are for tasks, and who asks may not be one: a server's first step towards an answer is none.
        return await asyncio.get_running_loop().create_task(self._dialed(place, lost))

    async def _dialed(self, place: Place, lost: Callable[[Connection], None]) -> Connection:
        if place.proxy is None:
            return await self._connected(place.origin, place.insecure, lost)
        connection = await self._connected(place.proxy, place.insecure, lost)
        if place.origin.scheme == "http":
            return connection
        try:
            await self._led_on(connection, place, place.proxy)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _connected(self, url: URL, insecure: bool, lost: Callable[[Connection], None]) -> Connection:
        host, port = _host(url), url.port or 0
        name = self._connect or (host, port)
        try:
            addresses = await self._addresses(name)
            context = self._context(insecure) if url.scheme == "https" else None
            async with asyncio.timeout(CONNECT_TIMEOUT):
                sock = await _connected_socket(addresses)
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(lost), sock=sock, ssl=context, server_hostname=host if context else None
                )
        except OSError as error:
            self._names.pop(name, None)
            raise _connecting(error) from None
        return connection

    async def _led_on(self, connection: Connection, place: Place, proxy: URL) -> None:
        """Takes a connection to a proxy further, to where it should lead."""
        head = await connection.ask("CONNECT", tunnel_head(place.origin, proxy))
        if not 200 <= head.status < 300:
            raise ProxyError(
                f"the proxy {proxy.origin()} answers {head.status} {head.reason[:100]}".rstrip(), head.status
            )
        if not connection.finish():
            raise ProxyError(f"the proxy {proxy.origin()} does not lead on", 0)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                transport = await asyncio.get_running_loop().start_tls(
                    connection.transport,
                    connection,
                    self._context(place.insecure),
                    server_hostname=_host(place.origin),
                )
        except OSError as error:
            raise _connecting(error) from None
        assert transport is not None
        connection.carry_on(transport)

    def _context(self, insecure: bool) -> ssl.SSLContext:
        if insecure not in self._contexts:
            self._contexts[insecure] = trusting_context() if insecure else shared_context(self._ca, system=True)
        return self._contexts[insecure]

    async def _addresses(self, name: tuple[str, int]) -> _Addresses:
        """The addresses of a host, which are looked up once in a while, and by one for all who need them."""
        loop = asyncio.get_running_loop()
        until, found = self._names.get(name, (0.0, None))
        if found is None or until < loop.time():
            found = asyncio.ensure_future(_looked_up(*name))
            found.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._names[name] = (loop.time() + _KEEP_NAMES, found)
        return await asyncio.shield(found)


async def _looked_up(host: str, port: int) -> _Addresses:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connected_socket(addresses: _Addresses) -> socket.socket:
    """A socket that is connected to one of several addresses, the first that takes it (RFC 8305)."""
    if len(addresses) > 1:
        from aiohappyeyeballs import start_connection  # noqa: PLC0415

        return await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1)
    family, kind, protocol, _, address = addresses[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connecting(error: OSError) -> Exception:
    return error if isinstance(error, TimeoutError) and error.errno is None else ConnectingError(error)


def _host(url: URL) -> str:
    return (url.raw_host or "").rstrip(".")
