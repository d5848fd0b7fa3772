"""HTTP/1.1 answers out of bytes as they come, with no I/O.

httptools (llhttp) reads heads and chunks, strictly. How much of what comes is the body is decided here: it depends on
the request, and nothing is taken that another program on the way could understand differently.

Source: RFC 9112.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from mirror.seed.remote.failures import AnswerError
from mirror.seed.remote.headers import Headers

MAX_HEAD: Final = 64 * 1024
"""Bytes of the longest head, and of what may stand between two pieces of a chunked body."""

_MAX_INTERIM: Final = 16
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_END_OF_HEAD: Final = b"\r\n\r\n"
_LONGEST_NUMBER: Final = 18


class Head(NamedTuple):
    """How an answer begins."""

    status: int
    reason: str
    headers: Headers


class Answer:
    """One answer to a request with this method. Its body is what `feed` returns, until it is `complete`."""

    def __init__(self, method: str) -> None:
        self.head: Head | None = None
        self.complete = False
        self.persistent = False
        """Whether the connection can take another request, once the answer is complete."""
        self._method = method
        self._start = bytearray()
        self._interim = 0
        self._received = 0
        self._left: int | None = None
        self._events = _Events()
        self._chunks: HttpResponseParser | None = None
        self._between = 0

    def feed(self, data: bytes) -> bytes:
        """Takes what came; gives what of it belongs to the body.

        Raises:
            AnswerError: this is no answer.
        """
        if self.head is None:
            data = self._read_head(data)
        if not data:
            return b""
        if self.complete:
            self.persistent = False  # nobody asked for more
            return b""
        if self._chunks is not None:
            return self._chunked(self._chunks, data)
        if self._left is not None:
            if len(data) > self._left:
                data, self.persistent = data[: self._left], False
            self._left -= len(data)
            self.complete = not self._left
        self._received += len(data)
        return data

    @property
    def is_untouched(self) -> bool:
        """Whether not a byte of it has come."""
        return self.head is None and not self._start and not self._interim

    def end(self) -> None:
        """Takes that no more will come.

        Raises:
            AnswerError: there should have been more.
        """
        if self.complete:
            return
        if self.head is None:
            raise AnswerError("hung up without an answer", hung_up=True, unanswered=self.is_untouched)
        if self._chunks is not None or self._left is not None:
            whole = "" if self._left is None else f" of {self._received + self._left}"
            raise AnswerError(f"the answer broke off after {self._received}{whole} bytes")
        self.complete = True

    def _read_head(self, data: bytes) -> bytes:
        """Takes bytes up to the end of the head; gives those behind it. Interim answers are passed over."""
        start = self._start
        searched = max(len(start) - len(_END_OF_HEAD) + 1, 0)
        start += data
        while (found := start.find(_END_OF_HEAD, searched, MAX_HEAD)) >= 0:
            length, searched = found + len(_END_OF_HEAD), 0
            head = self._parsed(bytes(start[:length]))
            del start[:length]
            if head.status >= 200:
                self.head = head
                rest = bytes(start)
                start.clear()
                return rest
            self._interim += 1
            if head.status == 101 or self._interim > _MAX_INTERIM:
                raise AnswerError(f"answers with {head.status}, which nobody asked for")
        if len(start) >= MAX_HEAD:
            raise AnswerError(f"the head of the answer is longer than {MAX_HEAD} bytes")
        return b""

    def _parsed(self, data: bytes) -> Head:
        events = self._events = _Events()
        parser = HttpResponseParser(events)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # 101
        except HttpParserError as error:
            raise AnswerError(f"no HTTP answer: {error}") from None
        version = parser.get_http_version()
        status = parser.get_status_code()
        if not events.has_head or not data.startswith(b"HTTP/") or version not in _VERSIONS or status < 100:
            raise AnswerError("no HTTP answer")
        head = Head(status, _text(events.reason), Headers(events.fields))
        if status >= 200:
            self._frame(head, version, parser)
            closes = any("close" in _tokens(value) for value in head.headers.all("Connection"))
            known = self._left is not None or self._chunks is not None or self.complete
            tunnel = self._method == "CONNECT" and self.complete  # what comes behind it is none of HTTP's business
            self.persistent = tunnel or (version == "1.1" and not closes and known)
        return head

    def _frame(self, head: Head, version: str, parser: HttpResponseParser) -> None:
        """Finds out how long the body is. Source: RFC 9112, 6.3."""
        lengths, codings = head.headers.all("Content-Length"), head.headers.all("Transfer-Encoding")
        if lengths and codings:
            raise AnswerError("no HTTP answer: both Content-Length and Transfer-Encoding")
        opens_tunnel = self._method == "CONNECT" and head.status < 300
        if opens_tunnel or self._method == "HEAD" or head.status in {204, 304}:
            self.complete = True
        elif codings:
            if [coding.strip().lower() for coding in codings] != ["chunked"] or version != "1.1":
                raise AnswerError(f"no HTTP answer: the transfer coding {', '.join(codings)[:50]!r}")
            self._chunks = parser
        elif lengths:
            number = lengths[0]
            if len(lengths) > 1 or not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER):
                raise AnswerError(f"no HTTP answer: the length {', '.join(lengths)[:50]!r}")
            self._left = int(number)
            self.complete = not self._left

    def _chunked(self, parser: HttpResponseParser, data: bytes) -> bytes:
        events = self._events
        events.pieces = []
        try:
            parser.feed_data(data)
        except HttpParserError as error:
            if not events.is_complete:
                raise AnswerError(f"the answer broke: {error}") from None
            self.persistent = False
        if events.has_more:
            self.persistent = False
        body = b"".join(events.pieces)
        self.complete = events.is_complete
        self._received += len(body)
        self._between = 0 if body else self._between + len(data)
        if self._between > MAX_HEAD and not self.complete:
            raise AnswerError(f"more than {MAX_HEAD} bytes between the pieces of the answer")
        return body


class _Events:
    """What httptools tells of one answer. Header fields behind a body are nothing to us."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.reason = b""
        self.has_head = False
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.has_more = False

    def on_message_begin(self) -> None:
        self.has_more = self.is_complete

    def on_status(self, text: bytes) -> None:
        self.reason += text

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:
            self.fields.append((_text(name), _text(value).strip(" \t")))

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _tokens(value: str) -> set[str]:
    return {token.strip().lower() for token in value.split(",")}
