"""Compressed content: gzip and deflate within bounds, and what is wrong with them in Go's words.

zlib unpacks. Only where it finds something wrong is the data gone through once more, in the steps of Go's reader: its
text says how many bytes it had taken by then.
Source: compress/gzip ``gunzip.go``, compress/flate ``inflate.go``; RFC 1951, RFC 1952.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from mirror.importer.failures import ClientFailure

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of the longest body that is read, packed or unpacked."""

_FIRST_STEP: Final = 1024  # data may have many small members: what is behind one is copied each time
_LONGEST_WALK: Final = 32 * 1024  # no failure is worth more time; of longer data the offset is its length
_UNEXPECTED_EOF: Final = "unexpected EOF"
_NO_HEADER: Final = "gzip: invalid header"
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_LONGEST_TEXT: Final = 512
_WINDOW: Final = 32 * 1024
_END: Final = 256
_LITERALS: Final = 286
_DISTANCES: Final = 30
_CODE_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTH_BITS: Final = (0,) * 8 + tuple(extra for extra in range(1, 6) for _ in range(4)) + (0,)
_LENGTHS: Final = (*accumulate((1 << extra for extra in _LENGTH_BITS[:-2]), initial=3), 258)
_DISTANCE_BITS: Final = (0, 0, *(extra for extra in range(14) for _ in range(2)))
_BASES: Final = tuple(accumulate((1 << extra for extra in _DISTANCE_BITS[:-1]), initial=1))
_FIXED: Final = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8


def gunzip(data: bytes) -> bytes:
    """All members of gzip data. No data at all is none when unpacked, too: the ``EOF`` that Go's reader meets is the
    end that whoever reads it waits for.

    Raises:
        ClientFailure: it cannot be unpacked, or is too long.
    """
    members: list[bytes] = []
    at, left = 0, MAX_BODY
    while at < len(data):
        content, at = _unpacked(data, _behind_header(data, at), left)
        trailer = data[at : at + 8]
        if len(trailer) < 8:
            raise ClientFailure(_UNEXPECTED_EOF)
        size = len(content) % 2**32
        if trailer != zlib.crc32(content).to_bytes(4, "little") + size.to_bytes(4, "little"):
            raise ClientFailure("gzip: invalid checksum")
        members.append(content)
        at += 8
        left -= len(content)
    return b"".join(members)


def inflate(data: bytes) -> bytes:
    """Deflated data without a header; what follows it does not count.

    Raises:
        ClientFailure: it cannot be unpacked, or is too long.
    """
    return _unpacked(data, 0, MAX_BODY)[0]


def _behind_header(data: bytes, start: int) -> int:
    """Where the deflated data of a member begins."""
    if len(data) < start + 10:
        raise ClientFailure(_UNEXPECTED_EOF)
    if not data.startswith(b"\x1f\x8b\x08", start):
        raise ClientFailure(_NO_HEADER)
    flags, at = data[start + 3], start + 10
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", at, at + _LONGEST_TEXT)
            if end < 0:
                raise ClientFailure(_NO_HEADER if len(data) >= at + _LONGEST_TEXT else _UNEXPECTED_EOF)
            at = end + 1
    if flags & _HEADER_CRC:
        at += 2
    if len(data) < at:
        raise ClientFailure(_UNEXPECTED_EOF)
    if flags & _HEADER_CRC and zlib.crc32(data[start : at - 2]) & 0xFFFF != int.from_bytes(data[at - 2 : at], "little"):
        raise ClientFailure(_NO_HEADER)
    return at


def _unpacked(data: bytes, start: int, most: int) -> tuple[bytes, int]:
    """What deflated data unpacks to, never more than `most` bytes, and where it ends."""
    machine = zlib.decompressobj(-15)
    content = bytearray()
    at, step = start, _FIRST_STEP
    while not machine.eof:
        piece = data[at : at + step]
        if not piece:
            raise ClientFailure(_UNEXPECTED_EOF)
        at += len(piece)
        step *= 2
        try:
            content += machine.decompress(piece, most + 1 - len(content))
        except zlib.error:
            long = len(data) - start > _LONGEST_WALK
            place = len(data) - start if long else _Walk(data[start:]).end()
            raise ClientFailure(f"flate: corrupt input before offset {place}") from None
        if len(content) > most:
            raise ClientFailure(f"body of more than {MAX_BODY} bytes")
    return bytes(content), at - len(machine.unused_data)


class _Corrupt(Exception):
    """What comes next is not deflated data."""


class _Code:
    """A Huffman code by the lengths of its symbols; `least` is how many bits are read before it is looked into."""

    def __init__(self, lengths: Sequence[int]) -> None:
        counts = [lengths.count(length) for length in range(16)]
        used = [length for length in lengths if length]
        self.least = min(used, default=0)
        self.symbols: dict[tuple[int, int], int] = {}
        if not used:
            return
        start = [0] * 17
        for length in range(1, 16):
            start[length + 1] = (start[length] + counts[length]) << 1
        complete = start[16] == 1 << 16
        if not complete and not (max(used) == 1 and len(used) == 1):
            raise _Corrupt
        for symbol, length in enumerate(lengths):
            if length:
                reversed_code = int(f"{start[length]:0{length}b}"[::-1], 2)
                self.symbols[length, reversed_code] = symbol
                start[length] += 1

    def find(self, bits: int) -> tuple[int, int]:
        """The symbol that these bits (the first one lowest) begin with, and the length of its code; 0 if there is
        none."""
        for length in range(1, 16):
            symbol = self.symbols.get((length, bits & ((1 << length) - 1)))
            if symbol is not None:
                return symbol, length
        return 0, 0


class _Walk:
    """Goes through deflated data without unpacking it, byte by byte as Go's reader takes them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.bits = 0
        self.count = 0
        self.written = 0

    def end(self) -> int:
        """How many bytes have been taken when what is wrong with them comes to light."""
        with contextlib.suppress(_Corrupt, EOFError):
            while not self._block():
                pass
        return self.at

    def _need(self, count: int) -> None:
        while self.count < count:
            if self.at == len(self.data):
                raise EOFError
            self.bits |= self.data[self.at] << self.count
            self.at += 1
            self.count += 8

    def _take(self, count: int) -> int:
        self._need(count)
        value = self.bits & ((1 << count) - 1)
        self.bits >>= count
        self.count -= count
        return value

    def _symbol(self, code: _Code) -> int:
        length = code.least
        while True:
            self._need(length)
            symbol, length = code.find(self.bits)
            if length <= self.count:
                if not length:
                    raise _Corrupt
                self._take(length)
                return symbol

    def _block(self) -> bool:
        """Goes through a block; whether it is the last one."""
        self._need(3)
        final, kind = self._take(1), self._take(2)
        match kind:
            case 0:
                self._stored()
            case 1:
                self._compressed(_Code(_FIXED), None)
            case 2:
                self._compressed(*self._codes())
            case _:
                raise _Corrupt
        return bool(final)

    def _stored(self) -> None:
        self.bits = self.count = 0
        head = self.data[self.at : self.at + 4]
        self.at += len(head)
        if len(head) < 4:
            raise EOFError
        size = int.from_bytes(head[:2], "little")
        if size ^ int.from_bytes(head[2:], "little") != 0xFFFF:
            raise _Corrupt
        if len(self.data) < self.at + size:
            raise EOFError
        self.at += size
        self.written += size

    def _codes(self) -> tuple[_Code, _Code]:
        self._need(14)
        literals, distances, lengths = self._take(5) + 257, self._take(5) + 1, self._take(4) + 4
        if literals > _LITERALS or distances > _DISTANCES:
            raise _Corrupt
        own = [0] * len(_CODE_ORDER)
        for index in _CODE_ORDER[:lengths]:
            own[index] = self._take(3)
        code = _Code(own)
        found: list[int] = []
        while len(found) < literals + distances:
            symbol = self._symbol(code)
            if symbol < 16:
                found.append(symbol)
                continue
            if symbol == 16 and not found:
                raise _Corrupt
            value = found[-1] if symbol == 16 else 0
            least, extra = {16: (3, 2), 17: (3, 3), 18: (11, 7)}[symbol]
            found += [value] * (least + self._take(extra))
        if len(found) > literals + distances:
            raise _Corrupt
        first, second = _Code(found[:literals]), _Code(found[literals:])
        # Go reads as many bits at once as the end of the block has.
        first.least = max(first.least, found[_END])
        return first, second

    def _compressed(self, literals: _Code, distances: _Code | None) -> None:
        while True:
            symbol = self._symbol(literals)
            if symbol == _END:
                return
            if symbol < _END:
                self.written += 1
                continue
            if symbol >= _LITERALS:
                raise _Corrupt
            length = _LENGTHS[symbol - 257] + self._take(_LENGTH_BITS[symbol - 257])
            place = self._fixed_distance() if distances is None else self._symbol(distances)
            if place >= _DISTANCES:
                raise _Corrupt
            distance = _BASES[place] + self._take(_DISTANCE_BITS[place])
            if distance > min(self.written, _WINDOW):
                raise _Corrupt
            self.written += length

    def _fixed_distance(self) -> int:
        return int(f"{self._take(5):05b}"[::-1], 2)
