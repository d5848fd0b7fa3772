"""HTTP answers as Go reads them: what it takes, what it refuses, in its words. Expected values are those of Go 1.24."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mirror.importer import answer_reader
from mirror.importer.answer_failures import head_failure
from mirror.importer.answer_reader import AnswerReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
HI = b"2\r\nhi\r\n"


def read(data: bytes, *cuts: int, with_body: bool = True) -> tuple[AnswerReader, bytes]:
    """What comes of an answer that is cut into pieces there, after which the connection ends."""
    reader = AnswerReader(with_body=with_body)
    places = [0, *cuts, len(data)]
    body = b"".join([reader.feed(data[start:end]) for start, end in pairwise(places)])
    reader.end()
    return reader, body


TAKEN = [
    (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    (OK + b"Content-Length: 2\r\nContent-Length:\t2 \r\n\r\nhi", b"hi"),
    (OK + b"Content-Length: 0000000000000000000000000002\r\n\r\nhi", b"hi"),
    (OK + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END, b"hi"),
    (OK + b"Transfer-Encoding: Chunked \r\n\r\n" + HI + END, b"hi"),
    (OK + b"Name : value\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    (OK + b"Content-Length : 1\r\n\r\nhi", b"hi"),
    (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    (OK + b"X: a\n\tb\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1  200 OK\nContent-Length: 2\n\nhi", b"hi"),
    (b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1 +12 OK\r\n\r\nhi", b"hi"),
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + HI, HI),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END, b""),
    (b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nhi", b""),
    (b"HTTP/1.1 101 Switching\r\n\r\nhi", b""),
    (b"HTTP/1.1 103 Early\r\n\r\n" * 7 + OK + b"\r\nhi", b"hi"),
    (CHUNKED + b"2;ext=1\r\nhi\r\n" + END, b"hi"),
    (CHUNKED + b"2 \t \r\nhi\r\n" + END, b"hi"),
    (CHUNKED + b"2;\x00\r\nhi\r\n" + END, b"hi"),
    (CHUNKED + b"0000000000000002\r\nhi\r\n" + END, b"hi"),
    (CHUNKED + b"A\r\n0123456789\r\n" + HI + END, b"0123456789hi"),
    (CHUNKED + HI + b"0\r\nTrailer : a\r\n b\r\n\r\n", b"hi"),
    (CHUNKED + HI + END + b"more", b"hi"),
    (CHUNKED + b"2;" + b"a" * 4092 + b"\r\nhi\r\n" + END, b"hi"),
    (CHUNKED + (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 88 + END, b"x" * 88),
]


@pytest.mark.parametrize(("data", "body"), TAKEN, ids=[f"taken {number}" for number in range(len(TAKEN))])
def test_what_is_taken(data: bytes, body: bytes) -> None:
    for cuts in [(), range(1, min(len(data), 600))]:
        reader, found = read(data, *cuts)
        assert (reader.failure, found) == ("", body)
        assert reader.head is not None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"HTTP/1.1 599", "599"),
        (b"HTTP/1.1 599 ", "599 "),
        (b"HTTP/1.1   599  ", "599  "),
        (b"HTTP/1.1 599 Odd  ", "599 Odd  "),
        (b"HTTP/1.1 599  Odd", "599  Odd"),
        (b"HTTP/1.1 599 \t", "599 \t"),
        (b"HTTP/1.1 599 Odd\t \r", "599 Odd\t \r"),
        ("HTTP/1.1 599 Odd\u00a0".encode(), "599 Odd\u00a0"),
        (b"HTTP/1.1 +12 OK", "+12 OK"),
        (b"HTTP/1.1 099 Low", "099 Low"),
    ],
)
def test_the_status_is_kept_as_its_line_has_it(line: bytes, text: str) -> None:
    for end in (b"\r\n", b"\n") if not line.endswith(b"\r") else (b"\r\n",):
        head = read(line + end + b"Content-Length: 0\r\n\r\n")[0].head
        assert head is not None
        assert (head.status, head.status_text) == (int(text[:3]), text)


REFUSED = [
    (
        OK + b"Content-Length: 2\r\nContent-Length: 02\r\n\r\nhi",
        'http: message cannot contain multiple Content-Length headers; got ["2" "02"]',
    ),
    (OK + b"Content-Length: 2, 2\r\n\r\nhi", 'bad Content-Length "2, 2"'),
    (OK + b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n" + END, 'bad Content-Length "x"'),
    (OK + b"Transfer-Encoding: chunked\r\n \r\n\r\n" + END, 'unsupported transfer encoding: "chunked "'),
    (b"HTTP/1.1 304 No\r\nTransfer-Encoding: gzip\r\n\r\n", 'unsupported transfer encoding: "gzip"'),
    (b"HTTP/1.1 103 E\r\nbad \r\n\r\n" + OK + b"\r\n", 'malformed MIME header: missing colon: "bad "'),
    (b"HTTP/1.1 103 E\r\n\r\n", "unexpected EOF"),
    (OK + b" " + b"x" * 80 + b"\r\n\r\n", "message too large"),
    (OK + b" \r\n\r\n", "malformed MIME header initial line:  "),
    (OK + b"content-x: \x01\r\n y\r\n\r\n", "malformed MIME header line: Content-X: \x01 y"),
    (OK + b"content(x: \x01\r\n\r\n", "malformed MIME header line: content(x: \x01"),
    (OK + b"X: a\r\n \r", "malformed MIME header line: X: a \r"),
]


@pytest.mark.parametrize(("data", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_heads_that_are_refused(data: bytes, text: str) -> None:
    for cuts in [(), range(1, len(data))]:
        reader, found = read(data, *cuts)
        assert (reader.failure, found, reader.head) == (text, b"", None)


BROKEN = [
    (b"\r\nhi", "", "empty hex number for chunk length"),
    (b";a\r\nhi", "", "empty hex number for chunk length"),
    (b"g\r\nhi", "", "invalid byte in chunk length"),
    (b" 2\r\nhi", "", "invalid byte in chunk length"),
    (b"2 ;ext\r\nhi", "", "invalid byte in chunk length"),
    (b"1234567890123456g\r\n", "", "invalid byte in chunk length"),
    (b"00000000000000002\r\nhi", "", "http chunk length too large"),
    (b"2\nhi", "", "chunked line ends with bare LF"),
    (b"\n", "", "chunked line ends with bare LF"),
    (b"2;a\rb\r\nhi", "", "invalid CR in chunked line"),
    (b"2\r\r\nhi", "", "invalid CR in chunked line"),
    (b"2;" + b"a" * 4093 + b"\r\nhi", "", "header line too long"),
    (b"2;" + b"a" * 4094, "", "header line too long"),
    (HI + b"1;" + b"a" * 4000, "hi", "unexpected EOF"),
    ((b"1;" + b"a" * 200 + b"\r\nx\r\n") * 89, "x" * 88, "chunked encoding contains too much non-data"),
    (b"2\r\nhixx", "hi", "malformed chunked encoding"),
    (b"2\r\nhi\n0", "hi", "malformed chunked encoding"),
    (b"2\r\nhi\r", "hi", "unexpected EOF"),
    (b"ffffffffffffffff\r\nhi", "hi", "unexpected EOF"),
    (b"", "", "unexpected EOF"),
    (HI + b"0\r\n", "hi", "http: unexpected EOF reading trailer"),
    (HI + b"0\r\n\n", "hi", "http: unexpected EOF reading trailer"),
    (HI + b"0\r\nX: y\r\n", "hi", "http: suspiciously long trailer after chunked body"),
    (HI + b"0\r\nT: " + b"a" * 4090 + b"\r\n\r\n", "hi", "http: suspiciously long trailer after chunked body"),
    (HI + b"0\r\nbad\r\n\r\n", "hi", 'malformed MIME header: missing colon: "bad"'),
    (HI + b"0\r\n folded\r\n\r\n", "hi", "malformed MIME header initial line:  folded"),
]


@pytest.mark.parametrize(("rest", "body", "text"), BROKEN, ids=[f"{text} {i}" for i, (*_, text) in enumerate(BROKEN)])
def test_bodies_that_break_off(rest: bytes, body: str, text: str) -> None:
    """What came before is handed out all the same."""
    for cuts in [(), range(len(CHUNKED), len(CHUNKED) + min(len(rest), 600))]:
        reader, found = read(CHUNKED + rest, *cuts)
        assert (reader.failure, found, reader.is_unclean) == (text, body.encode(), True)


def test_lengths_are_said_once_and_not_beside_chunks() -> None:
    fields = b"A: 1\r\ncontent-length: 2\r\nContent-Length: 2\r\nB: 2\r\n"
    head = read(OK + fields + b"\r\nhi")[0].head
    assert head is not None
    assert head.headers == [("A", "1"), ("B", "2"), ("Content-Length", "2")]
    head = read(OK + fields + b"Transfer-Encoding: chunked\r\n\r\n" + END)[0].head
    assert head is not None
    assert head.headers == [("A", "1"), ("B", "2"), ("Transfer-Encoding", "chunked")]


@pytest.mark.parametrize(
    ("data", "with_body", "last", "unclean"),
    [
        (OK + b"Content-Length: 2\r\n\r\nhi", True, False, False),
        (OK + b"Content-Length: 2\r\n\r\nhi!", True, False, True),
        (OK + b"Content-Length: 2\r\n\r\n", False, False, False),
        (OK + b"Content-Length: 2\r\n\r\nhi", False, False, True),
        (OK + b"Connection: a, Close\r\nContent-Length: 2\r\n\r\nhi", True, True, False),
        (OK + b"\r\nhi", True, True, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", True, True, False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", True, False, False),
        (b"HTTP/1.1 101 S\r\n\r\n", True, True, False),
        (CHUNKED + HI + END, True, False, False),
        (CHUNKED + HI + b"0\r\nX: y\r\n\r\n", True, False, True),
    ],
)
def test_which_connections_can_be_used_again(data: bytes, with_body: bool, last: bool, unclean: bool) -> None:
    reader, _ = read(data, with_body=with_body)
    assert reader.head is not None
    assert (reader.head.is_last, reader.is_unclean, reader.failure) == (last, unclean, "")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", 'malformed HTTP response "SSH-2.0-OpenSSH_9.9"'),
        (OK + b"no colon\r\n", 'malformed MIME header: missing colon: "no colon"'),
    ],
)
def test_who_goes_on_talking_is_not_waited_for(data: bytes, text: str) -> None:
    reader = AnswerReader()
    reader.feed(data)
    assert (reader.is_over, reader.failure) == (True, text)


def test_heads_are_bounded() -> None:
    reader = AnswerReader()
    line = b"X: " + b"a" * (1 << 20) + b"\r\n"
    reader.feed(OK)
    for _ in range(9):
        reader.feed(line)
    assert not reader.is_over
    reader.feed(line)
    assert reader.failure == "net/http: server response headers exceeded 10485760 bytes; aborted"


def test_a_head_is_looked_at_once_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def counted(head: bytes) -> str | None:
        looks.append(len(head))
        return head_failure(head)

    monkeypatch.setattr(answer_reader, "head_failure", counted)
    head = OK + b"".join(b"X-%d: y\r\n" % number for number in range(20)) + b"Content-Length: 0\r\n\r\n"
    reader = AnswerReader(with_body=True)
    for at in range(len(head)):
        reader.feed(head[at : at + 1])
    assert reader.is_over
    assert len(looks) == head.count(b"\n")
