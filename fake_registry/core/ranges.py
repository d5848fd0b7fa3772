"""Parts of some content: what a Range header asks for, and how several parts are answered.

Source: RFC 9110, sections 13.1.5 (If-Range), 14.1, 14.2 and 15.3.7.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from fake_registry.core import errors
from fake_registry.core.messages import FileBody, PartsBody

MOST: Final = 64
"""Ranges that one request may ask for. Who asks for more gets the whole content, as the RFC allows."""

IN_MEMORY: Final = 64 * 1024
"""Bytes of an answer in several parts that is put together at once; a longer one is sent part by part."""

_UNIT: Final = "bytes="
_RANGE: Final = re.compile(r"\s*([0-9]*)-([0-9]*)\s*")


class Part(NamedTuple):
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    def content_range(self, size: int) -> str:
        """``bytes 0-1/10``, of `size` bytes in all."""
        return f"bytes {self.first}-{self.last}/{size}"

    def of(self, body: bytes | FileBody) -> bytes | FileBody:
        """These bytes of some content."""
        length = self.last - self.first + 1
        if isinstance(body, FileBody):
            return FileBody(body.path, body.offset + self.first, length)
        return body[self.first : self.last + 1]


def wanted_parts(wanted: str, size: int) -> list[Part]:
    """The parts of `size` bytes that a Range header asks for; none at all: it is to be passed over.

    Ranges that overlap or touch are one part, in the place of the first of them; others stay in the order in which
    they were asked for. Those behind the end are left out.

    Raises:
        RegistryError: 416; a range is malformed, as Go's ``http.ServeContent`` has it, too, or all are behind the end.
    """
    if wanted[: len(_UNIT)].lower() != _UNIT:
        return []
    ranges = [text for text in wanted[len(_UNIT) :].split(",") if text.strip()]
    if len(ranges) > MOST:
        return []
    parts: list[Part] = []
    for text in ranges:
        part = _part(text, size, wanted)
        if part is not None:
            _add(parts, part)
    if not parts:
        raise errors.range_invalid(wanted, size)
    return parts


def _part(text: str, size: int, wanted: str) -> Part | None:
    """One range of a header; None if it is behind the end."""
    found = _RANGE.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        raise errors.range_invalid(wanted, size)
    first, last = (int(digits[:20]) if digits else None for digits in found.groups())
    # longer numbers are behind any end, and slow to convert
    if first is None:
        return Part(max(0, size - (last or 0)), size - 1) if last and size else None
    if last is not None and last < first:
        raise errors.range_invalid(wanted, size)
    return Part(first, size - 1 if last is None else min(last, size - 1)) if first < size else None


def _add(parts: list[Part], part: Part) -> None:
    """Adds a part, or makes it one with those that it overlaps or touches."""
    near = [other for other in parts if part.first <= other.last + 1 and other.first <= part.last + 1]
    if not near:
        parts.append(part)
        return
    place = parts.index(near[0])
    part = Part(min(part.first, *(one.first for one in near)), max(part.last, *(one.last for one in near)))
    parts[:] = [
        part if index == place else other for index, other in enumerate(parts) if index == place or other not in near
    ]


class Multipart(NamedTuple):
    """An answer in several parts: its media type, which names the boundary, and its body."""

    media_type: str
    body: bytes | PartsBody


def multipart(parts: Iterable[Part], body: bytes | FileBody, media_type: str, tag: str) -> Multipart:
    """Several parts of the content with this entity tag, each with its place in it (RFC 9110, section 14.6).

    The boundary follows from the content's digest and the places, so that the same request gets the same bytes.
    """
    parts = list(parts)
    size = body.length if isinstance(body, FileBody) else len(body)
    boundary = hashlib.sha256(f"{tag} {parts}".encode()).hexdigest()
    pieces: list[bytes | FileBody] = []
    for part in parts:
        separator = "\r\n" if pieces else ""
        place = part.content_range(size)
        head = f"{separator}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n"
        pieces += [head.encode(), part.of(body)]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    whole = PartsBody(tuple(pieces))
    in_memory = [piece for piece in pieces if isinstance(piece, bytes)]
    together = len(in_memory) == len(pieces) and whole.length <= IN_MEMORY
    return Multipart(f"multipart/byteranges; boundary={boundary}", b"".join(in_memory) if together else whole)
