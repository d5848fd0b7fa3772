"""Files on their way to a client: opened once, read off the event loop or sent without being read."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from fake_registry.core.messages import FileBody, PartsBody, Response, StreamBody
from fake_registry.sendfile import send_file

CHUNK: Final = 1024 * 1024
"""Bytes of a file that are read, and held in memory, at once."""

SMALL: Final = 64 * 1024
"""Bytes of a body that is sent in one piece."""

log = logging.getLogger(__name__)


class File:
    """A part of a file that is being sent. It is closed when nobody holds it, a thread that still reads included."""

    __slots__ = ("_descriptor", "_offset", "path")

    def __init__(self, body: FileBody) -> None:
        self.path: Path = body.path
        self._descriptor = -1
        self._descriptor = os.open(body.path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = body.offset

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, count: int) -> bytes:
        """The next bytes, up to `count`; none at the end of the file."""
        piece = os.pread(self._descriptor, count, self._offset)
        self._offset += len(piece)
        return piece

    async def send(self, transport: asyncio.WriteTransport, count: int) -> None:
        """Sends the next `count` bytes without reading them; raises as `send_file`."""
        await send_file(transport, self._descriptor, self._offset, count)

    def cached(self, count: int) -> bytes | None:
        """The next `count` bytes if the system has them in memory; None if reading them would wait for a disk."""
        if not hasattr(os, "RWF_NOWAIT"):  # Linux only
            return None
        buffer = bytearray(count)
        try:
            complete = os.preadv(self._descriptor, [buffer], self._offset, os.RWF_NOWAIT) == count
        except OSError:  # not in memory, or a file system that cannot tell
            return None
        return bytes(buffer) if complete else None


Content = bytes | File | StreamBody
"""What is to be sent of an answer."""


async def opened(method: str, response: Response) -> Content:
    """What is to be sent of a response: its bytes, or its file, opened. Small files are read at once if they can be."""
    body = response.body
    if isinstance(body, bytes | StreamBody):
        return body
    if method == "HEAD" or response.drop or (response.delivery is not None and not response.delivery.has_answer):
        return b""
    if isinstance(body, PartsBody):
        return StreamBody(body.length, _pieces(body))
    if body.length <= SMALL:
        file = File(body)
        piece = file.cached(body.length)
        return file if piece is None else piece
    return await asyncio.get_running_loop().run_in_executor(None, File, body)


async def _pieces(body: PartsBody) -> AsyncGenerator[bytes]:
    """What is to be sent of several parts, read off the event loop. A file that is shorter than it was ends early."""
    loop = asyncio.get_running_loop()
    for part in body.parts:
        if isinstance(part, bytes):
            yield part
            continue
        try:
            file, left = await loop.run_in_executor(None, File, part), part.length
            while left and (piece := await loop.run_in_executor(None, file.read, min(CHUNK, left))):
                left -= len(piece)
                yield piece
        except OSError as error:
            log.error("%s", error)  # noqa: TRY400 - what it is says all
            return
        if left:
            log.error("%s: shorter than announced", part.path)
            return
