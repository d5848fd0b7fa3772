"""HTTP/1.1 answers read from bytes, no I/O: what Go's net/http takes is taken, and what it refuses fails in its words.

Libraries for clients are stricter here and more lenient there, and their words are their own.
Source: net/http (``Transport``), its chunked reader, and net/textproto, as they behave in Go 1.24.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mirror.importer.answer_failures import (
    HEAD_LIMIT,
    TOO_LONG,
    UNEXPECTED_EOF,
    WRONG_LINE,
    fields_failure,
    head_failure,
    is_old,
)

_BLANK: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])[ \t]*")
_EAGER: Final = 16 * 1024
"""Up to so many bytes a head is judged before it is there as a whole, line by line as Go reads it. Not longer: each
line costs a look at all before it.
"""

_LINE: Final = 4096
_EXCESS: Final = 16 * 1024
_LONG_TRAILER: Final = "http: suspiciously long trailer after chunked body"
_HEX: Final = re.compile(rb"[0-9a-fA-F]*")
_NO_BODY: Final = frozenset({204, 304})


class AnswerHead(msgspec.Struct, frozen=True):
    """Status and headers of an answer, names as they came. `is_last`: its connection has no other one.

    ``status_text`` is what the status line has after the version: blanks at its end stay, those before it do not, as
    in Go's ``Response.Status``.
    """

    status: int
    status_text: str
    headers: list[tuple[str, str]]
    is_last: bool


class AnswerReader:
    """Reads one answer, in pieces as they come. Interim answers (100 Continue, 103 Early Hints) are passed over.

    `head` is there when status and headers are. Then `feed` returns the body, until it `is_over`: complete, or broken
    off with a `failure`. One without a head is that of the head. `is_unclean`: something came after the answer, or with
    it, after which the connection is good for nothing.
    """

    def __init__(self, *, with_body: bool = True) -> None:
        self.head: AnswerHead | None = None
        self.failure = ""
        self.is_over = False
        self.is_unclean = False
        self.has_begun = False
        """Whether anything of it has come."""
        self._with_body = with_body
        self._rest = b""
        self._searched = 0
        self._judged = -1
        self._left: int | None = None  # of the body, or of the chunk; None: up to the end of the connection
        self._is_chunked = False
        self._in_chunk = False
        self._in_trailer = False
        self._excess = 0

    def feed(self, data: bytes) -> bytes:
        """Takes what has come, and returns what of it belongs to the body."""
        self.has_begun = True
        if self.is_over:
            self.is_unclean = True
            return b""
        if self.head is None:
            self._rest += data
            self._read_head()
            return self._body_so_far()
        return self._body(data)

    def _body_so_far(self) -> bytes:
        """What came of the body with the head."""
        if self.head is None:
            return b""
        data, self._rest = self._rest, b""
        if self.is_over:
            self.is_unclean = bool(data)
            return b""
        return self._body(data)

    def _body(self, data: bytes) -> bytes:
        if self._is_chunked:
            return self._chunks(data)
        if self._left is None:
            return data
        piece = data[: self._left]
        self._left -= len(piece)
        if self._left == 0:
            self.is_over = True
            self.is_unclean = len(data) > len(piece)
        return piece

    def end(self) -> None:
        """The connection has ended in good order: so has a body that nothing else delimits."""
        if self.is_over:
            return
        if self.head is None:
            self._fail((head_failure(self._rest) if self._rest else None) or UNEXPECTED_EOF)
        elif self._in_trailer:
            early = len(self._rest) < 2
            self._fail("http: unexpected EOF reading trailer" if early else _LONG_TRAILER)
        elif self._is_chunked or self._left is not None:
            self._fail(UNEXPECTED_EOF)
        self.is_over = True

    def break_off(self, text: str) -> None:
        """The connection has ended in some other way: nothing more will come."""
        if not self.is_over:
            self._fail(text)

    def _fail(self, text: str) -> None:
        self.failure = text
        self.is_over = self.is_unclean = True

    # Status and headers

    def _read_head(self) -> None:
        while self.head is None and not self.is_over:
            data = self._rest
            blank = _BLANK.search(data, max(self._searched - 2, 0))
            self._searched = len(data)
            if blank is None:
                self._judge_part(data)
                return
            wrong = head_failure(data[: blank.end()])
            if wrong is not None:
                self._fail(wrong)
                return
            self._rest, self._searched, self._judged = data[blank.end() :], 0, -1
            self._take(data[: blank.end()])

    def _judge_part(self, data: bytes) -> None:
        """Looks at the lines of a head that is not there as a whole: what is wrong in them stays wrong."""
        if len(data) > HEAD_LIMIT:
            self._fail(TOO_LONG)
        last = data.rfind(b"\n")
        if last <= self._judged or len(data) > _EAGER:
            return
        self._judged = last
        wrong = head_failure(data[: last + 1]) or UNEXPECTED_EOF
        # A line may go on in the next one.
        if wrong != UNEXPECTED_EOF and not wrong.startswith(WRONG_LINE):
            self._fail(wrong)

    def _take(self, head: bytes) -> None:
        """Takes a head that Go takes."""
        text = head.decode("utf-8", "surrogateescape")
        line, *lines = (_FOLD.sub(" ", text) if _FOLD.search(text) else text).split("\n")[:-2]
        version, _, rest = line.partition(" ")
        rest = rest.lstrip(" ").removesuffix("\r")
        status = int(rest.partition(" ")[0])
        if 100 <= status <= 199 and status != 101:
            return
        fields: list[tuple[str, str]] = []
        about_transfer: dict[str, list[str]] = {"content-length": [], "transfer-encoding": [], "connection": []}
        for one in lines:
            name, _, value = one.partition(":")
            fields.append((name, value.strip(" \t\r")))
            about = about_transfer.get(name.lower())
            if about is not None:
                about.append(fields[-1][1])
        lengths, codings, connection = about_transfer.values()
        old = is_old(version)
        chunked = bool(codings) and not old
        if chunked or len(lengths) > 1:
            fields = [field for field in fields if field[0].lower() != "content-length"]
            fields += [] if chunked else [("Content-Length", lengths[0])]
        if not self._with_body or 100 <= status <= 199 or status in _NO_BODY:
            self.is_over = True
        elif chunked:
            self._is_chunked, self._left = True, 0
        elif lengths:
            self._left = int(lengths[0])
            self.is_over = self._left == 0
        last = (not self.is_over and self._left is None) or status == 101 or _ends(connection, old=old)
        self.head = AnswerHead(status, rest, fields, last)

    # Bodies in chunks

    def _chunks(self, data: bytes) -> bytes:
        data, self._rest = self._rest + data, b""
        pieces: list[bytes] = []
        at = 0
        while not self.is_over:
            if self._left:
                pieces.append(data[at : at + self._left])
                self._left -= len(pieces[-1])
                at += len(pieces[-1])
                if self._left:
                    break
            needed = self._after_chunk(data, at) if self._in_chunk else self._chunk_line(data, at)
            if needed == at:
                break
            at = needed
        self._rest = data[at:]
        if self.is_over and not self.failure:
            self.is_unclean = self.is_unclean or bool(self._rest)
        return b"".join(pieces)

    def _after_chunk(self, data: bytes, at: int) -> int:
        """Passes over the line end behind a chunk; where to go on, or `at` if more has to come."""
        if len(data) - at < 2:
            return at
        if data[at : at + 2] != b"\r\n":
            self._fail("malformed chunked encoding")
        self._in_chunk = False
        return at + 2

    def _chunk_line(self, data: bytes, at: int) -> int:
        """Reads the line before a chunk, or what comes behind the last one; as `_after_chunk`."""
        if self._in_trailer:
            return self._trailer(data, at)
        end = data.find(b"\n", at, at + _LINE)
        if end < 0:
            if len(data) - at >= _LINE:
                self._fail("header line too long")
            return at
        line = data[at : end + 1]
        self._left = self._chunk_length(line)
        if not self.is_over:
            self._in_trailer, self._in_chunk = self._left == 0, self._left > 0
        return end + 1

    def _chunk_length(self, line: bytes) -> int:
        carriage = line.find(b"\r")
        if carriage < 0 or carriage != len(line) - 2:
            self._fail("chunked line ends with bare LF" if carriage < 0 else "invalid CR in chunked line")
            return 0
        line = line.rstrip(b" \t\r\n")
        digits = line.partition(b";")[0]
        hexadecimal = _HEX.match(digits)
        assert hexadecimal is not None
        good = hexadecimal.end()
        if not digits:
            self._fail("empty hex number for chunk length")
        elif good < min(len(digits), 17):
            self._fail("invalid byte in chunk length")
        elif len(digits) > 16:
            self._fail("http chunk length too large")
        if self.failure:
            return 0
        length = int(digits, 16)
        # Who sends long lines before short chunks wants to keep the reader busy.
        self._excess = max(self._excess + len(line) + 2 - 16 - 2 * length, 0)
        if self._excess > _EXCESS:
            self._fail("chunked encoding contains too much non-data")
        return length

    def _trailer(self, data: bytes, at: int) -> int:
        if len(data) - at < 2:
            return at
        if data[at : at + 2] == b"\r\n":
            self.is_over = True
            return at + 2
        end = data.find(b"\r\n\r\n", at, at + _LINE)
        if end < 0:
            if len(data) - at >= _LINE:
                self._fail(_LONG_TRAILER)
            return at
        failure = fields_failure(data[at : end + 4])
        if failure is not None:
            self._fail(failure)
        self.is_over = self.is_unclean = True
        return end + 4


def _ends(connection: list[str], *, old: bool) -> bool:
    """Whether a connection ends with an answer whose Connection headers these are."""
    tokens = {token.strip(" \t").lower() for value in connection for token in value.split(",")}
    return "close" in tokens or (old and "keep-alive" not in tokens)
