"""Tags that follow other tags: they have the verdict of what stands at the end of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from mirror.api import history
from mirror.preflight.causes import Cause
from mirror.preflight.diagnosis import Refusal
from mirror.preflight.report import Remark, TagResult
from mirror.preflight.tag_remedies import alias_fails, alias_image_unknown, alias_loop, alias_unknown
from mirror.preflight.trials import unique_tags
from mirror.streams import Found, FoundStream
from mirror.v1.imagestream import ImageStream, TagReference

Key = tuple[str, str, str]
"""Namespace, stream, and tag or digest."""


class _Alias(NamedTuple):
    namespace: str
    stream: str
    tag: TagReference
    refused: Refusal | None


class Aliases:
    """The tags of all streams, and what each follows.

    Of the others only what some alias in `found` leads to is kept.
    """

    def __init__(self, found: Iterable[Found]) -> None:
        self._wanted = {target for one in found for target in _targets(one)}
        self._results: dict[Key, TagResult] = {}
        self._aliases: dict[Key, _Alias] = {}
        self._others: list[TagResult] = []
        self._history: dict[Key, str] = {}
        self._images: set[Key] = set()

    def add(self, found: Found, results: list[TagResult], refused: Refusal | None) -> None:
        """A stream, what became of those of its tags that follow images, and why it cannot be created, if so."""
        for result in results if self._wanted else ():
            key = (result.namespace, result.stream, result.tag)
            if key in self._wanted:
                self._results.setdefault(key, result)
            if result.digest is not None:
                self._add_image((result.namespace, result.stream, result.digest))
        if not isinstance(found, FoundStream):
            return
        self._remember(found.stream)
        meta = found.stream.metadata
        for tag in unique_tags(found.stream):
            if tag.from_ is None:
                continue
            if tag.from_.kind in ("ImageStreamTag", "ImageStreamImage"):
                self._aliases[meta.namespace, meta.name, tag.name] = _Alias(meta.namespace, meta.name, tag, refused)
            elif tag.from_.kind == "DockerImage" and tag.reference:
                self._add_reference(_Alias(meta.namespace, meta.name, tag, refused))

    def _remember(self, stream: ImageStream) -> None:
        """What the stream has already: pushed images, and those of earlier imports."""
        meta = stream.metadata
        for events in stream.status.tags or ():
            head = history.newest(events)
            if head is not None and (meta.namespace, meta.name, events.tag) in self._wanted:
                self._history[meta.namespace, meta.name, events.tag] = head.image
            for event in events.items or ():
                self._add_image((meta.namespace, meta.name, event.image))

    def _add_image(self, key: Key) -> None:
        if key in self._wanted:
            self._images.add(key)

    def _add_reference(self, one: _Alias) -> None:
        namespace, stream, tag, refused = one
        assert tag.from_ is not None
        if refused is not None:
            self._keep_reference(msgspec.structs.replace(_refused(one, refused), kind="DockerImage"))
            return
        remark = Remark(
            cause=Cause.REFERENCE_ONLY,
            explanation=f"Nothing is imported: pods pull {tag.from_.name} themselves.",
            remedy="Take reference: true away if the image is to be imported.",
        )
        result = TagResult(
            namespace=namespace,
            stream=stream,
            tag=tag.name,
            from_=tag.from_.name,
            verdict="imports",
            source=None,
            digest=None,
            status=None,
            cause=remark.cause,
            remedy=remark.remedy,
            explanation=remark.explanation,
            remarks=(remark,),
        )
        self._keep_reference(result)

    def _keep_reference(self, result: TagResult) -> None:
        key = (result.namespace, result.stream, result.tag)
        if key in self._wanted:
            self._results.setdefault(key, result)
        self._others.append(result)

    def results(self) -> Iterator[TagResult]:
        """What becomes of the tags that follow tags, and of those that are only references."""
        yield from self._others
        for key, alias in self._aliases.items():
            yield self._with_refusals(key, alias)

    def _with_refusals(self, key: Key, alias: _Alias) -> TagResult:
        """What becomes of an alias; none imports that is, or leads to one that is, in a stream that is refused."""
        result = self._result(key, alias)
        here: _Alias | None = alias
        while result.imports and here is not None:
            if here.refused is not None:
                kept = _refused(here, here.refused)
                result = (
                    kept if here is alias else self._like(alias, (here.namespace, here.stream, here.tag.name), kept)
                )
            here = self._aliases.get(followed(here.namespace, here.stream, here.tag))
        return result

    def _result(self, key: Key, alias: _Alias) -> TagResult:
        chain = [key]
        while True:
            here = self._aliases[chain[-1]]
            assert here.tag.from_ is not None
            if here.tag.from_.kind == "ImageStreamImage":
                return self._of_image(alias, here)
            target = followed(here.namespace, here.stream, here.tag)
            if target in chain:
                text, remedy = alias_loop([_shown(one) for one in [*chain, target]])
                return _made(alias, target, Cause.ALIAS_LOOP, text, remedy)
            chain.append(target)
            if target not in self._aliases:
                break
        end = chain[-1]
        found = self._results.get(end)
        if found is None:
            image = self._history.get(end)
            if image is not None:
                return msgspec.structs.replace(_made(alias, end), digest=image)
            text, remedy = alias_unknown(_shown(end))
            return _made(alias, end, Cause.ALIAS_UNKNOWN, text, remedy)
        return self._like(alias, end, found)

    def _like(self, alias: _Alias, end: Key, result: TagResult) -> TagResult:
        made = msgspec.structs.replace(
            _made(alias, end),
            verdict=result.verdict,
            source=result.source,
            digest=result.digest,
            status=result.status,
            registry=result.registry,
        )
        if result.imports:
            return made
        text, remedy = alias_fails(_shown(end), result.explanation or "")
        return msgspec.structs.replace(
            made, cause=Cause.ALIAS_FAILS, explanation=text, remedy=f"{remedy} {result.remedy or ''}".rstrip()
        )

    def _of_image(self, alias: _Alias, here: _Alias) -> TagResult:
        assert here.tag.from_ is not None
        name, _, digest = here.tag.from_.name.partition("@")
        namespace = here.tag.from_.namespace or here.namespace
        if (namespace, name, digest) in self._images:
            return msgspec.structs.replace(_made(alias, None), digest=digest)
        text, remedy = alias_image_unknown(f"{namespace}/{name}@{digest}")
        return _made(alias, None, Cause.ALIAS_UNKNOWN, text, remedy)


def _targets(found: Found) -> Iterator[Key]:
    """What the aliases of a stream follow, each by itself: a tag, or a digest."""
    if not isinstance(found, FoundStream):
        return
    meta = found.stream.metadata
    for tag in found.stream.spec.tags or ():
        if tag.from_ is not None and tag.from_.kind == "ImageStreamTag":
            yield followed(meta.namespace, meta.name, tag)
        elif tag.from_ is not None and tag.from_.kind == "ImageStreamImage":
            name, _, digest = tag.from_.name.partition("@")
            yield tag.from_.namespace or meta.namespace, name, digest


def followed(namespace: str, stream: str, tag: TagReference) -> Key:
    """The tag that a tag follows: ``STREAM:TAG``, or only a tag of the same stream."""
    assert tag.from_ is not None
    of, colon, wanted = tag.from_.name.partition(":")
    if not colon:
        return tag.from_.namespace or namespace, stream, of
    return tag.from_.namespace or namespace, of, wanted or "latest"


def _shown(key: Key) -> str:
    return f"{key[0]}/{key[1]}:{key[2]}"


def _refused(one: _Alias, refused: Refusal) -> TagResult:
    """A tag of a stream that cannot be created."""
    why = refused.own.get(one.tag.name, refused.why)
    made = _made(one, None, why.cause, why.explanation, why.remedy)
    return msgspec.structs.replace(made, status=refused.status)


def _made(
    alias: _Alias, end: Key | None, cause: Cause | None = None, explanation: str = "", remedy: str = ""
) -> TagResult:
    """The result of an alias: it imports, unless there is a cause why not."""
    source = alias.tag.from_
    assert source is not None
    return TagResult(
        namespace=alias.namespace,
        stream=alias.stream,
        tag=alias.tag.name,
        from_=source.name,
        verdict="imports" if cause is None else "fails",
        source=None,
        digest=None,
        status=None,
        cause=cause,
        remedy=remedy or None,
        explanation=explanation or None,
        kind="ImageStreamImage" if source.kind == "ImageStreamImage" else "ImageStreamTag",
        follows=None if end is None else _shown(end),
    )
