"""What is wrong with the beginning of an HTTP answer, in the words of Go's net/http and net/textproto.

Source: net/http ``response.go``, ``transfer.go``; net/textproto ``reader.go``.
"""

from __future__ import annotations

import re
from typing import Final

from mirror.gotext import quote

BROKEN: Final = "net/http: HTTP/1.x transport connection broken: "
UNEXPECTED_EOF: Final = "unexpected EOF"
TOO_LONG: Final = "net/http: server response headers exceeded 10485760 bytes; aborted"
WRONG_LINE: Final = "malformed MIME header line"
HEAD_LIMIT: Final = 10 << 20
"""Bytes that the beginning of an answer may have."""

_STATUS: Final = re.compile(rb"[0-9]{3}|\+[0-9]{2}|-00")
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z -]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# The fast path: a head with nothing odd about its form, whose body is delimited by a length of usual size or the end.
_PLAIN_HEAD: Final = re.compile(
    rb"HTTP/1\.1 [2-5][0-9]{2} [^\r\n]*\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
_ODD_FRAMING: Final = re.compile(
    rb"\n(?:transfer-encoding:|content-length:(?:(?! ?[0-9]{1,18}\r)|.*\n(?:.*\n)*?content-length:))",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH: Final = re.compile(rb"0*[0-9]{1,19}")
_INITIAL: Final = 80


def head_failure(head: bytes) -> str | None:
    """What Go says of status and headers of an answer, up to the blank line behind them, or as far as they came.

    None if it finds nothing wrong with them.
    """
    plain = _PLAIN_HEAD.fullmatch(head)
    if plain is not None and _ODD_FRAMING.search(head) is None:
        return None
    line, ended, rest = head.partition(b"\n")
    if ended:
        line = line.removesuffix(b"\r")
    failure = _status_line_failure(line)
    if failure is not None:
        return failure
    return _headers_failure(rest, line.partition(b" ")[0]) if ended else UNEXPECTED_EOF


def fields_failure(data: bytes) -> str | None:
    """What Go says of the header lines behind a body, which nothing delimits another one by; None if nothing."""
    found, failure = _fields(data)
    return failure if found is None else None


def is_old(version: str) -> bool:
    """Whether a version (``HTTP/1.0``) is of a time without transfer encodings."""
    return version < "HTTP/1.1"


def value_failure(name: str, value: str) -> str:
    """What Go says of an answer with such a header line, which our server would send; empty if it takes it."""
    return f"{BROKEN}{WRONG_LINE}: {_canonical(name)}: {value}" if _CONTROL.search(value) is not None else ""


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
    headers, failure = _fields(data)
    return failure if headers is None else _framing_failure(headers, version)


def _fields(data: bytes) -> tuple[dict[bytes, list[bytes]] | None, str]:
    """The values of each header (lower-case name) up to the blank line, or None and what is wrong."""
    headers: dict[bytes, list[bytes]] = {}
    lines = data.split(b"\n")
    if lines[0][:1] in {b" ", b"\t"}:
        line = lines[0].removesuffix(b"\r") if len(lines) > 1 else lines[0]
        long = len(line) > _INITIAL
        return None, "message too large" if long else f"malformed MIME header initial line: {_text(line)}"
    while lines:
        ended = len(lines) > 1  # a line that breaks off is judged all the same
        line = lines.pop(0)
        line = line.removesuffix(b"\r") if ended else line
        if not line:
            return (headers, "") if ended else (None, UNEXPECTED_EOF)
        if b":" not in line:
            return None, f"malformed MIME header: missing colon: {quote(line)}"
        line = line.rstrip(b" \t")
        while lines and lines[0][:1] in {b" ", b"\t"}:
            more = lines.pop(0)
            line += b" " + (more.removesuffix(b"\r") if lines else more).strip(b" \t")
        name, _, value = line.partition(b":")
        if _NAME.fullmatch(name) is None:
            return None, f"{WRONG_LINE}: {_text(line)}"
        if _VALUE.fullmatch(value) is None:
            return None, f"{WRONG_LINE}: {_canonical(_text(name))}:{_text(value)}"
        headers.setdefault(name.lower(), []).append(value.lstrip(b" \t"))
    return None, UNEXPECTED_EOF


def _framing_failure(headers: dict[bytes, list[bytes]], version: bytes) -> str | None:
    """What is wrong with how the body is delimited; old versions know no transfer encodings."""
    codings = [] if is_old(version.decode()) else headers.get(b"transfer-encoding", [])
    if len(codings) > 1:
        return f"too many transfer encodings: [{' '.join(quote(coding) for coding in codings)}]"
    if codings and codings[0].lower() != b"chunked":
        return f"unsupported transfer encoding: {quote(codings[0])}"
    if lengths := [value.rstrip(b" \t") for value in headers.get(b"content-length", ())]:
        if len(set(lengths)) > 1:
            shown = " ".join(quote(length) for length in lengths)
            return f"http: message cannot contain multiple Content-Length headers; got [{shown}]"
        if not lengths[0]:
            return 'invalid empty Content-Length ""'
        if _LENGTH.fullmatch(lengths[0]) is None or int(lengths[0].lstrip(b"0") or b"0") >= 2**63:
            return f"bad Content-Length {quote(lengths[0])}"
    return None


def _canonical(name: str) -> str:
    """The name of a header as Go spells it, which it does before it looks at the value; not one with blanks in it."""
    return name if " " in name else "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
