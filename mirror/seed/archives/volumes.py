"""Archives that lie in several files: pieces of one file, or tars that are one archive together.

hauler cuts a haul into ``haul.tar.zst.001``, ``.002``…, zarf a package into ``.part001``, ``.part002``… with what they
are together in ``.part000``; oc-mirror writes ``mirror_000001.tar``, ``mirror_000002.tar``…, its first version
``mirror_seq1_000000.tar``…, each a whole tar.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import msgspec

from mirror.errors import InputError

_PIECE: Final = re.compile(r"(?P<stem>.+)\.(?P<part>part)?(?P<number>[0-9]{3})")
_TAR: Final = re.compile(r"(?P<stem>mirror(?:_seq[0-9]+)?)_(?P<number>[0-9]{6})\.tar")
_MAX_HEADER: Final = 4096
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError)


class _Header(msgspec.Struct, rename="pascal"):
    """What zarf says of the pieces of a package."""

    count: int
    bytes: int


class Volumes(NamedTuple):
    """The files of one archive, in order; ``name`` is what messages call it. ``pieces`` are of one file."""

    name: str
    paths: tuple[Path, ...]
    pieces: bool = False


def volumes_of(path: Path) -> Volumes:
    """All that belongs to the archive of which a file is a part; of a directory of oc-mirror's the archives in it.

    Raises:
        InputError: there is no such file, or some of its parts are missing.
    """
    if path.is_dir():
        tars = _numbered(path, _TAR, "mirror")
        return _complete(path, tars, _TAR) if tars else Volumes(str(path), (path,))
    if not path.exists():
        raise InputError(f"{path}: no such file or directory")
    for pattern in (_TAR, _PIECE):
        found = pattern.fullmatch(path.name)
        if found is not None and path.is_file():
            numbered = _numbered(path.parent, pattern, found["stem"])
            if pattern is _TAR or found["part"] or 1 in numbered:  # a name may end in a number for other reasons
                return _complete(path, numbered, pattern)
    return Volumes(str(path), (path,))


def all_volumes(paths: Iterable[Path]) -> list[Volumes]:
    """The archives that are meant, each once however many of its parts were named (raises `InputError`)."""
    found: dict[tuple[Path, ...], Volumes] = {}
    for path in paths:
        volumes = volumes_of(path)
        found.setdefault(tuple(one.absolute() for one in volumes.paths), volumes)
    return list(found.values())


def _numbered(directory: Path, pattern: re.Pattern[str], stem: str) -> dict[int, Path]:
    """The parts beside each other, by their numbers."""
    found: dict[int, Path] = {}
    try:
        entries = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror or error}") from None
    for name in entries:
        match = pattern.fullmatch(name)
        if match is not None and match["stem"] == stem and (directory / name).is_file():
            other = found.setdefault(int(match["number"]), directory / name)
            if other.name != name:
                raise InputError(f"{directory / name}: {other.name} has the same number; expected one of them")
    return found


def _complete(path: Path, numbered: dict[int, Path], pattern: re.Pattern[str]) -> Volumes:
    header = numbered.get(0)
    if header is not None and pattern is _PIECE:
        del numbered[0]
    first = 0 if 0 in numbered else 1
    missing = next((number for number in range(first, first + len(numbered)) if number not in numbered), None)
    if missing is not None:
        last = numbered[max(numbered)].name
        raise InputError(f"{path}: {last} lies there, and part {missing} does not; expected all of them side by side")
    paths = tuple(numbered[number] for number in sorted(numbered))
    if header is not None and pattern is _PIECE:
        _check(header, paths)
    return Volumes(str(path), paths, pieces=pattern is _PIECE)


def _check(header: Path, paths: Sequence[Path]) -> None:
    """Compares the pieces of a package with what its ``.part000`` says."""
    try:
        with header.open("rb") as file:
            stated = msgspec.json.decode(file.read(_MAX_HEADER), type=_Header)
    except OSError as error:
        raise InputError(f"{header}: {error.strerror or error}") from None
    except _NOT_JSON as error:
        raise InputError(f"{header}: {error}; expected what zarf says of the parts of a package") from None
    size = sum(path.stat().st_size for path in paths)
    if (stated.count, stated.bytes) != (len(paths), size):
        raise InputError(
            f"{header}: {len(paths)} parts of {size} bytes lie beside it; "
            f"expected {stated.count} of {stated.bytes} bytes in all"
        )


def chained(paths: Sequence[Path]) -> BinaryIO:
    """The pieces of a file one behind the other, to be read from the start (raises `InputError`)."""
    with ExitStack() as opening:
        streams = []
        for path in paths:
            try:
                streams.append(opening.enter_context(path.open("rb", buffering=0)))
            except OSError as error:
                raise InputError(f"{path}: {error.strerror or error}") from None
        opening.pop_all()
    return cast("BinaryIO", io.BufferedReader(_Chain(streams), 1 << 18))


class _Chain(io.RawIOBase):
    """Files read one after the other, as if they were one. It can be set back to its start."""

    def __init__(self, streams: Sequence[io.FileIO]) -> None:
        super().__init__()
        self._streams = streams
        self._current = self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._current < len(self._streams):
            count = self._streams[self._current].readinto(buffer) or 0
            if count:
                self._position += count
                return count
            self._current += 1
        return 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset == 0:
            for stream in self._streams:
                stream.seek(0)
            self._current = self._position = 0
        elif (whence, offset) not in {(os.SEEK_CUR, 0), (os.SEEK_SET, self._position)}:
            raise io.UnsupportedOperation("pieces of a file are read from their start")
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        super().close()
