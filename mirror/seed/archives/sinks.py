"""Where exported images go: a new directory, or a tar; whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from fake_registry.fixtures.disk import sync_directory, temporary_beside
from mirror.errors import InputError
from mirror.seed.archives.tar import TAR_END, tar_header, tar_padding


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turns what the operating system refuses while `path` is written (no space) into an `InputError` that names it."""
    try:
        yield
    except OSError as error:
        name = path if error.filename is None else os.fsdecode(error.filename)
        raise InputError(f"{name}: {error.strerror or error}; expected to be able to write {path}") from None


class Sink(Protocol):
    """Takes files, one after the other."""

    def put(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Takes a file of `size` bytes."""
        ...


class DirectorySink:
    """A new directory. Used as a context: it gets its name at the end, when everything in it is durable."""

    def __init__(self, path: Path) -> None:
        """Raises `InputError` if there is something with that name, other than an empty directory."""
        self._path = path
        if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(f"{path}: is there already, and not an empty directory; take another name")
        self._temporary = temporary_beside(path)

    def __enter__(self) -> Self:
        self._temporary.mkdir(parents=True)
        return self

    def put(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        path = self._temporary / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            _write(file, name, size, chunks)
            file.flush()
            os.fsync(file.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            return
        for directory, _, _ in os.walk(self._temporary):
            sync_directory(Path(directory))
        self._temporary.replace(self._path)
        sync_directory(self._path.parent)


class TarSink:
    """A new tar. Used as a context: it gets its name at the end, when all of it is durable."""

    def __init__(self, path: Path) -> None:
        """Raises `InputError` if there is something with that name."""
        self._path = path
        if os.path.lexists(path):
            raise InputError(f"{path}: is there already; take another name, or remove it")
        self._temporary = temporary_beside(path)
        self._file: BinaryIO | None = None
        self._directories: set[str] = set()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._temporary.open("xb")
        return self

    def put(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        file = self._file
        if file is None:
            raise RuntimeError("a TarSink is used as a context")
        above = name.rpartition("/")[0]
        parts = above.split("/") if above else []
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            if directory not in self._directories:
                self._directories.add(directory)
                file.write(tar_header(f"{directory}/", kind="directory"))
        file.write(tar_header(name, size))
        _write(file, name, size, chunks)
        file.write(tar_padding(size))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            if kind is None:
                self._file.write(TAR_END)
                self._file.flush()
                os.fsync(self._file.fileno())
                self._temporary.replace(self._path)
                sync_directory(self._path.parent)
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


def _write(file: BinaryIO, name: str, size: int, chunks: Iterable[bytes]) -> None:
    count = 0
    for chunk in chunks:
        count += len(chunk)
        file.write(chunk)
    if count != size:
        raise InputError(f"{name}: {count} bytes; expected {size}")
