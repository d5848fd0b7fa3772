"""What is wrong with the beginning of an HTTP answer, in the words of Go's net/http and net/textproto.

Only called when something is: the client that reads answers is another.
Source: net/http ``response.go``, ``transfer.go``; net/textproto ``reader.go``.
"""

from __future__ import annotations

import re
from typing import Final

from mirror.gotext import quote

BROKEN: Final = "net/http: HTTP/1.x transport connection broken: "
UNEXPECTED_EOF: Final = "unexpected EOF"
TOO_LONG: Final = "net/http: server response headers exceeded 10485760 bytes; aborted"
LONG_HEAD: Final = 64 * 1024
"""Bytes of an answer's beginning that are kept for `head_failure`."""

_STATUS: Final = re.compile(rb"[0-9]{3}|\+[0-9]{2}|-00")
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z -]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# An interim answer (100 Continue, 103 Early Hints), up to the blank line behind it.
_INTERIM: Final = re.compile(rb"HTTP/1\.[0-9] +1(?!01)[0-9]{2}[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_BLANK: Final = re.compile(rb"\n\r?\n")
# The fast path: a head with nothing odd about its form, whose body is delimited by a length of usual size or the end.
_PLAIN_HEAD: Final = re.compile(
    rb"HTTP/1\.1 [2-5][0-9]{2} [^\r\n]*\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
_ODD_FRAMING: Final = re.compile(rb"\n(?:transfer-encoding:|content-length:(?! ?[0-9]{1,18}\r))", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")


def head_failure(data: bytes) -> str | None:
    """What Go says of an answer that begins with `data`; the connection may have ended there.

    None if Go finds nothing wrong with status and headers.
    """
    while found := _INTERIM.match(data):
        data = data[found.end() :]
    blank = _BLANK.search(data)
    line, ended, rest = (data[: blank.end()] if blank else data).partition(b"\n")
    if ended:
        line = line.removesuffix(b"\r")
    return _status_line_failure(line) or (_headers_failure(rest, line[:8]) if ended else UNEXPECTED_EOF)


def accepted_head_failure(data: bytes) -> str | None:
    """What Go says of the beginning of an answer that our reader has taken; it is less strict here and there.

    A head of more than `LONG_HEAD` bytes is not there as a whole, and not judged.
    """
    plain = _PLAIN_HEAD.match(data)
    if len(data) >= LONG_HEAD or (plain is not None and _ODD_FRAMING.search(plain[0]) is None):
        return None
    return head_failure(data)


def value_failure(name: str, value: str) -> str:
    """What Go says of an answer with such a header line, which our server would send; empty if it takes it."""
    return f"{BROKEN}malformed MIME header line: {name}: {value}" if _CONTROL.search(value) is not None else ""


def chunk_failure(message: str) -> str | None:
    """What Go says of a chunked body of which aiohttp's reader says `message`; None if that is about something else."""
    if "chunk size" in message:
        return "invalid byte in chunk length"
    return "malformed chunked encoding" if "chunk" in message.lower() else None


def _status_line_failure(line: bytes) -> str | None:
    version, space, status = line.partition(b" ")
    if not space:
        return f"malformed HTTP response {quote(line)}"
    code = status.lstrip(b" ").partition(b" ")[0]
    if len(code) != 3 or _STATUS.fullmatch(code) is None:
        return f"malformed HTTP status code {quote(code)}"
    if _VERSION.fullmatch(version) is None:
        return f"malformed HTTP version {quote(version)}"
    return None


def _headers_failure(data: bytes, version: bytes) -> str | None:
    headers: dict[bytes, list[bytes]] = {}
    lines = data.split(b"\n")
    while lines:
        ended = len(lines) > 1  # a line that breaks off is judged all the same
        line = lines.pop(0)
        line = line.removesuffix(b"\r") if ended else line
        if not line:
            return _framing_failure(headers, version) if ended else UNEXPECTED_EOF
        line = line.rstrip(b" \t")
        if line[:1] in {b"", b" ", b"\t"}:
            return f"malformed MIME header initial line: {_text(line)}"
        if b":" not in line:
            return f"malformed MIME header: missing colon: {quote(line)}"
        while lines and lines[0][:1] in {b" ", b"\t"}:
            line += b" " + lines.pop(0).removesuffix(b"\r").strip(b" \t")
        name, _, value = line.partition(b":")
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            return f"malformed MIME header line: {_text(line)}"
        headers.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return UNEXPECTED_EOF


def _framing_failure(headers: dict[bytes, list[bytes]], version: bytes) -> str | None:
    """What is wrong with how the body is delimited; HTTP/1.0 knows no transfer encodings."""
    codings = [] if version == b"HTTP/1.0" else headers.get(b"transfer-encoding", [])
    if len(codings) > 1:
        return f"too many transfer encodings: [{' '.join(quote(coding) for coding in codings)}]"
    if codings and codings[0].lower() != b"chunked":
        return f"unsupported transfer encoding: {quote(codings[0])}"
    if lengths := headers.get(b"content-length"):
        if len(set(lengths)) > 1:
            shown = " ".join(quote(length) for length in lengths)
            return f"http: message cannot contain multiple Content-Length headers; got [{shown}]"
        if not lengths[0]:
            return 'invalid empty Content-Length ""'
        if _LENGTH.fullmatch(lengths[0]) is None or int(lengths[0]) >= 2**63:
            return f"bad Content-Length {quote(lengths[0])}"
    return None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
