"""The wire format of protocol buffers, as far as it is needed: messages are fields, fields are numbered.

Source: the encoding chapter of the protocol buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_LONGEST_VARINT: Final = 10


class WireError(ValueError):
    """Bytes that are no message."""


def varint(value: int) -> bytes:
    """An integer of 64 bits, seven bits a byte; negative ones are taken as unsigned."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def number(field: int, value: float) -> bytes:
    """An integer or boolean field; nothing if it is 0, which is what readers take an absent one for."""
    return varint(field << 3 | _VARINT) + varint(int(value)) if value else b""


def text(field: int, value: str) -> bytes:
    """A string field; nothing if it is empty."""
    return message(field, value.encode()) if value else b""


def message(field: int, content: bytes) -> bytes:
    """A field that holds a message or bytes, which may be empty."""
    return varint(field << 3 | _BYTES) + varint(len(content)) + content


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a message: integers, or the bytes of strings and messages.

    Raises:
        WireError: it is none.
    """
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        field, kind = key >> 3, key & 7
        if field == 0:
            raise WireError("proto: illegal tag 0")
        if kind == _VARINT:
            value, place = _read_varint(data, place)
            yield field, value
            continue
        if kind == _BYTES:
            length, place = _read_varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"proto: wrong wireType = {kind} for field {field}")
        if length > len(data) - place:
            raise WireError("unexpected EOF")
        yield field, data[place : place + length]
        place += length


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & ((1 << 64) - 1), place + index + 1
    raise WireError("proto: integer overflow" if len(data) - place >= _LONGEST_VARINT else "unexpected EOF")
