"""Blobs on their way out of a tree, piece by piece, and again from where a try that failed got to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, Self

from fake_registry.errors import TreeError
from fake_registry.fixtures import FoundFile
from mirror.seed.outcome import Progress

_CHUNK: Final = 1 << 20


class Upload:
    """A file that is sent, and how far that is. A context manager, for those who look on."""

    def __init__(self, file: FoundFile, digest: str, progress: Progress) -> None:
        self._file = file
        self._digest = digest
        self._progress = progress
        self._handle = -1
        self._sent = 0
        self._shown = file.size > _CHUNK

    def __enter__(self) -> Self:
        with _reading(self._file.path):
            self._handle = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        if self._shown:
            self._progress.begun(self._digest, self._file.size)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
        if self._shown:
            self._progress.ended(self._digest)

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The content from one byte on and up to another.

        Raises:
            TreeError: it cannot be read.
        """
        self._tell(start - self._sent)
        for offset in range(start, stop, _CHUNK):
            with _reading(self._file.path):
                piece = await asyncio.to_thread(os.pread, self._handle, min(_CHUNK, stop - offset), offset)
            yield piece
            self._tell(len(piece))

    def _tell(self, count: int) -> None:
        self._sent += count
        if self._shown and count:
            self._progress.received(self._digest, count)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TreeError(f"{path}: {error.strerror or error}") from None
