"""The report: what every output of preflight is made of.

Its JSON is ``{"summary": {…}, "tags": […], "notes": […]}``. Streams are in the order of namespace and name, tags in
the byte order of their names, so that the same answers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mirror.preflight.causes import Cause
from mirror.v1.meta import Status

Verdict = Literal["imports", "fails"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A part of the report. Every field is always there."""


class Try(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """One place where an image was looked for."""

    reference: Annotated[str, Meta(description="The pull spec as it is asked for there.")]
    host: Annotated[str, Meta(description="The registry: host, and port if it is written.")]
    mirror: Annotated[bool, Meta(description="Whether this is a mirror, and not the place that the tag names.")]
    answered: Annotated[bool, Meta(description="Whether the image came from there; the last one tried, then.")]
    cause: Annotated[Cause | None, Meta(description="Why it did not come from there.")] = None
    message: Annotated[str, Meta(description="The importer's own words for that; empty where it did.")] = ""


class Copy(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """An image that has to be brought to a mirror."""

    source: Annotated[str, Meta(description="The pull spec to copy from.")]
    target: Annotated[str, Meta(description="The pull spec that the cluster will ask for at the mirror.")]


class Remark(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """Something to be known about a tag, besides its verdict."""

    cause: Cause
    explanation: Annotated[str, Meta(description="The cause in plain words, for this tag.")]
    remedy: Annotated[str, Meta(description="What to do about it.")]


class TagResult(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """What will become of one tag. An alias has the verdict, source, digest and status of what it follows."""

    namespace: str
    stream: str
    tag: Annotated[str, Meta(description="Empty for a repository whose tags cannot be listed.")]
    from_: Annotated[str, Meta(description="What the tag follows, as it is written.")] = msgspec.field(name="from")
    verdict: Verdict
    source: Annotated[str | None, Meta(description="The pull spec that the image comes from, a mirror's or its own.")]
    digest: Annotated[str | None, Meta(description="The digest of the image that will be imported.")]
    status: Annotated[
        Status | None, Meta(description="The cluster's own Status; null where the cluster says nothing of this tag.")
    ]
    cause: Annotated[
        Cause | None, Meta(description="Why it fails; of a tag that imports, the first thing to be known about it.")
    ]
    remedy: Annotated[str | None, Meta(description="What to do about it.")]
    explanation: Annotated[str | None, Meta(description="The cause in plain words, for this tag.")] = None
    kind: Annotated[
        Literal["DockerImage", "ImageStreamTag", "ImageStreamImage"], Meta(description="What ``from`` is.")
    ] = "DockerImage"
    follows: Annotated[
        str | None, Meta(description="Of an alias, the tag at the end of the chain: NAMESPACE/STREAM:TAG.")
    ] = None
    registry: Annotated[str | None, Meta(description="The registry that the tag names, defaults filled in.")] = None
    tried: Annotated[tuple[Try, ...], Meta(description="Where the image was looked for, in order.")] = ()
    copies: Annotated[tuple[Copy, ...], Meta(description="What to mirror so that it imports.")] = ()
    remarks: Annotated[tuple[Remark, ...], Meta(description="What else is to be known about it.")] = ()

    @property
    def imports(self) -> bool:
        return self.verdict == "imports"

    @property
    def name(self) -> str:
        """``NAMESPACE/STREAM:TAG``."""
        return f"{self.namespace}/{self.stream}:{self.tag}"


class Note(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """Something to be known about a stream, or about the policy (``stream`` is empty then)."""

    namespace: str = ""
    stream: str = ""
    cause: Cause
    explanation: str
    remedy: str = ""


class Summary(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """The totals. ``imports`` and ``fails`` make up ``tags``; ``remarks`` counts tags that import with a remark."""

    streams: int
    tags: int
    imports: int
    fails: int
    remarks: int = 0


class Report(_Part, frozen=True, kw_only=True, rename="camel", gc=False):
    """The whole report."""

    summary: Summary
    tags: list[TagResult]
    notes: list[Note] = []

    @classmethod
    def of(cls, streams: int, tags: Iterable[TagResult], notes: Sequence[Note] = ()) -> Report:
        """The report on so many streams, in its order."""
        ordered = sorted(tags, key=lambda one: (one.namespace, one.stream, one.tag, one.from_))
        imports = sum(one.imports for one in ordered)
        summary = Summary(
            streams=streams,
            tags=len(ordered),
            imports=imports,
            fails=len(ordered) - imports,
            remarks=sum(one.imports and bool(one.remarks) for one in ordered),
        )
        return cls(summary=summary, tags=ordered, notes=list(notes))


def report_text(report: Report) -> Iterator[bytes]:
    """The report as indented JSON, newline at the end, in pieces: a large one never stands in memory as a whole."""
    yield b'{\n  "summary": ' + _indented(report.summary, 2) + b",\n"
    for name, parts in (("tags", report.tags), ("notes", report.notes)):
        yield f'  "{name}": ['.encode()
        for place, part in enumerate(parts):
            yield (b",\n    " if place else b"\n    ") + _indented(part, 4)
        end = b"]" if not parts else b"\n  ]"
        yield end + (b",\n" if name == "tags" else b"\n}\n")


def _indented(part: msgspec.Struct, spaces: int) -> bytes:
    text = msgspec.json.format(msgspec.json.encode(part), indent=2)
    return text.replace(b"\n", b"\n" + b" " * spaces)


def read_report(data: bytes) -> Report:
    """A report from its JSON.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return msgspec.json.decode(data, type=Report)
