"""Answers as bytes: JSON compact or indented, YAML, compressed where that pays (apiserver ``responsewriters``)."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec

from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.messages import TEXT, ApiRequest, ApiResponse
from mirror.api.negotiation import JSON, YAML, Representation, accepts_gzip, negotiate
from mirror.api.routing import WatchEvent
from mirror.gotext import html_escape
from mirror.kubejson import to_yaml
from mirror.v1.meta import Status

COMPRESSED_FROM: Final = 128 * 1024
"""Bytes from which on an answer is compressed for clients that accept it."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_WARNINGS_TOGETHER: Final = 4096
_WARNING: Final = 256
_NOT_KEPT: Final = ("Cache-Control", "no-store")


def encoded(value: Any, form: Representation) -> bytes:
    """A value in a media type. Only compact JSON and YAML end with a newline."""
    data = _json(value)
    if form.media == YAML:
        return to_yaml(msgspec.json.decode(data)).encode()
    return _indented(data) if form.pretty else data + b"\n"


def _indented(data: bytes) -> bytes:
    return msgspec.json.format(data, indent=2)


def object_response(
    request: ApiRequest, value: Any, form: Representation, status: int = 200, warnings: Sequence[str] = ()
) -> ApiResponse:
    """An object as an answer."""
    body = encoded(value, form)
    headers = [_NOT_KEPT, ("Content-Type", form.media), *warning_headers(warnings)]
    if len(body) >= COMPRESSED_FROM and accepts_gzip(request):
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        body = gzip.compress(body, 1, mtime=0)
    return ApiResponse(status, headers, body)


def failure_response(request: ApiRequest, failure: ApiFailure, warnings: Sequence[str] = ()) -> ApiResponse:
    """A refusal as an answer; one that no accepted media type can carry is indented JSON."""
    status = failure.status
    try:
        response = object_response(request, status, negotiate(request), status.code, warnings)
    except ApiFailure:
        response = raw_json(status, status.code)
        response.headers += warning_headers(warnings)
    if status.details is not None and status.details.retryAfterSeconds > 0:
        response.headers.append(("Retry-After", str(status.details.retryAfterSeconds)))
    return response


def raw_json(value: Any, status: int = 200) -> ApiResponse:
    """An answer that is always indented JSON, whatever the client accepts."""
    body = _indented(html_escape(msgspec.json.encode(value)))
    return ApiResponse(status, [_NOT_KEPT, ("Content-Type", JSON)], body)


def text_response(text: str, status: int = 200) -> ApiResponse:
    """An answer in plain text."""
    headers = [_NOT_KEPT, ("Content-Type", TEXT), ("X-Content-Type-Options", "nosniff")]
    return ApiResponse(status, headers, text.encode())


def warning_headers(warnings: Sequence[str]) -> list[tuple[str, str]]:
    """``Warning`` headers: code 299, no agent, the text quoted; each text once.

    Texts with control characters are left out. If all together are too long, each is cut, and those are left out that
    come behind the limit (apiserver ``endpoints/filters/warning.go``).
    """
    texts = [text for text in dict.fromkeys(warnings) if text and not _CONTROL.search(text)]
    if sum(map(len, texts)) > _WARNINGS_TOGETHER:
        texts = _cut(texts)
    return [("Warning", f"299 - {_quoted(text)}") for text in texts]


def _cut(texts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in texts:
        if sum(map(len, found)) >= _WARNINGS_TOGETHER:
            break
        found.append(text[:_WARNING])
    return found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Line(msgspec.Struct):
    type: str
    object: Any


def watch_response(
    events: AsyncIterator[WatchEvent], form: Representation, shown: Callable[[Any, bool], Any]
) -> ApiResponse:
    """A stream of events, one a line; `shown` says what is sent of an object, given whether it is the first one."""
    headers = [_NOT_KEPT, ("Content-Type", form.media)]
    return ApiResponse(200, headers, stream=_lines(events, shown))


async def _lines(events: AsyncIterator[WatchEvent], shown: Callable[[Any, bool], Any]) -> AsyncIterator[bytes]:
    first = True
    try:
        async for event in events:
            item: Any = event.object
            if not isinstance(item, Status):
                item, first = shown(event.object, first), False
            if item is not event.object:
                yield _line(event.type, item)
                continue
            event.line = event.line or _line(event.type, item)
            yield event.line
    except ApiFailure as failure:
        # what cannot be sent any more ends the stream with a reason
        yield _line("ERROR", failure.status)
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _line(type_: str, item: Any) -> bytes:
    return _json(_Line(type_, item)) + b"\n"


def _json(value: Any) -> bytes:
    """JSON as Go writes it: the keys of maps in order."""
    return html_escape(msgspec.json.encode(value, order="deterministic"))


def internal_error() -> ApiFailure:
    """Something failed that should not have; what it was is in the log, not in the answer."""
    return failures.internal_error("the request could not be handled")
