"""What a write makes of an image stream: generations, history, tags that follow other tags.

Source: openshift-apiserver ``registry/imagestream/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mirror.api import history
from mirror.api.fields import FieldError, forbidden, joined
from mirror.api.limits import StreamLimits
from mirror.api.metadata import own_update_errors
from mirror.api.tag_events import FindStream, TagEvents, follow, tag_changed
from mirror.api.validation import pull_specs, status_update_errors, stream_errors
from mirror.gotext import quote
from mirror.importer.allowed import AllowedRegistries
from mirror.v1.imagestream import ImageStream, ImageStreamStatus


class StreamStrategy:
    """Writes by users: of the status nothing is theirs. `now` gives the time of events that a write makes itself;
    `limits` says how large streams may be."""

    def __init__(
        self,
        find: FindStream,
        allowed: AllowedRegistries,
        internal_registry: str,
        external_registries: list[str],
        now: Callable[[], str],
        limits: StreamLimits | None = None,
    ) -> None:
        self.allowed = allowed
        self.limits = limits or StreamLimits()
        self.events = TagEvents(find, internal_registry, now)
        self._internal = internal_registry
        self._external = external_registries

    def decorate(self, stream: ImageStream) -> ImageStream:
        """Sets the repositories of the status, which are worked out on every read."""
        status = stream.status
        status.dockerImageRepository = self.repository(stream)
        status.publicDockerImageRepository = (
            f"{self._external[0]}/{stream.metadata.namespace}/{stream.metadata.name}" if self._external else ""
        )
        return stream

    @property
    def has_registry(self) -> bool:
        """Whether there is an internal registry, so that a stream's repository follows from its name."""
        return bool(self._internal)

    def repository(self, stream: ImageStream) -> str:
        """Where the images of a stream can be pulled from: the internal registry, if there is one."""
        if not self._internal:
            return stream.spec.dockerImageRepository
        return f"{self._internal}/{stream.metadata.namespace}/{stream.metadata.name}"

    async def create(self, stream: ImageStream) -> list[FieldError]:
        """Prepares a new stream."""
        stream.status = ImageStreamStatus()
        return await self.create_with_status(stream)

    async def create_with_status(self, stream: ImageStream) -> list[FieldError]:
        """Prepares a new stream that brings its status."""
        stream.metadata.generation = 1
        for tag in stream.spec.tags or ():
            tag.generation = 1
        _drop_empty_annotations(stream)
        self.decorate(stream)
        errors = _nested(stream, await self.events.derive(None, stream))
        follow(None, stream)
        errors = errors or self._limit_errors(stream)
        return [*errors, *stream_errors(stream, self.allowed)]

    async def update(self, stream: ImageStream, old: ImageStream) -> list[FieldError]:
        """Prepares a changed stream to replace `old`.

        As in the real server the two have one history from here on. So whatever this write adds to it seems to have
        been there: tags do not follow it, and its registries are allowed.
        """
        stream.status = old.status
        return await self._update(stream, old)

    async def update_with_status(self, stream: ImageStream, old: ImageStream) -> list[FieldError]:
        """Prepares a changed stream that brings its status."""
        stream.status.tags = [tag for tag in stream.status.tags or () if tag.items or tag.conditions] or None
        return await self._update(stream, old)

    async def _update(self, stream: ImageStream, old: ImageStream) -> list[FieldError]:
        _set_generations(stream, old)
        _drop_empty_annotations(stream)
        self.decorate(stream)
        errors = _nested(stream, await self.events.derive(old, stream))
        follow(old, stream)
        errors = errors or self._limit_errors(stream)
        errors += own_update_errors(stream.metadata, old.metadata)
        return [*errors, *stream_errors(stream, self.allowed.admitting(pull_specs(old)))]

    def _limit_errors(self, stream: ImageStream) -> list[FieldError]:
        problem = self.limits.problem(stream)
        return [FieldError("Internal", "[]", detail=problem)] if problem else []


class InternalStrategy:
    """Writes by the server itself (imports, tags): spec and status together."""

    def __init__(self, strategy: StreamStrategy) -> None:
        self._strategy = strategy

    async def create(self, stream: ImageStream) -> list[FieldError]:
        """Prepares a new stream."""
        return await self._strategy.create_with_status(stream)

    async def update(self, stream: ImageStream, old: ImageStream) -> list[FieldError]:
        """Prepares a changed stream to replace `old`."""
        return await self._strategy.update_with_status(stream, old)


class StatusStrategy:
    """Writes of the status: of the spec only the lookup policy is taken."""

    def __init__(self, strategy: StreamStrategy) -> None:
        self._strategy = strategy

    async def create(self, stream: ImageStream) -> list[FieldError]:
        """Nothing is created by its status."""
        raise NotImplementedError

    async def update(self, stream: ImageStream, old: ImageStream) -> list[FieldError]:
        """Prepares a stream with another status to replace `old`."""
        stream.spec.tags = old.spec.tags
        stream.spec.dockerImageRepository = old.spec.dockerImageRepository
        _set_observed_generations(stream, old)
        errors = own_update_errors(stream.metadata, old.metadata)
        problem = self._strategy.limits.problem(stream)
        if problem:
            errors.append(forbidden("imageStream", problem))
        return [*errors, *status_update_errors(stream, old, self._strategy.allowed)]


def _set_generations(stream: ImageStream, old: ImageStream) -> None:
    """A changed spec is a new generation; so are the tags that are to be imported again, and only they."""
    stream.metadata.generation = old.metadata.generation
    for tag in stream.spec.tags or ():
        before = history.spec_tag(old, tag.name)
        if tag.generation != 0 and before is not None:
            tag.generation = before.generation
    if _comparable(stream) != _comparable(old) or stream.metadata.generation == 0:
        stream.metadata.generation = old.metadata.generation + 1
    for tag in stream.spec.tags or ():
        before = history.spec_tag(old, tag.name)
        if not tag.generation or before is None or tag_changed(before, tag, stream.metadata.namespace):
            tag.generation = stream.metadata.generation


def _drop_empty_annotations(stream: ImageStream) -> None:
    """What is empty does not survive storing: the real server stores protocol buffers, which cannot tell."""
    for tag in stream.spec.tags or ():
        tag.annotations = tag.annotations or None


def _comparable(stream: ImageStream) -> bytes:
    """The spec as equality sees it: no annotations and empty ones are the same."""
    tags = [msgspec.structs.replace(tag, annotations=tag.annotations or None) for tag in stream.spec.tags or ()]
    return msgspec.json.encode(msgspec.structs.replace(stream.spec, tags=tags), order="deterministic")


def _set_observed_generations(stream: ImageStream, old: ImageStream) -> None:
    """Events without a generation get that of their spec tag if they are new, else that of the stream."""
    for tag in stream.status.tags or ():
        head = history.newest(tag)
        if head is None or head.generation != 0:
            continue
        head.generation = stream.metadata.generation
        before = history.newest(history.status_tag(old, tag.tag))
        spec = history.spec_tag(stream, tag.tag)
        if before is None or spec is None or spec.generation is None:
            continue
        same = (before.image, before.dockerImageReference) == (head.image, head.dockerImageReference)
        if not same or before.generation > 0:
            head.generation = spec.generation


def _nested(stream: ImageStream, errors: list[FieldError]) -> list[FieldError]:
    """What is wrong with tags is an error of its own kind within the error."""
    if not errors:
        return []
    text = f"imagestreams {quote(stream.metadata.name)} is invalid: {joined(errors)}"
    return [FieldError("Internal", "[]", detail=text)]
