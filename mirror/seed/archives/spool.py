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
from mirror.seed.archives.volumes import Volumes, chained

_CHUNK: Final = 1 << 20
_FREE: Final = 64 << 20
_RATIO: Final = 200
_WINDOW: Final = 128 << 20
_STATE: Final = 16 << 20
_ZSTD_PIECE: Final = 1 << 10
_XZ_PIECE: Final = 4 << 10


class _Plain(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Frame(Protocol):
    """One frame of zstd, or one stream of xz, that is being decompressed."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Frames:
    """What is in frames one behind the other. The readers of the libraries take a frame that is cut off for whole
    (zstandard's), or as much memory as a frame asks for (lzma's).

    The compressed bytes are taken in pieces, so small that little comes out of each, whatever is in it.
    """

    def __init__(self, stream: BinaryIO, begin: Callable[[], _Frame], piece: int) -> None:
        self._stream = stream
        self._begin = begin
        self._piece = piece
        self._frame: _Frame | None = None
        self._plain = b""
        self._position = 0

    def read(self, size: int, /) -> bytes:
        while self._position == len(self._plain):
            more = self._more()
            if more is None:
                return b""
            self._plain, self._position = more, 0
        data = self._plain[self._position : self._position + size]
        self._position += len(data)
        return data

    def close(self) -> None:
        self._frame, self._plain, self._position = None, b"", 0

    def _more(self) -> bytes | None:
        """What comes out of the next piece; None at the end."""
        frame = self._frame
        if frame is not None and not frame.eof:
            data = self._stream.read(self._piece)
            if not data:
                raise EOFError("ends in the middle; the file is not whole")
            return frame.decompress(data)
        data = b"" if frame is None else frame.unused_data.lstrip(b"\0")
        while not data and (piece := self._stream.read(self._piece)):
            data = piece.lstrip(b"\0")  # streams of xz may have zeros in between
        if not data:
            return None
        self._frame = self._begin()
        return self._frame.decompress(data)


def _zstd(stream: BinaryIO) -> _Plain:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    return _Frames(stream, decompressor.decompressobj, _ZSTD_PIECE)


def _gzip(stream: BinaryIO) -> _Plain:
    return gzip.GzipFile(fileobj=stream)


def _xz(stream: BinaryIO) -> _Plain:
    return _Frames(stream, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _WINDOW + _STATE), _XZ_PIECE)


_OPENERS: Final[tuple[tuple[bytes, str, Callable[[BinaryIO], _Plain]], ...]] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"\xfd7zXZ\0", "xz", _xz),
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
    """Opens an archive so that it can be read at any place: a compressed one is unpacked first, into `beside`, and so
    is what comes out of a pipe.

    The temporary file has no name: nothing of it is left when it is closed, however that comes about.

    Raises:
        InputError: the file cannot be read, is damaged, or is a decompression bomb.
    """
    try:
        stream = cast("BinaryIO", path.open("rb"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if not stream.seekable():
        stream = _spooled(stream, stream, str(path), beside)
    plain = decompressed(stream, str(path))
    return stream if plain is stream else _spooled(plain, stream, str(path), beside)


def opened_pieces(volumes: Volumes, beside: Path | None = None) -> BinaryIO:
    """Opens a file that lies there in pieces, put together and unpacked as `opened` does it (raises `InputError`)."""
    stream = chained(volumes.paths)
    return _spooled(decompressed(stream, volumes.name), stream, volumes.name, beside)


def _spooled(plain: BinaryIO, stream: BinaryIO, name: str, beside: Path | None) -> BinaryIO:
    """All that is read from `plain`, in a temporary file; `stream`, below it, is closed."""
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
        raise InputError(f"{name}: no room to unpack it: {error.strerror or error}") from None
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
        except (OSError, EOFError, MemoryError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise InputError(self._refusal(error)) from None
        self._count += len(data)
        if self._count > _FREE + _RATIO * self._raw.tell():
            raise InputError(
                f"{self._name}: a decompression bomb: more than {self._count} bytes from {self._raw.tell()}; "
                "if you trust it, unpack it yourself"
            )
        return data

    def _refusal(self, error: Exception) -> str:
        if "memory" in str(error).lower() or isinstance(error, MemoryError):
            limit = f"more memory to be unpacked than the {_WINDOW} bytes that it may have; unpack it yourself"
            return f"{self._name}: {self._form} that asks for {limit}"
        return f"{self._name}: damaged {self._form}: {error}"

    def close(self) -> None:
        self._plain.close()
