"""Answers that carry content: entity tags, ranges, and what a HEAD request gets.

Source: RFC 9110, sections 9.3.2, 13.1.2 and 14.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fake_registry.core import errors
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import FileBody, Request, Response
from fake_registry.oci import OCTET_STREAM

_RANGE: Final = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*")
_BODILESS: Final = frozenset({204, 304})


class Answer(NamedTuple):
    """Content named by a digest and the headers that it is served with: made once, served often."""

    headers: tuple[tuple[str, str], ...]
    body: bytes | FileBody
    tag: str

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self.body.length if isinstance(self.body, FileBody) else len(self.body)

    def respond(self, request: Request) -> Response:
        """The whole content, or 304 to who has it already."""
        wanted = request.headers.get("if-none-match")
        if wanted is not None and _has_tag(wanted, self.tag):
            return self.not_modified()
        return Response(200, list(self.headers), self.body)

    def not_modified(self) -> Response:
        """304 with the headers that name the content."""
        kept = [header for header in self.headers if header[0] not in {"Content-Type", "Accept-Ranges"}]
        return Response(304, kept)


def content_answer(digest: str, media_type: str, body: bytes | FileBody, *, ranges: bool = False) -> Answer:
    """The answer for some content; `ranges` tells clients that they may ask for parts."""
    tag = f'"{digest}"'
    headers = [("Content-Type", header_text(media_type)), ("Docker-Content-Digest", digest), API_VERSION, ("ETag", tag)]
    if ranges:
        headers.insert(0, ("Accept-Ranges", "bytes"))
    return Answer(tuple(headers), body, tag)


def header_text(media_type: str) -> str:
    """A media type that somebody wrote into a file, if it can stand in a header."""
    return media_type if media_type and media_type.isascii() and media_type.isprintable() else OCTET_STREAM


def ranged(answer: Answer, request: Request) -> Response:
    """The part of the content that a Range header asks for, or all of it.

    Only one range is served; several, and units other than bytes, get everything, as RFC 9110 allows. What Go's
    ``http.ServeContent`` calls an invalid range is refused like one behind the end.

    Raises:
        RegistryError: 416.
    """
    response = answer.respond(request)
    wanted = request.headers.get("range", "")
    if response.status != 200 or request.method != "GET" or not wanted.startswith("bytes=") or "," in wanted:
        return response
    first, last = _byte_range(wanted, answer.size)
    headers = [("Content-Range", f"bytes {first}-{last}/{answer.size}"), *answer.headers]
    return Response(206, headers, _part(answer.body, first, last - first + 1))


def _byte_range(wanted: str, size: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        raise errors.range_invalid(wanted, size)
    digits = [text[:20] for text in found.groups()]  # longer ones are behind any end, and slow to convert
    if not digits[0]:
        first, last = max(0, size - int(digits[1])), size - 1
    else:
        first, last = int(digits[0]), min(int(digits[1]), size - 1) if digits[1] else size - 1
    if first > last:
        raise errors.range_invalid(wanted, size)
    return first, last


def _part(body: bytes | FileBody, offset: int, length: int) -> bytes | FileBody:
    if isinstance(body, FileBody):
        return FileBody(body.path, body.offset + offset, length)
    return body[offset : offset + length]


def _has_tag(wanted: str, tag: str) -> bool:
    """Whether an If-None-Match header names the entity tag; weak ones count."""
    return any(item.strip().removeprefix("W/") in {tag, "*"} for item in wanted.split(","))


def without_body(response: Response) -> Response:
    """What HEAD gets where GET would get `response`: the same headers, with the length that the body would have."""
    if response.drop or response.status in _BODILESS:
        return response
    headers = response.headers
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = [*headers, ("Content-Length", str(response.length))]
    return Response(response.status, headers)
