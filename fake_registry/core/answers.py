"""Answers that carry content: entity tags, ranges, and what a HEAD request gets.

Source: RFC 9110, sections 9.3.2, 13.1.2, 13.1.5 and 14.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import FileBody, Request, Response
from fake_registry.core.ranges import multipart, wanted_parts
from fake_registry.oci import OCTET_STREAM

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
    """The part of the content that a Range header asks for, several parts, or all of it.

    Units other than bytes, more ranges than are looked at and an If-Range that does not name the content get
    everything.

    Raises:
        RegistryError: 416.
    """
    response = answer.respond(request)
    wanted = request.headers.get("range", "")
    if not wanted or response.status != 200 or request.method != "GET":
        return response
    if request.headers.get("if-range", answer.tag) != answer.tag:  # weak tags and dates name nothing here
        return response
    parts = wanted_parts(wanted, answer.size)
    if not parts:
        return response
    if len(parts) == 1:
        headers = [("Content-Range", parts[0].content_range(answer.size)), *answer.headers]
        return Response(206, headers, parts[0].of(answer.body))
    whole = multipart(parts, answer.body, dict(answer.headers)["Content-Type"], answer.tag)
    headers = [(name, whole.media_type if name == "Content-Type" else value) for name, value in answer.headers]
    return Response(206, headers, whole.body)


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
