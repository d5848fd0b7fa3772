"""Compressed content; the outcomes are those of Go 1.24's compress/gzip and compress/flate for the same bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.importer.failures import ClientFailure
from mirror.importer.inflating import gunzip, inflate

PACKED = gzip.compress(b"{}", mtime=0)
# The beginning is b'{"architecture":"amd64","os"' in a block with codes of its own.
OWN_CODES = bytes.fromhex(
    "ab564a2c4acec82c494d2e292d4a55b2524acc4d313351d251ca2f06727232f34a2b809ce4fcbcb4cc7425ab6a25d7bc3225ab68a500c7100f"
    "5bfda4cc3ca5d8dadaea41620600"
)


def raw(content: bytes, level: int, strategy: int) -> bytes:
    machine = zlib.compressobj(level, wbits=-15, strategy=strategy)
    return machine.compress(content) + machine.flush()


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b'{"architecture":"amd64"}', 8),
        (b"<html>", 5),
        (b"\x07", 1),
        (b"\x01\x02\x00\x00\x00ab", 5),
        (OWN_CODES[:20] + b"\xff" + OWN_CODES[21:], 31),
    ],
    ids=["JSON", "HTML", "no kind", "stored", "own codes"],
)
def test_offsets(data: bytes, offset: int) -> None:
    """How many bytes Go has taken when it finds out."""
    with pytest.raises(ClientFailure, match=rf"^flate: corrupt input before offset {offset}$"):
        inflate(data)


@pytest.mark.parametrize("data", [b"", b"{}", PACKED[10:12]])
def test_cut_off(data: bytes) -> None:
    with pytest.raises(ClientFailure, match=r"^unexpected EOF$"):
        inflate(data)


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", b""),
        (PACKED + PACKED, b"{}{}"),
        (PACKED + b"gar", "unexpected EOF"),
        (PACKED + b"garbage here", "gzip: invalid header"),
        (PACKED[:-3], "unexpected EOF"),
        (PACKED[:-8] + bytes(8), "gzip: invalid checksum"),
        (PACKED[:10] + b"\xff" * 12, "flate: corrupt input before offset 1"),
        (b"\x1f\x8b\x08\x04" + bytes(6) + b"\x02\x00ab" + PACKED[10:], b"{}"),
        (b"\x1f\x8b\x08\x04" + bytes(6) + b"\x05\x00ab", "unexpected EOF"),
        (b"\x1f\x8b\x08\x18" + bytes(6) + b"name\0comment\0" + PACKED[10:], b"{}"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 600, "gzip: invalid header"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 500, "unexpected EOF"),
        (b"\x1f\x8b\x08\x02" + bytes(6) + b"\x01\x02" + PACKED[10:], "gzip: invalid header"),
    ],
)
def test_members(data: bytes, outcome: bytes | str) -> None:
    found: bytes | str
    try:
        found = gunzip(data)
    except ClientFailure as failure:
        found = str(failure)
    assert found == outcome


@given(st.binary(max_size=2000), st.integers(0, 9), st.sampled_from([0, 2, 4]), st.binary(max_size=8))
def test_what_is_packed_comes_back(content: bytes, level: int, strategy: int, behind: bytes) -> None:
    assert inflate(raw(content, level, strategy) + behind) == content
    assert gunzip(gzip.compress(content, level, mtime=0)) == content


@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_is_changed_is_found_within_it(content: bytes, data: st.DataObject) -> None:
    packed = bytearray(raw(content, 9, 0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        inflate(bytes(packed))
    except ClientFailure as failure:
        text = str(failure)
        assert text == "unexpected EOF" or 0 < int(text.removeprefix("flate: corrupt input before offset ")) <= len(
            packed
        )


def test_many_small_members_take_no_time_of_each_other() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert gunzip(empty * 20_000 + PACKED) == b"{}"
