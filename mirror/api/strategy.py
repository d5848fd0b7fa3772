"""What a write makes of an image stream: generations, history, tags that follow other tags.

Source: openshift-apiserver ``registry/imagestream/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from mirror.api import failures, history
from mirror.api.fields import FieldError, invalid, joined
from mirror.api.validation import pull_specs, stream_errors
from mirror.gotext import quote
from mirror.importer.allowed import AllowedRegistries
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import ImageStream, TagEvent, TagReference

FindStream = Callable[[str, str], Awaitable[ImageStream | None]]
"""Finds a stream by namespace and name."""

FORM = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


class StreamStrategy:
    """Prepares streams for storage; `now` gives the time of events that a write makes itself."""

    def __init__(
        self,
        find: FindStream,
        allowed: AllowedRegistries,
        internal_registry: str,
        external_registries: list[str],
        now: Callable[[], str],
    ) -> None:
        self._find = find
        self._allowed = allowed
        self._internal = internal_registry
        self._external = external_registries
        self._now = now

    def decorate(self, stream: ImageStream) -> ImageStream:
        """Sets the repositories of the status, which are never stored but worked out on every read."""
        path = f"{stream.metadata.namespace}/{stream.metadata.name}"
        status = stream.status
        status.dockerImageRepository = (
            f"{self._internal}/{path}" if self._internal else stream.spec.dockerImageRepository
        )
        status.publicDockerImageRepository = f"{self._external[0]}/{path}" if self._external else ""
        return stream

    async def prepare_create(self, stream: ImageStream) -> None:
        """Makes a stream ready to be stored for the first time.

        Raises:
            ApiFailure: 422.
        """
        stream.metadata.generation = 1
        for tag in stream.spec.tags or ():
            tag.generation = 1
        self.decorate(stream)
        errors = await self._derive(None, stream)
        self._track(None, stream)
        self._check(stream, errors, self._allowed)

    async def prepare_update(self, stream: ImageStream, old: ImageStream) -> None:
        """Makes a changed stream ready to replace `old`. The status is the caller's: imports bring one of their own.

        Raises:
            ApiFailure: 422.
        """
        stream.status.tags = [tag for tag in stream.status.tags or () if tag.items or tag.conditions] or None
        self._set_generations(stream, old)
        self.decorate(stream)
        errors = await self._derive(old, stream)
        self._track(old, stream)
        self._check(stream, errors, self._allowed.admitting(pull_specs(old)))

    def _set_generations(self, stream: ImageStream, old: ImageStream) -> None:
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

    async def _derive(self, old: ImageStream | None, stream: ImageStream) -> list[FieldError]:
        """Events for new and changed tags that do not need an import."""
        errors: list[FieldError] = []
        for tag in stream.spec.tags or ():
            before = None if old is None else history.spec_tag(old, tag.name)
            if tag.from_ is None or not tag_changed(before, tag, stream.metadata.namespace):
                continue
            event = await self._event(stream, tag, errors)
            if event is not None:
                history.add_event(stream, tag.name, self._own_repository(stream, tag, event))
                tag.generation = stream.metadata.generation
        return errors

    async def _event(self, stream: ImageStream, tag: TagReference, errors: list[FieldError]) -> TagEvent | None:
        source = tag.from_
        assert source is not None
        generation = stream.metadata.generation
        if source.kind == "DockerImage" and source.name:
            if not tag.reference:
                return None
            return TagEvent(created=self._now(), dockerImageReference=source.name, image="", generation=generation)
        field = f"spec.tags[{tag.name}].from.name"
        parsed = _split_reference(source.kind, source.name)
        if parsed is None:
            errors.append(invalid(field, source.name, FORM))
            return None
        name, key = parsed
        other: ImageStream | None = stream
        namespace = source.namespace or stream.metadata.namespace
        if (namespace, name or stream.metadata.name) != (stream.metadata.namespace, stream.metadata.name):
            other = await self._find(namespace, name or stream.metadata.name)
        if other is None:
            errors.append(FieldError("NotFound", field, source.name))
            return None
        if source.kind == "ImageStreamTag":
            return _tag_event(other, key or "latest", generation)
        try:
            return self._image_event(other, key, generation)
        except failures.ApiFailure as failure:
            errors.append(invalid(field, source.name, f"error generating tag event: {failure}"))
            return None

    def _image_event(self, stream: ImageStream, image_id: str, generation: int) -> TagEvent:
        found: dict[str, TagEvent] = {}
        for tag in stream.status.tags or ():
            for event in tag.items or ():
                if _is_image(event.image, image_id):
                    found.setdefault(event.image, event)
        if not found:
            raise failures.not_found("imagestreamimage", image_id)
        if len(found) > 1:
            problem = f"multiple images match the prefix {quote(image_id)}: {', '.join(sorted(found))}"
            raise failures.conflict("imagestreamimage", image_id, problem)
        (event,) = found.values()
        return TagEvent(
            created=self._now(),
            dockerImageReference=event.dockerImageReference,
            image=event.image,
            generation=generation,
        )

    def _own_repository(self, stream: ImageStream, tag: TagReference, event: TagEvent) -> TagEvent:
        """An image of the internal registry that a tag takes from another stream is named in its own repository."""
        assert tag.from_ is not None
        if tag.reference or not self._internal:
            return event
        try:
            reference = Reference.parse(event.dockerImageReference)
        except InvalidReference:
            return event
        namespace = tag.from_.namespace or stream.metadata.namespace
        if reference.registry != self._internal or reference.namespace != namespace or not reference.id:
            return event
        own = reference.replace(namespace=stream.metadata.namespace, name=stream.metadata.name)
        return msgspec.structs.replace(event, dockerImageReference=own.exact())

    def _track(self, old: ImageStream | None, stream: ImageStream) -> None:
        """Tags that follow another tag of the stream get its new event."""
        changed = []
        for tag in stream.status.tags or ():
            head = history.newest(tag)
            before = None if old is None else history.newest(history.status_tag(old, tag.tag))
            if head is not None and head != before:
                changed.append((tag.tag, head))
        heads = dict(changed)
        for source, follower in history.tags_tracking(stream, [name for name, _ in changed]):
            history.add_event(stream, follower, msgspec.structs.replace(heads[source]))

    def _check(self, stream: ImageStream, errors: list[FieldError], allowed: AllowedRegistries) -> None:
        found = []
        name = stream.metadata.name
        if errors:
            text = f"imagestreams {quote(name)} is invalid: {joined(errors)}"
            found.append(FieldError("Internal", "[]", detail=text))
        found += stream_errors(stream, allowed)
        if found:
            raise failures.invalid("ImageStream", name, found)


def tag_changed(old: TagReference | None, new: TagReference, namespace: str) -> bool:
    """Whether a spec tag asks for something else than before; its kind, policies and annotations do not count."""
    if new.from_ is None or (not new.from_.kind and not new.from_.name):
        return False
    if old is None or old.from_ is None:
        return True
    if (old.from_.namespace or namespace) != (new.from_.namespace or namespace) or old.from_.name != new.from_.name:
        return True
    if old.reference != new.reference or old.importPolicy.importMode != new.importPolicy.importMode:
        return True
    return old.generation is not None and new.generation == 0 and old.generation != new.generation


def _comparable(stream: ImageStream) -> bytes:
    """The spec as equality sees it: no annotations and empty ones are the same."""
    tags = [
        msgspec.structs.replace(tag, annotations=tag.annotations or None, generation=tag.generation or 0)
        for tag in stream.spec.tags or ()
    ]
    return msgspec.json.encode(msgspec.structs.replace(stream.spec, tags=tags), order="deterministic")


def _tag_event(stream: ImageStream, name: str, generation: int) -> TagEvent | None:
    """The newest event of a tag, in the generation of the stream that takes it.

    For a tag of the stream itself the source's event is the very same object in the real server, so that its generation
    moves, too.
    """
    head = history.newest(history.status_tag(stream, name))
    if head is None:
        return None
    head.generation = generation
    return msgspec.structs.replace(head)


def _split_reference(kind: str, name: str) -> tuple[str, str] | None:
    """Stream (empty: the own one) and tag or image id of a tag's source, or None where it has no such form."""
    separator = {"ImageStreamTag": ":", "ImageStreamImage": "@"}.get(kind)
    if separator is None:
        return None
    parts = name.split(separator)
    if len(parts) > 2 or not name:
        return None
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _is_image(digest: str, image_id: str) -> bool:
    """Whether an id means an image: its digest, a beginning of it, or of its digits."""
    if not digest or not image_id:
        return False
    return digest.startswith(image_id) or digest.partition(":")[2].startswith(image_id)
