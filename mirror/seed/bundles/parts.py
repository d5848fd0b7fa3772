"""The files of a bundle: each a zstd frame with a piece of one tar, and an end that says which piece it is.

The end is a skippable frame (RFC 8878, 3.1.2), which decompressors pass over: parts one after the other are a tar.zst.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self, cast

import msgspec
import zstandard

from fake_registry.fixtures.disk import sync_directory
from fake_registry.oci import NOT_JSON, is_digest
from mirror.errors import InputError
from mirror.seed.bundles.hashing import HashingThread
from mirror.seed.bundles.records import Trailer

Progress = Callable[[int, int], None]
"""Is told how many of how many bytes are done."""

TRAILER_SIZE: Final = 512
SMALLEST_PART: Final = 64 << 10

_SKIPPABLE: Final = struct.pack("<II", 0x184D2A5B, TRAILER_SIZE - 8)
_FRAME: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 20
_PIECE: Final = 128 << 10
_BUFFER: Final = 128 << 10
_WINDOW: Final = 32 << 20
_FREE: Final = 1 << 30
_RATIO: Final = 1000
_SHOWN: Final = 10
_MOST_NAMED: Final = 10
_TEMPORARY: Final = re.compile(r"\.[0-9]+\.([0-9]{1,9})\.tmp")
_NUMBERED: Final = re.compile(r"(.+)\.([0-9]{3,})")


class Part(NamedTuple):
    """A file of a bundle, and what its end says."""

    path: Path
    trailer: Trailer


def encode_trailer(trailer: Trailer) -> bytes:
    """The bytes of the end of a part."""
    text = msgspec.json.encode(trailer, order="sorted")
    return _SKIPPABLE + text + b" " * (TRAILER_SIZE - 9 - len(text)) + b"\n"


def read_part(path: Path) -> Part:
    """Looks at the end of a file.

    Raises:
        InputError: it cannot be read, is no part of a bundle, or is not whole.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TRAILER_SIZE))
            data = file.read(TRAILER_SIZE)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if start != _FRAME and not data.startswith(_SKIPPABLE):
        raise InputError(f"{path}: not a bundle; expected a file of ismirror bundle create")
    broken = InputError(f"{path}: damaged or cut off: no end of a part; carry this file over again")
    if not data.startswith(_SKIPPABLE):
        raise broken
    try:
        trailer = msgspec.json.decode(data[8:], type=Trailer)
    except NOT_JSON:
        raise broken from None
    sound = encode_trailer(trailer) == data and is_digest(trailer.bundle) and 1 <= trailer.part <= trailer.parts
    if not sound or trailer.format != Trailer.__struct_defaults__[0]:
        raise broken
    if trailer.bytes != size - TRAILER_SIZE:
        raise InputError(
            f"{path}: damaged: {size} bytes; expected {trailer.bytes + TRAILER_SIZE}; carry this file over again"
        )
    return Part(path, trailer)


def found_files(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: the name of a bundle in parts stands for ``NAME.001``, ``NAME.002`` and so on.

    Raises:
        InputError: there is neither.
    """
    found: list[Path] = []
    for path in paths:
        if path.exists():
            found.append(path)
            continue
        beside = [one for one in path.parent.glob(f"{_escaped(path.name)}.*") if _NUMBERED.fullmatch(one.name)]
        if not beside:
            raise InputError(f"{path}: no such file, nor {path.name}.001 and what follows it")
        found += sorted(beside, key=lambda one: int(one.name.rpartition(".")[2]))
    return found


def complete_parts(paths: Iterable[Path]) -> list[Part]:
    """All parts of one bundle, in order, whatever the order of the files.

    Raises:
        InputError: a part is missing, there twice, of another bundle, or not whole; names it.
    """
    parts = sorted((read_part(path) for path in found_files(paths)), key=lambda part: part.trailer.part)
    if not parts:
        raise InputError("no files; expected those of a bundle")
    first = parts[0]
    for part in parts[1:]:
        if (part.trailer.bundle, part.trailer.parts) != (first.trailer.bundle, first.trailer.parts):
            raise InputError(
                f"{part.path}: of the bundle {part.trailer.bundle}; expected {first.trailer.bundle}, as {first.path}"
            )
    for part, following in itertools.pairwise(parts):
        if part.trailer.part == following.trailer.part:
            raise InputError(f"{following.path}: part {part.trailer.part}, as {part.path}; expected each part once")
    there = {part.trailer.part for part in parts}
    # No more than are named: how many there are says somebody whom nobody trusts yet.
    absent = (number for number in range(1, first.trailer.parts + 1) if number not in there)
    missing = list(itertools.islice(absent, _MOST_NAMED + 1))
    if missing:
        raise InputError(_missing(first, missing))
    return parts


def _missing(first: Part, missing: list[int]) -> str:
    numbered = _NUMBERED.fullmatch(first.path.name)
    named, more = missing[:_MOST_NAMED], ", ..." if len(missing) > _MOST_NAMED else ""
    names = [f"{numbered[1]}.{number:0{len(numbered[2])}}" for number in named] if numbered else []
    which = f"part {named[0]} is" if len(missing) == 1 else f"parts {', '.join(map(str, named))}{more} are"
    where = f" ({', '.join(names)}{more})" if names else ""
    return f"{which} missing{where} of the {first.trailer.parts} of bundle {first.trailer.bundle}"


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)


class PartsReader:
    """What the parts have in them, decompressed, as one stream.

    Each part is compared with the SHA-256 in its end when it has been read. No more comes out than a thousand times
    what went in (the first GiB is free) unless the reader is told that the content is `trusted`.
    """

    def __init__(self, parts: Sequence[Part], progress: Progress | None = None, *, hashed: bool = True) -> None:
        """Parts that are not `hashed` are compared only where `blame` asks for it."""
        self._left = list(parts)
        self._progress = progress
        self._hashed = hashed
        self._total = sum(part.trailer.bytes for part in parts)
        self._before = 0
        self._count = 0
        self._buffer = b""
        self._at = 0
        self._raw: _Hashed | None = None
        self._plain: zstandard.ZstdDecompressionReader | None = None
        self.trusted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._raw is not None:
            self._raw.close()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end of the last part.

        Raises:
            InputError: a part is damaged, which it names, or a decompression bomb.
        """
        if self._at >= len(self._buffer):
            data = self._decompressed(max(size, _BUFFER))
            if len(data) <= size:
                return data
            self._buffer, self._at = data, 0
        start = self._at
        self._at += size
        return self._buffer[start : self._at]

    def _decompressed(self, size: int) -> bytes:
        """Up to `size` bytes, all from one part."""
        while True:
            if self._raw is None or self._plain is None:
                if not self._left:
                    return b""
                self._open(self._left.pop(0))
                continue
            try:
                data: bytes = self._plain.read(size)
            except zstandard.ZstdError as error:
                self.blame()
                raise InputError(f"{self._raw.part.path}: damaged: not what zstd writes ({error})") from None
            if data:
                self._count += len(data)
                self._tell(self._raw)
                return data
            self._finish(self._raw)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Is there for the reader of tars, and not called: the length is not known."""
        raise NotImplementedError

    def blame(self) -> None:
        """Raises `InputError` if what was read is wrong because the part in hand is damaged."""
        if self._raw is not None:
            if not self._hashed and not is_sound(self._raw.part):
                raise damaged(self._raw.part)
            self._raw.check()

    def _open(self, part: Part) -> None:
        self._raw = _Hashed(part, hashed=self._hashed)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._plain = decompressor.stream_reader(
            cast("BinaryIO", self._raw), read_size=_CHUNK, read_across_frames=True, closefd=False
        )

    def _finish(self, raw: _Hashed) -> None:
        raw.check()
        raw.close()
        self._before += raw.count
        self._raw = self._plain = None

    def _tell(self, raw: _Hashed) -> None:
        done = self._before + raw.count
        if not self.trusted and is_suspicious(self._count, done):
            raise InputError(
                f"{raw.part.path}: a decompression bomb: more than {self._count} bytes from {done}; "
                "if it is none, have it signed and say --verify-key"
            )
        if self._progress is not None:
            self._progress(done, self._total)


class _Hashed:
    """The compressed bytes of a part, hashed as they are read, unless that was done."""

    def __init__(self, part: Part, *, hashed: bool = True) -> None:
        self.part = part
        self._hashed = hashed
        self.count = 0
        self._thread = HashingThread()
        self._hash = self._thread.new()
        try:
            self._file = part.path.open("rb")
        except OSError as error:
            raise InputError(f"{part.path}: {error.strerror or error}") from None

    def read(self, size: int = -1) -> bytes:
        left = self.part.trailer.bytes - self.count
        try:
            data = self._file.read(left if size < 0 else min(size, left))
        except OSError as error:
            raise InputError(f"{self.part.path}: {error.strerror or error}; carry this file over again") from None
        self.count += len(data)
        if self._hashed:
            self._hash.update(data)
        return data

    def check(self) -> None:
        """Reads what is left, and compares all of it with the end of the part (raises `InputError`)."""
        while self.read(_CHUNK):
            pass
        if self._hashed and self._hash.hexdigest() != self.part.trailer.sha256:
            raise damaged(self.part)

    def close(self) -> None:
        self._thread.close()
        self._file.close()


def damaged(part: Part) -> InputError:
    """What is said of a part whose bytes are not what they were."""
    which = f"part {part.trailer.part} of {part.trailer.parts}"
    return InputError(f"{part.path}: damaged: {which} does not have its SHA-256; carry this file over again")


def is_sound(part: Part, progress: Progress | None = None) -> bool:
    """Whether a part has its SHA-256 (raises `InputError` if it cannot be read)."""
    raw = _Hashed(part)
    with contextlib.closing(raw):
        while raw.read(_CHUNK):
            if progress is not None:
                progress(raw.count, part.trailer.bytes)
        try:
            raw.check()
        except InputError:
            return False
    return True


class PartsWriter:
    """Compresses a stream into the parts of a bundle. They get their names with `commit`; leaving the ``with`` block
    without it leaves nothing behind.

    The same stream gives the same bytes for the same version of zstd, `part_size` and `level`.
    """

    def __init__(self, path: Path, *, part_size: int | None, level: int, digits: int = 3) -> None:
        """With a `part_size`, in bytes, parts are ``PATH.001`` and so on, none of them larger."""
        self._path = path
        self._part_size = part_size
        self._piece = _PIECE if part_size is None else min(_PIECE, max(part_size // 16, 1024))
        self._digits = digits
        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._stack = contextlib.ExitStack()
        self._done: list[tuple[Path, int, str]] = []
        self._file: BinaryIO | None = None
        self._frame = self._compressor.compressobj()
        self._thread = HashingThread()
        self._hash = self._thread.new()
        self._written = 0
        self._unflushed = 0

    def __enter__(self) -> Self:
        _sweep(self._path)
        self._stack.enter_context(self._thread)
        self._stack.callback(self._discard)
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, data: bytes) -> None:
        """Takes the next bytes (raises `OSError`)."""
        view = memoryview(data)
        for start in range(0, len(view), self._piece):
            piece = view[start : start + self._piece]
            if self._part_size is not None:
                self._make_room(self._part_size - TRAILER_SIZE, len(piece))
            self._emit(self._frame.compress(piece))
            self._unflushed += len(piece)

    def commit(self, bundle: str) -> list[Path]:
        """Ends the parts, makes them durable and gives them their names; returns these."""
        self._end()
        names = []
        for number, (temporary, size, digest) in enumerate(self._done, 1):
            trailer = Trailer(bundle=bundle, part=number, parts=len(self._done), bytes=size, sha256=digest)
            with temporary.open("ab") as file:
                file.write(encode_trailer(trailer))
                file.flush()
                os.fsync(file.fileno())
            names.append(self._name(number))
        for (temporary, _, _), name in zip(self._done, names, strict=True):
            temporary.replace(name)
        sync_directory(self._path.resolve().parent)
        self._done = []
        return names

    def _make_room(self, room: int, count: int) -> None:
        """Goes on to the next part where this one might become too large."""
        if self._written + _bound(self._unflushed + count) <= room:
            return
        self._emit(self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        self._unflushed = 0
        if self._written + _bound(count) > room:
            self._end()
            self._begin()

    def _begin(self) -> None:
        number = len(self._done) + 1
        temporary = self._path.with_name(f".{self._path.name}.{number}.{os.getpid()}.tmp")
        self._file = temporary.open("xb")
        self._done.append((temporary, 0, ""))
        self._frame = self._compressor.compressobj()
        self._hash = self._thread.new()
        self._written = self._unflushed = 0

    def _end(self) -> None:
        assert self._file is not None
        self._emit(self._frame.flush())
        self._file.close()
        self._file = None
        self._done[-1] = (self._done[-1][0], self._written, self._hash.hexdigest())

    def _emit(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._hash.update(data)
        self._written += len(data)

    def _name(self, number: int) -> Path:
        if self._part_size is None:
            return self._path
        return self._path.with_name(f"{self._path.name}.{number:0{self._digits}}")

    def _discard(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # on a full disk what was not written yet fails once more
                self._file.close()
        for temporary, _, _ in self._done:
            temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Removes what somebody left who was killed while writing a bundle of this name: it may be large, and is hidden."""
    for left in path.parent.glob(f".{_escaped(path.name)}.*.tmp"):
        found = _TEMPORARY.fullmatch(left.name.removeprefix(f".{path.name}"))
        if found is not None and not _is_running(int(found[1])):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def is_suspicious(count: int, compressed: int) -> bool:
    """Whether so many bytes from so few compressed ones are more than any tree of images has."""
    return count > _FREE + _RATIO * compressed


def existing_output(path: Path) -> Iterator[Path]:
    """The files that lie where a bundle of this name would: itself, and parts."""
    if os.path.lexists(path):
        yield path
    if path.parent.is_dir():
        for one in sorted(path.parent.glob(f"{_escaped(path.name)}.*")):
            if _NUMBERED.fullmatch(one.name):
                yield one


def _bound(count: int) -> int:
    """Bytes that so many become at most, with what begins and ends a frame."""
    return count + count // 128 + 512
