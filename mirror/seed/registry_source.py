"""Registries as a source of good content, for a tree that is mended."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Final, Self

from fake_registry.oci import Descriptor, parse_digest
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registries import Registries
from mirror.seed.remote.repository import Repository

_CHUNK: Final = 1 << 20


class RegistrySource:
    """Asks the registries that a tree's repositories are named after; a `mirror.seed.repairing.Source`.

    A context manager, with a loop of its own that runs while something is asked for. `connect` makes the registries.
    """

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Registries]]) -> None:
        self.name = "its registry"
        self.problems: list[str] = []
        """What registries said in place of content."""
        self._connect = connect
        self._runner = asyncio.Runner()
        self._connection: AbstractAsyncContextManager[Registries] | None = None
        self._registries: Registries | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._connection is not None:
                self._runner.run(self._connection.__aexit__(None, None, None))
        finally:
            self._runner.close()

    def content(self, digest: str, repositories: Sequence[str]) -> Iterator[bytes] | None:
        """A blob or manifest of one of the repositories."""
        file = tempfile.TemporaryFile()  # noqa: SIM115  it is read when this has returned
        if self._runner.run(self._fetched(digest, repositories, file)):
            return _chunks(file)
        file.close()
        return None

    def index(self, repository: str) -> bytes | None:
        """None: registries have no such files."""
        del repository
        return None

    async def _fetched(self, digest: str, repositories: Sequence[str], file: BinaryIO) -> bool:
        if self._registries is None:
            self._connection = self._connect()
            self._registries = await self._connection.__aenter__()
        for name in repositories:
            host, _, path = name.partition("/")
            try:
                places = await self._registries.places(host, path, by_digest=True)
            except RemoteError as error:
                self.problems.append(str(error))
                continue
            for place in places:
                try:
                    await _fetch(place, digest, file)
                except RemoteError as error:
                    self.problems.append(str(error))
                else:
                    return True
        return False


async def _fetch(place: Repository, digest: str, file: BinaryIO) -> None:
    """A blob, else a manifest, into a file (raises `RemoteError`)."""
    try:
        await place.blob(Descriptor(digest=digest), _Spool(file, digest))
    except RemoteError as error:
        if error.status not in {400, 404}:
            raise
        try:
            fetched = await place.manifest(digest)
        except RemoteError:
            raise error from None
        file.seek(0)
        file.truncate()
        file.write(fetched.data)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while data := file.read(_CHUNK):
            yield data


class _Spool:
    """A file that a blob comes into."""

    def __init__(self, file: BinaryIO, digest: str) -> None:
        self._file = file
        self._algorithm, self._digits = parse_digest(digest)
        self._hash = hashlib.new(self._algorithm)
        self.size = 0
        file.seek(0)
        file.truncate()

    async def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    async def cut(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.new(self._algorithm)
        self.size = 0

    async def matches(self) -> bool:
        return self._hash.hexdigest() == self._digits
