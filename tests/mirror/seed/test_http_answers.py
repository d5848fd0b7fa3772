"""Answers of servers out of the bytes that they send: what is taken, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.seed.remote.answer import MAX_HEAD, Answer
from mirror.seed.remote.failures import AnswerError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(method: str, pieces: Iterable[bytes], *, ended: bool = False) -> tuple[Answer, bytes]:
    answer, body = Answer(method), b""
    for piece in pieces:
        body += answer.feed(piece)
    if ended:
        answer.end()
    return answer, body


WHOLE: dict[str, tuple[str, bytes, int, bytes, bool]] = {
    # method, what comes; status, body, whether the connection can be used again
    "length": ("GET", OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
    "length with spaces": ("GET", OK + b"content-length: \t5 \r\n\r\nhello", 200, b"hello", True),
    "nothing": ("GET", OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "closing": ("GET", OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    "closing among others": ("GET", OK + b"Connection: a, Close\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
    "chunks": ("GET", CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 200, b"hello", True),
    "chunks in any case": ("GET", OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n", 200, b"A", True),
    "trailers": ("GET", CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n", 200, b"hello", True),
    "no chunks": ("GET", CHUNKED + b"0\r\n\r\n", 200, b"", True),
    "head": ("HEAD", OK + b"Content-Length: 5\r\n\r\n", 200, b"", True),
    "head of chunks": ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", 200, b"", True),
    "head of anything": ("HEAD", OK + b"\r\n", 200, b"", True),
    "204": ("PUT", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n", 304, b"", True),
    "interim": ("PUT", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "hints": ("GET", b"HTTP/1.1 103 E\r\nLink: <a>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nab", 200, b"ab", True),
    "no reason": ("GET", b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
    "1.0": ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    "tunnel": ("CONNECT", b"HTTP/1.0 200 Connection established\r\n\r\n", 200, b"", True),
    "no tunnel": ("CONNECT", b"HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx", 407, b"x", True),
    # more than was asked for
    "more": ("GET", OK + b"Content-Length: 5\r\n\r\nhello" + OK, 200, b"hello", False),
    "more behind chunks": ("GET", CHUNKED + b"1\r\nx\r\n0\r\n\r\n" + OK, 200, b"x", False),
    "nonsense behind chunks": ("GET", CHUNKED + b"1\r\nx\r\n0\r\n\r\n\x00", 200, b"x", False),
    "more behind the last chunks": (
        "GET",
        OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + OK,
        200,
        b"x",
        False,
    ),
    "a body for HEAD": ("HEAD", OK + b"Content-Length: 5\r\n\r\nhello", 200, b"", False),
    "a body with 204": ("PUT", b"HTTP/1.1 204 No Content\r\n\r\nhello", 204, b"", False),
    "more in a tunnel": ("CONNECT", OK + b"\r\nhello", 200, b"", False),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers(name: str) -> None:
    method, data, status, body, persistent = WHOLE[name]
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        answer, found = read(method, pieces)
        assert answer.head is not None
        assert (answer.head.status, found, answer.complete, answer.persistent) == (status, body, True, persistent)


@given(name=st.sampled_from(sorted(WHOLE)), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_how_it_is_cut_on_the_way_changes_nothing(name: str, cuts: list[int]) -> None:
    method, data, status, body, persistent = WHOLE[name]
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    answer, found = read(method, [data[start:stop] for start, stop in pairwise(places)])
    assert answer.head is not None
    assert (answer.head.status, found, answer.complete, answer.persistent) == (status, body, True, persistent)


@given(
    body=st.binary(max_size=400),
    sizes=st.lists(st.integers(1, 90), max_size=8),
    cuts=st.lists(st.integers(0, 900), max_size=8),
)
def test_chunks_of_any_size(body: bytes, sizes: list[int], cuts: list[int]) -> None:
    data, rest = CHUNKED, body
    for size in [*sizes, len(body)]:
        piece, rest = rest[:size], rest[size:]
        data += b"%X\r\n%b\r\n" % (len(piece), piece) if piece else b""
    data += b"0\r\n\r\n"
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    answer, found = read("GET", [data[start:stop] for start, stop in pairwise(places)])
    assert (found, answer.complete, answer.persistent) == (body, True, True)


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", OK, CHUNKED, OK + b"Content-Length: 40\r\n"]))
def test_whatever_comes_is_an_answer_or_none(data: bytes, start: bytes) -> None:
    answer = Answer("GET")
    try:
        body = answer.feed(start + data)
        answer.end()
    except AnswerError as error:
        assert str(error)  # noqa: PT017 - one of two things that may happen
    else:
        assert answer.complete
        assert body in data


def test_fields() -> None:
    data = OK + b"X-One: a\r\nx-one:b\t\r\nEmpty:\r\nUmlaut: \xc3\xa4\xff\r\nContent-Length: 0\r\n\r\n"
    head = read("GET", [data])[0].head
    assert head is not None
    assert (head.reason, head.headers.get("X-ONE"), head.headers.all("x-One")) == ("OK", "a", ["a", "b"])
    assert (head.headers.get("Empty", "?"), head.headers.get("absent"), "EMPTY" in head.headers) == ("", "", True)
    assert head.headers.items()[3] == ("Umlaut", "ä\udcff")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "no HTTP answer"),
        (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: 5, 5\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: +5\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: 0x5\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: -1\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length:\r\n\r\n", "no HTTP answer"),
        (OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 19), "no HTTP answer"),
        (OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000), "no HTTP answer"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "the transfer coding 'gzip, chunked'"),
        (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n", "no HTTP answer"),
        (OK + b"Transfer-Encoding: identity\r\n\r\n", "the transfer coding 'identity'"),
        (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "the transfer coding 'chunked'"),
        (OK + b"A : b\r\n\r\n", "no HTTP answer"),
        (OK + b"A: b\r\n c\r\n\r\n", "no HTTP answer"),
        (OK + b"A: b\x00c\r\n\r\n", "no HTTP answer"),
        (OK + b"A: b\rc\r\n\r\n", "no HTTP answer"),
        (OK + b"A\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n", "no HTTP answer"),
        (b"HTTP/2 200 OK\r\n\r\n", "no HTTP answer"),
        (b"HTTP/0.9 200 OK\r\n\r\n", "no HTTP answer"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "no HTTP answer"),
        (b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", "no HTTP answer"),
        (b"\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "answers with 101"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "answers with 100"),
        (CHUNKED + b"5\r\nhelloX\r\n", "the answer broke: "),
        (CHUNKED + b"5\nhello\n0\n\n", "the answer broke: "),
        (CHUNKED + b"-1\r\n", "the answer broke: "),
        (CHUNKED + b"ffffffffffffffffff\r\n", "the answer broke: "),
        (CHUNKED + b"x\r\n", "the answer broke: "),
        (CHUNKED + b"1\r\nx\r\n0\r\nContent-Length: 9\r\n\r\n", "the answer broke: "),
    ],
    ids=repr,
)
def test_what_is_no_answer(data: bytes, problem: str) -> None:
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        with pytest.raises(AnswerError, match=problem) as failure:
            read("GET", pieces)
        assert not failure.value.hung_up


@pytest.mark.parametrize(
    ("data", "body"),
    [(OK + b"\r\nhello", b"hello"), (OK + b"\r\n", b""), (OK + b"Connection: keep-alive\r\n\r\nx", b"x")],
)
def test_a_body_that_ends_with_the_connection(data: bytes, body: bytes) -> None:
    assert not read("GET", [data])[0].complete
    answer, found = read("GET", [data], ended=True)
    assert (found, answer.complete, answer.persistent) == (body, True, False)


@pytest.mark.parametrize(
    ("data", "text", "hung_up", "unanswered"),
    [
        (b"", "hung up without an answer", True, True),
        (b"H", "hung up without an answer", True, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "hung up without an answer", True, False),
        (OK + b"Content-Length: 5\r\n\r\nhell", "the answer broke off after 4 of 5 bytes", False, False),
        (CHUNKED, "the answer broke off after 0 bytes", False, False),
        (CHUNKED + b"5\r\nhello\r\n", "the answer broke off after 5 bytes", False, False),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "the answer broke off after 5 bytes", False, False),
    ],
)
def test_what_ends_too_early(data: bytes, text: str, hung_up: bool, unanswered: bool) -> None:
    with pytest.raises(AnswerError) as failure:
        read("GET", [data], ended=True)
    error = failure.value
    assert (str(error), error.hung_up, error.unanswered) == (text, hung_up, unanswered)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"x"),
        (OK, b"A: b\r\n"),
        (OK + b"A: ", b"b"),
        (CHUNKED + b"5;", b"x"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nA: ", b"b"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", b"A: b\r\n"),
        (CHUNKED, b"0"),
    ],
    ids=repr,
)
def test_what_does_not_end_is_given_up(start: bytes, piece: bytes) -> None:
    answer = Answer("GET")
    pieces = piece * (8192 // len(piece))
    with pytest.raises(AnswerError):
        for count in range(2 * MAX_HEAD // len(pieces)):
            answer.feed(pieces if count else start + pieces)


def test_a_head_of_the_greatest_length() -> None:
    start, end = OK + b"A: ", b"\r\nContent-Length: 1\r\n\r\n"
    filling = b"b" * (MAX_HEAD - len(start) - len(end))
    assert read("GET", [start + filling + end + b"x"])[1] == b"x"
    with pytest.raises(AnswerError, match=f"longer than {MAX_HEAD} bytes"):
        read("GET", [start + filling + b"b" + end + b"x"])
