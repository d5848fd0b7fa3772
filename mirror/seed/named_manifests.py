"""What an ``index.json`` names, in little memory: some ninety bytes a tag."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from fake_registry.oci import Descriptor, parse_digest

_KEY: Final = 16
_RUN: Final = 4096


class NamedManifests:
    """Finds manifests by tag and by digest. The first entry of each counts."""

    def __init__(self, entries: Iterable[Descriptor] = ()) -> None:
        self._types: dict[str, int] = {}
        self._tags: dict[str, _Rows] = {}
        self._digests: dict[str, _Rows] = {}
        for place, entry in enumerate(entries):
            algorithm, digits = parse_digest(entry.digest)
            content = bytes.fromhex(digits)
            about = place.to_bytes(4, "big") + self._types.setdefault(entry.media_type, len(self._types)).to_bytes(
                4, "big"
            )
            self._digests.setdefault(algorithm, _Rows()).add(content + about)
            if entry.tag is not None:
                self._tags.setdefault(algorithm, _Rows()).add(_key(entry.tag) + about + content)
        for rows in (*self._tags.values(), *self._digests.values()):
            rows.close()
        self._names = list(self._types)

    def tagged(self, tag: str) -> Descriptor | None:
        """The manifest that has a tag; its size is not known."""
        found = [(row, algorithm) for algorithm, rows in self._tags.items() if (row := rows.find(_key(tag)))]
        if not found:
            return None
        row, algorithm = min(found)
        return self._descriptor(row, f"{algorithm}:{row[8:].hex()}")

    def listed(self, digest: str) -> Descriptor | None:
        """The manifest that has a digest; its size is not known."""
        algorithm, digits = parse_digest(digest)
        rows = self._digests.get(algorithm)
        row = None if rows is None else rows.find(bytes.fromhex(digits))
        return None if row is None else self._descriptor(row, digest)

    def _descriptor(self, row: bytes, digest: str) -> Descriptor:
        return Descriptor(media_type=self._names[int.from_bytes(row[4:8], "big")], digest=digest)


class _Rows:
    """Rows of bytes, all of one length, that are found by how they begin."""

    def __init__(self) -> None:
        self._length = 1
        self._waiting: list[bytes] = []
        self._runs: list[bytes | bytearray] = []
        self._data: bytes | bytearray = b""

    def add(self, row: bytes) -> None:
        self._length = len(row)
        self._waiting.append(row)
        if len(self._waiting) == _RUN:
            self._sort()

    def close(self) -> None:
        """Makes rows ready to be found, after the last was added."""
        self._sort()
        if len(self._runs) == 1:
            self._data = self._runs[0]
        else:
            self._data = bytearray()
            for row in heapq.merge(*map(self._split, self._runs)):
                self._data += row
        self._runs = []

    def find(self, beginning: bytes) -> bytes | None:
        """The rest of the first row that begins so, or None."""
        count = len(self._data) // self._length
        place = bisect_left(range(count), beginning, key=lambda place: self._row(self._data, place))
        row = self._row(self._data, place)
        return row[len(beginning) :] if row.startswith(beginning) else None

    def _sort(self) -> None:
        self._waiting.sort()
        self._runs.append(b"".join(self._waiting))
        self._waiting = []

    def _split(self, run: bytes | bytearray) -> Iterable[bytes]:
        return (self._row(run, place) for place in range(len(run) // self._length))

    def _row(self, data: bytes | bytearray, place: int) -> bytes:
        return bytes(data[place * self._length : (place + 1) * self._length])


def _key(tag: str) -> bytes:
    return blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=_KEY).digest()
