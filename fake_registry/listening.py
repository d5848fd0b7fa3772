"""Listening sockets, and what a client's first bytes say, without anything of it being consumed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, Literal, NamedTuple

from fake_registry.client_hello import HANDSHAKE, HelloError, HelloReader
from fake_registry.resets import reset_on_close

NO_TLS_HERE: Final = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n"
"""The answer of a clear-text registry to a TLS handshake, as Go's server gives it: no TLS record, and the end."""

HANDSHAKE_FAILURE: Final = bytes.fromhex("15 0303 0002 02 28")
"""A TLS record with the fatal alert ``handshake_failure`` (RFC 8446 section 6)."""

BACKLOG: Final = 1024
"""Clients that may wait to be accepted."""


class Address(NamedTuple):
    """Where a listener listens; as text ``host:port``, with brackets around IPv6."""

    host: str
    port: int

    @classmethod
    def of(cls, listener: socket.socket) -> Address:
        """The address of a listening socket."""
        return cls(*listener.getsockname()[:2])

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets that listen on an address, one for each address of a host name; port 0 takes a free one, for all.

    Those that are `shared` (SO_REUSEPORT) may be bound several times, by the same user; the system deals clients out.

    Raises:
        OSError: the address is in use, not ours, or unknown.
    """
    sockets: list[socket.socket] = []
    infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], sockets[0].getsockname()[1] if len(sockets) > 1 else port, *address[2:]))
            listener.listen(BACKLOG)
    except BaseException:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def bind_shared(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """As `bind`, so many times for the same port, which nobody else has before.

    Raises:
        OSError: as `bind`.
    """
    taken = bind(host, port)  # not shared: another server of this user would be found out by nothing else
    number = Address.of(taken[0]).port
    for listener in taken:
        listener.close()
    found: list[list[socket.socket]] = []
    try:
        for _ in range(count):
            found.append(bind(host, number, shared=True))
    except BaseException:
        for listener in (one for listeners in found for one in listeners):
            listener.close()
        raise
    return found


async def first_bytes(client: socket.socket) -> HelloReader | None:
    """Waits for a client's first byte, and if it begins a TLS handshake for the whole ClientHello; None for clear text.

    Nothing is consumed. While bytes are missing the socket is told to report only when they are there, so that a
    client that sends one at a time costs one look each.
    """
    reader = HelloReader()
    seen = -1
    try:
        while True:
            data = _peek(client, reader.needed)
            if data is not None:
                if data[:1] != bytes([HANDSHAKE]):
                    return None
                try:
                    if reader.read(data):
                        return reader
                except HelloError:
                    return reader
                if len(data) <= seen:  # the client has closed, or the system reports early
                    await asyncio.sleep(0.05)
                seen = len(data)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, reader.needed)
            await _readable(client)
    finally:
        with contextlib.suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _peek(client: socket.socket, needed: int) -> bytes | None:
    """What a client has sent; None if that is nothing yet, nothing at all (``b""``) if it has closed."""
    try:
        return client.recv(max(needed, 4096), socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return None


async def _readable(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(client.fileno(), wake)
    try:
        await readable
    finally:
        loop.remove_reader(client.fileno())


async def refuse_tls(client: socket.socket) -> None:
    """Answers a TLS handshake in clear text."""
    await _say_last(client, NO_TLS_HERE)


async def fail_tls(client: socket.socket, failure: Literal["alert", "close", "reset"]) -> None:
    """Ends a TLS handshake on purpose: by an alert, by hanging up, or by a reset."""
    if failure == "reset":
        reset_on_close(client)  # which is the caller's
    else:
        await _say_last(client, HANDSHAKE_FAILURE if failure == "alert" else b"")


async def gone(client: socket.socket) -> bool:
    """Waits until a client hangs up, whatever it says until then; true."""
    with contextlib.suppress(OSError):
        while await asyncio.get_running_loop().sock_recv(client, 65536):
            pass
    return True


async def _say_last(client: socket.socket, data: bytes) -> None:
    """Sends what a client gets as the last. Its hello is read first: closing over unread bytes would be a reset."""
    with contextlib.suppress(BlockingIOError):
        while client.recv(65536):
            pass
    await asyncio.get_running_loop().sock_sendall(client, data)
    client.shutdown(socket.SHUT_WR)
    await gone(client)
