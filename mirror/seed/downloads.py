"""Blobs on their way into a tree: what came of one stays when the program ends, and is gone on with the next time.

A download is a file beside the uploads of the registry, named by its digest. Like those it is swept away with the
garbage when nobody has written to it for a day.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from fake_registry.fixtures import BlobStore
from fake_registry.fixtures.disk import reported, try_lock
from fake_registry.fixtures.incoming import make_inside, place
from fake_registry.fixtures.layout import UPLOADS
from fake_registry.oci import parse_digest

_CHUNK: Final = 1 << 20


class Download:
    """A blob that is being downloaded; a `mirror.seed.remote.repository.BlobSink`.

    An asynchronous context manager: leaving it keeps what came. Somebody else who downloads the same blob at the same
    time has a file of his own.
    """

    def __init__(self, store: BlobStore, digest: str, received: Callable[[int], None] | None = None) -> None:
        """`received` is told how many bytes came; of what an earlier try left, too."""
        self._store = store
        self._digest = digest
        self._received = received or (lambda count: None)
        self._algorithm, self._digits = parse_digest(digest)
        self._hash = hashlib.new(self._algorithm)
        self._waiting: list[bytes] = []
        self._waits = 0
        self._handle = -1
        self._path = Path()
        self.size = 0

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        self._received(self.size)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._flush()
        finally:
            os.close(self._handle)

    async def write(self, data: bytes) -> None:
        """Takes the next bytes (raises `TreeError` if the disk does not)."""
        self._waiting.append(data)
        self._waits += len(data)
        self.size += len(data)
        self._received(len(data))
        if self._waits >= _CHUNK:
            await self._flush()

    async def cut(self) -> None:
        """Forgets everything."""
        self._received(-self.size)
        self._waiting, self._waits, self.size = [], 0, 0
        self._hash = hashlib.new(self._algorithm)
        with reported(self._store.root):
            os.ftruncate(self._handle, 0)

    async def matches(self) -> bool:
        """Whether what came has the digest."""
        await self._flush()
        return self._hash.hexdigest() == self._digits

    async def commit(self) -> None:
        """Makes a blob of the tree of it, after `matches` (raises `TreeError`)."""
        await asyncio.to_thread(self._commit)

    async def _flush(self) -> None:
        if self._waiting:
            data, self._waiting, self._waits = b"".join(self._waiting), [], 0
            await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        at = self.size - len(data)
        with reported(self._store.root):
            while view:
                written = os.pwrite(self._handle, view, at)
                view = view[written:]
                at += written
        self._hash.update(data)

    def _commit(self) -> None:
        with reported(self._store.root):
            os.fsync(self._handle)
            place(self._store, self._path, self._digest, self.size)

    def _open(self) -> None:
        directory = Path(self._store.directory) / UPLOADS
        make_inside(directory, self._store.root)
        path = directory / f"download.{self._algorithm}.{self._digits}"
        with reported(self._store.root):
            while not self._opened(path):
                path = path.with_suffix(f".{secrets.token_hex(8)}")
            for offset in range(0, os.fstat(self._handle).st_size, _CHUNK):
                piece = os.pread(self._handle, _CHUNK, offset)
                self._hash.update(piece)
                self.size += len(piece)

    def _opened(self, path: Path) -> bool:
        """Opens the file at a path for its only writer, if nobody else has it."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            there = path.stat(follow_symlinks=False)
            ours = try_lock(handle) and os.path.samestat(there, os.fstat(handle))
        except FileNotFoundError:  # the other one has just finished
            ours = False
        if not ours:
            os.close(handle)
            return False
        self._handle, self._path = handle, path
        return True
