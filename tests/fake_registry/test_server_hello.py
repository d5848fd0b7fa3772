"""Reading ClientHellos, whoever wrote them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw import client_hello, in_records

from fake_registry.client_hello import MAX_HELLO, HelloError, HelloReader, host_name


def read(data: bytes, pieces: list[int] | None = None) -> HelloReader:
    """Reads a hello that arrives in pieces, each so much longer than the last."""
    reader = HelloReader()
    end = 0
    for piece in pieces or [len(data)]:
        end += piece
        if end >= reader.needed and reader.read(data[:end]):
            break
    else:
        assert reader.read(data)
    return reader


@pytest.mark.parametrize("name", ["quay.io", "a.b-c.example.com", "localhost", None])
@pytest.mark.parametrize("size", [1, 5, 64, 16384])
def test_server_names(name: str | None, size: int) -> None:
    assert read(in_records(client_hello(name), size)).server_name == name


@given(st.lists(st.integers(1, 200), max_size=40), st.integers(1, 400))
def test_whatever_the_pieces(pieces: list[int], size: int) -> None:
    assert read(in_records(client_hello("quay.io"), size), pieces).server_name == "quay.io"


@given(st.binary(max_size=300))
def test_junk(data: bytes) -> None:
    reader = HelloReader()
    with contextlib.suppress(HelloError):
        if not reader.read(data):
            assert len(data) < reader.needed <= MAX_HELLO + 5


@given(st.data())
def test_broken_hellos(data: st.DataObject) -> None:
    """A byte is another, or the end is missing: either there is a name, or there is none."""
    hello = bytearray(client_hello("quay.io"))
    hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    reader = HelloReader()
    with contextlib.suppress(HelloError):
        reader.read(bytes(hello[: data.draw(st.integers(0, len(hello)))]))
    assert reader.server_name is None or isinstance(reader.server_name, str)


def test_each_byte_is_looked_at_once() -> None:
    """Records of one byte, as many as are allowed: reading them takes no time to speak of."""
    hello = b"\x01\x00\x7f\x00" + bytes(0x7F00)
    data = b"".join(b"\x16\x03\x01\x00\x01" + hello[i : i + 1] for i in range(len(hello)))
    reader = HelloReader()
    with pytest.raises(HelloError, match="too long"):
        for end in range(0, len(data), 6):
            reader.read(data[:end])
    assert end <= MAX_HELLO + 6


@pytest.mark.parametrize(
    ("name", "host"),
    [
        (b"Quay.IO", "quay.io"),
        (b"quay.io.", "quay.io"),
        (b"a_b.example.com", "a_b.example.com"),
        (None, None),
        (b"", None),
        (b".", None),
        (b"a..b", None),
        (b"-a.b", None),
        (b"a-.b", None),
        (b"127.0.0.1", None),
        (b"::1", None),
        (b"a b", None),
        (b"*.example.com", None),
        (b"caf\xc3\xa9.example.com", None),
        (b"a\x00b", None),
        (b"a\n", None),
        (b"a" * 64, None),
        (b"a." * 127 + b"b", None),
    ],
)
def test_host_names(name: bytes | None, host: str | None) -> None:
    assert host_name(name) == host
