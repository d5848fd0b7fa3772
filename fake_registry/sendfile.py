"""Files from the page cache to the socket without passing through this process (Linux ``sendfile``), for clear text."""

from __future__ import annotations

import asyncio
import os
from typing import Final

PIECE: Final = 16 * 1024 * 1024
"""Bytes that a thread sends at most before the event loop looks at the connection again."""

_LOOK_UP: Final = 1.0
"""Seconds after which a client that takes nothing is checked for being there at all."""


async def send_file(transport: asyncio.WriteTransport, descriptor: int, offset: int, length: int) -> None:
    """Sends a part of a file over a transport whose bytes are those on the wire.

    Threads do the copying, for as long as the socket takes more; a slow client is waited for in the event loop.

    Raises:
        ConnectionError: the client went away.
        EOFError: the file is shorter than that.
    """
    loop = asyncio.get_running_loop()
    while transport.get_write_buffer_size():
        _check(transport)
        await asyncio.sleep(0.001)
    _check(transport)
    # The transport owns its descriptor; waiting for one of our own does not get in its way.
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while length:
            sent = await loop.run_in_executor(None, _copy, socket, descriptor, offset, min(length, PIECE))
            offset += sent
            length -= sent
            if length and sent < PIECE:
                await _writable(loop, socket, transport)
    finally:
        os.close(socket)


def _check(transport: asyncio.WriteTransport) -> None:
    if transport.is_closing():
        raise ConnectionResetError("the client went away")


def _copy(socket: int, descriptor: int, offset: int, length: int) -> int:
    """Copies until the socket takes no more; the bytes that it took."""
    done = 0
    while done < length:
        try:
            sent = os.sendfile(socket, descriptor, offset + done, length - done)
        except BlockingIOError:
            return done
        if not sent:
            raise EOFError("the file is shorter than announced")
        done += sent
    return done


async def _writable(loop: asyncio.AbstractEventLoop, socket: int, transport: asyncio.WriteTransport) -> None:
    ready = asyncio.Event()
    loop.add_writer(socket, ready.set)
    try:
        while not ready.is_set():
            try:
                async with asyncio.timeout(_LOOK_UP):
                    await ready.wait()
            except TimeoutError:
                _check(transport)
    finally:
        loop.remove_writer(socket)
