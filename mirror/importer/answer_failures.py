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
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z -]*")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")


def head_failure(data: bytes) -> str | None:
    """What Go says of an answer that begins with `data`; the connection may have ended there.

    None if Go finds nothing wrong with status and headers.
    """
    line, ended, rest = data.partition(b"\n")
    if ended:
        line = line.removesuffix(b"\r")
    return _status_line_failure(line) or (_headers_failure(rest) if ended else UNEXPECTED_EOF)


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


def _headers_failure(data: bytes) -> str | None:
    headers: dict[bytes, list[bytes]] = {}
    name = b""
    first = True
    while True:
        line, ended, data = data.partition(b"\n")
        if not ended:
            return UNEXPECTED_EOF
        line = line.removesuffix(b"\r").rstrip(b" \t")
        if not line:
            return _framing_failure(headers)
        if line[:1] in {b" ", b"\t"}:
            if first:
                return f"malformed MIME header initial line: {_text(line)}"
            headers[name][-1] += b" " + line.strip(b" \t")
            continue
        first = False
        name, colon, value = line.partition(b":")
        if not colon:
            return f"malformed MIME header: missing colon: {quote(line)}"
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            return f"malformed MIME header line: {_text(line)}"
        name = name.lower()
        headers.setdefault(name, []).append(value.strip(b" \t"))


def _framing_failure(headers: dict[bytes, list[bytes]]) -> str | None:
    """What is wrong with how the body is delimited."""
    codings = headers.get(b"transfer-encoding", [])
    if len(codings) > 1:
        return f"too many transfer encodings: [{' '.join(quote(coding) for coding in codings)}]"
    if codings:
        if codings[0].lower() != b"chunked":
            return f"unsupported transfer encoding: {quote(codings[0])}"
    elif lengths := headers.get(b"content-length"):
        if len(set(lengths)) > 1:
            shown = " ".join(quote(length) for length in lengths)
            return f"http: message cannot contain multiple Content-Length headers; got [{shown}]"
        if _LENGTH.fullmatch(lengths[0]) is None:
            return f"bad Content-Length {quote(lengths[0])}"
    return None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
