"""Servers whose every word is up to the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(peer: Peer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that leaves to `peer` what happens on a connection, and closes it then; its port.

    When the block ends, whatever is open still is aborted: nothing is left for the loop to close.
    """
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()

    async def serve(client: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = _Protocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=context)
        except OSError:  # no handshake
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            with contextlib.suppress(OSError):
                await peer(reader, writer)
            writer.close()
            await protocol.lost.wait()
        finally:
            transport.abort()
            await protocol.lost.wait()

    async def accept(server: socket.socket) -> None:
        while True:
            client, _ = await loop.sock_accept(server)
            task = asyncio.create_task(serve(client))
            connections.add(task)
            task.add_done_callback(connections.discard)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        accepting = asyncio.create_task(accept(server))
        try:
            yield server.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            ending = list(connections)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            for _ in range(3):  # what was given up in a handshake is closed by the loop in its next turns
                await asyncio.sleep(0)


class _Protocol(asyncio.StreamReaderProtocol):
    """Tells when the connection is closed."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """A port at which connections are refused, for as long as the block lasts: nobody else can have it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
