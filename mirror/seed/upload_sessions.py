"""Where uploads go on that a push did not bring to their end: kept beside the tree's own uploads, for the next push.

A session is a file, named by registry, repository and blob, that only its owner can read: the place of an upload may be
all that it takes to write there. Its lock says that somebody is at it. Like uploads it is swept away with the garbage
when nobody has written to it for a day.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import BlobStore
from fake_registry.fixtures.disk import is_same_file, sync_directory, try_lock
from fake_registry.fixtures.incoming import make_inside
from fake_registry.fixtures.layout import UPLOADS
from fake_registry.oci import NOT_JSON

_MAX_FILE: Final = 256 * 1024


class _Record(msgspec.Struct, frozen=True):
    """What a file says. Its name has the first three, too."""

    host: str
    repository: str
    digest: str
    location: str


class UploadSession:
    """The session of a blob on its way to a repository of a registry; a `mirror.seed.remote.blob_upload.Session`.

    A context manager. Where somebody else has the file, or none can be written, the upload goes on all the same, and
    no other run will know of it.
    """

    def __init__(self, store: BlobStore, host: str, repository: str, digest: str) -> None:
        self._store = store
        self._record = _Record(host, repository, digest, "")
        self._path = Path()
        self._handle = -1
        self._location = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle >= 0:
            if not self._location:
                self._path.unlink(missing_ok=True)
            os.close(self._handle)

    async def location(self) -> str:
        """Where an earlier run got to. Opens the file."""
        if self._handle < 0:
            with suppress(OSError, TreeError):
                await asyncio.to_thread(self._open)
        return self._location

    async def keep(self, location: str) -> None:
        """Writes durably where the upload goes on. Whoever cannot begins anew the next time."""
        if location != await self.location() and self._handle >= 0:
            self._location = ""
            with suppress(OSError):
                await asyncio.to_thread(self._write, location)
                self._location = location

    def _open(self) -> None:
        directory = Path(self._store.directory) / UPLOADS
        make_inside(directory, self._store.root)
        record = self._record
        name = hashlib.sha256(f"{record.host}/{record.repository}@{record.digest}".encode()).hexdigest()
        path = directory / f"push.{name}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not try_lock(handle) or not is_same_file(handle, path):
            os.close(handle)
            return
        self._handle, self._path = handle, path
        sync_directory(directory)
        self._location = self._read()

    def _read(self) -> str:
        """What the file says. One that was not written to its end, or is of something else, says nothing."""
        try:
            found = msgspec.json.decode(os.pread(self._handle, _MAX_FILE, 0), type=_Record)
        except NOT_JSON:
            return ""
        return found.location if msgspec.structs.replace(found, location="") == self._record else ""

    def _write(self, location: str) -> None:
        os.ftruncate(self._handle, 0)
        if location:
            os.pwrite(self._handle, msgspec.json.encode(msgspec.structs.replace(self._record, location=location)), 0)
        os.fsync(self._handle)
