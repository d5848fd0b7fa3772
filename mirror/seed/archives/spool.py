"""Compressed archives, unpacked into a temporary file so that they can be read in any order."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import zstandard

from mirror.errors import InputError

_CHUNK: Final = 1 << 20
_FREE: Final = 64 << 20
_RATIO: Final = 200
_WINDOW: Final = 128 << 20


class _Plain(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def _zstd(stream: BinaryIO) -> _Plain:
    return zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(stream, read_across_frames=True)


def _gzip(stream: BinaryIO) -> _Plain:
    return gzip.GzipFile(fileobj=stream)


_OPENERS: Final[tuple[tuple[bytes, str, Callable[[BinaryIO], _Plain]], ...]] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    (b"BZh", "bzip2", bz2.BZ2File),
)


def compression(start: bytes) -> str:
    """What content is compressed with, judged by its first bytes: ``gzip``, ``zstd``, ``xz``, ``bzip2`` or nothing."""
    return next((name for magic, name, _ in _OPENERS if start.startswith(magic)), "")


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """Reads what is in a compressed stream, or the stream itself if it is not compressed.

    More than two hundred bytes from one (the first 64 MiB are free) are taken for a decompression bomb.

    Raises:
        InputError: from its ``read``: not what its first bytes say, or a bomb. `name` is the archive in messages.
    """
    start = stream.read(6)
    stream.seek(0)
    for magic, form, opener in _OPENERS:
        if start.startswith(magic):
            return cast("BinaryIO", _Bounded(opener(stream), stream, name, form))
    return stream


def opened(path: Path, beside: Path | None = None) -> BinaryIO:
    """Opens an archive so that it can be read at any place; a compressed one is unpacked first, into `beside`.

    The temporary file has no name: nothing of it is left when it is closed, however that comes about.

    Raises:
        InputError: the file cannot be read, is damaged, or is a decompression bomb.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    plain = decompressed(stream, str(path))
    if plain is stream:
        return stream
    try:
        target = tempfile.TemporaryFile(dir=beside)  # noqa: SIM115  it is what the caller gets
        try:
            while data := plain.read(_CHUNK):
                target.write(data)
            target.seek(0)
        except BaseException:
            target.close()
            raise
    except OSError as error:
        raise InputError(f"{path}: no room to unpack it: {error.strerror or error}") from None
    finally:
        stream.close()
    return cast("BinaryIO", target)


class _Bounded:
    """A stream that is being decompressed, and gives up when too much comes out of too little."""

    def __init__(self, plain: _Plain, raw: BinaryIO, name: str, form: str) -> None:
        self._plain = plain
        self._raw = raw
        self._name = name
        self._form = form
        self._count = 0

    def read(self, size: int = _CHUNK) -> bytes:
        try:
            data = self._plain.read(size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise InputError(f"{self._name}: damaged {self._form}: {error}") from None
        self._count += len(data)
        if self._count > _FREE + _RATIO * self._raw.tell():
            raise InputError(
                f"{self._name}: a decompression bomb: more than {self._count} bytes from {self._raw.tell()}; "
                "if you trust it, unpack it yourself"
            )
        return data

    def close(self) -> None:
        self._plain.close()
