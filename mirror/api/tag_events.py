"""From spec tags to status tags: events of tags that need no import, and tags that follow other tags.

Source: openshift-apiserver ``registry/imagestream/strategy.go`` (``tagsChanged``), ``internal/imageutil``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from mirror.api import failures, history
from mirror.api.failures import ApiFailure
from mirror.api.fields import FieldError, invalid
from mirror.gotext import quote
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import ImageStream, TagEvent, TagReference
from mirror.v1.meta import ObjectReference

FindStream = Callable[[str, str], Awaitable[ImageStream | None]]
"""Finds a stream by namespace and name; raises ApiFailure for names that none can have."""

FORM = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


class TagEvents:
    """Derives events; `now` gives the time of those that are made here."""

    def __init__(self, find: FindStream, internal_registry: str, now: Callable[[], str]) -> None:
        self._find = find
        self._internal = internal_registry
        self._now = now

    async def derive(self, old: ImageStream | None, stream: ImageStream) -> list[FieldError]:
        """Adds events for new and changed tags; what cannot be used comes back as errors."""
        errors = _unusable_elsewhere(old, stream)
        for tag in _wanting(old, stream):
            event = await self._event(stream, tag, errors)
            if event is not None:
                history.add_event(stream, tag.name, event)
                tag.generation = stream.metadata.generation
        return errors

    async def _event(self, stream: ImageStream, tag: TagReference, errors: list[FieldError]) -> TagEvent | None:
        source = tag.from_
        assert source is not None
        generation = stream.metadata.generation
        if source.kind == "DockerImage" and source.name:
            if not tag.reference:
                return None  # that is for an import to do
            return TagEvent(created=self._now(), dockerImageReference=source.name, image="", generation=generation)
        field = f"spec.tags[{tag.name}].from.name"
        parsed = split_reference(stream, source)
        if parsed is None:
            errors.append(invalid(field, source.name, FORM))
            return None
        name, key = parsed
        other: ImageStream | None = stream
        namespace = source.namespace or stream.metadata.namespace
        if (namespace, name) != (stream.metadata.namespace, stream.metadata.name):
            try:
                other = await self._find(namespace, name)
            except ApiFailure as failure:
                errors.append(invalid(field, source.name, f"unable to retrieve image stream: {failure}"))
                return None
        if other is None:
            errors.append(FieldError("NotFound", field, source.name))
            return None
        try:
            event = self._image_event(other, key) if source.kind == "ImageStreamImage" else _newest(other, key)
        except ApiFailure as failure:
            errors.append(invalid(field, source.name, f"error generating tag event: {failure}"))
            return None
        if event is None:
            return None
        # The newest event of a tag is not copied by the real server: in the stream itself its generation moves, too.
        event.generation = generation
        return self._own_repository(stream, other, tag, msgspec.structs.replace(event))

    def _image_event(self, stream: ImageStream, image_id: str) -> TagEvent:
        found: dict[str, TagEvent] = {}
        for tag in stream.status.tags or ():
            for event in tag.items or ():
                if is_image(event.image, image_id):
                    found[event.image] = event
        if not found:
            raise failures.not_found("imagestreamimage", image_id)
        if len(found) > 1:
            problem = f"multiple images match the prefix {quote(image_id)}: {', '.join(sorted(found))}"
            raise failures.conflict("imagestreamimage", image_id, problem)
        (event,) = found.values()
        return TagEvent(created=self._now(), dockerImageReference=event.dockerImageReference, image=event.image)

    def _own_repository(self, stream: ImageStream, other: ImageStream, tag: TagReference, event: TagEvent) -> TagEvent:
        """An image of the internal registry that a tag takes from another stream is named in its own repository."""
        if tag.reference or not self._internal:
            return event
        try:
            reference = Reference.parse(event.dockerImageReference)
        except InvalidReference:
            return event
        theirs = (self._internal, other.metadata.namespace, other.metadata.name)
        if (reference.registry, reference.namespace, reference.name) == theirs:
            own = reference.replace(namespace=stream.metadata.namespace, name=stream.metadata.name)
            event.dockerImageReference = own.exact()
        return event


def follow(old: ImageStream | None, stream: ImageStream) -> None:
    """Gives the new event of a tag to the tags that follow it."""
    changed = []
    for tag in stream.status.tags or ():
        head = history.newest(tag)
        before = None if old is None else history.newest(history.status_tag(old, tag.tag))
        if head is not None and head != before:
            changed.append((tag.tag, head))
    for name, head in changed:
        history.follow_tag(stream, name, head)


def tag_changed(old: TagReference, new: TagReference, namespace: str) -> bool:
    """Whether a spec tag asks for something else than before; its kind, policies and annotations do not count."""
    if new.from_ is None or (not new.from_.kind and not new.from_.name):
        return False
    before = old.from_ or ObjectReference()
    if (before.namespace or namespace) != (new.from_.namespace or namespace) or before.name != new.from_.name:
        return True
    if old.reference != new.reference or old.importPolicy.importMode != new.importPolicy.importMode:
        return True
    return bool(old.generation) and new.generation == 0


def _wanting(old: ImageStream | None, stream: ImageStream) -> list[TagReference]:
    """The tags with a source that are new or changed."""
    found = []
    for tag in stream.spec.tags or ():
        before = None if old is None else history.spec_tag(old, tag.name)
        if tag.from_ is not None and (before is None or tag_changed(before, tag, stream.metadata.namespace)):
            found.append(tag)
    return found


def _unusable_elsewhere(old: ImageStream | None, stream: ImageStream) -> list[FieldError]:
    """Sources in other namespaces are looked at twice, first by what asks whether the user may pull from there."""
    errors = []
    for tag in _wanting(old, stream):
        source = tag.from_
        if source is None or source.namespace in ("", stream.metadata.namespace):
            continue
        if split_reference(stream, source) is None:
            errors.append(invalid(f"spec.tags[{tag.name}].from.name", source.name, FORM))
    return errors


def split_reference(stream: ImageStream, source: ObjectReference) -> tuple[str, str] | None:
    """Stream and tag or image id of a tag's source, or None where it has no such form."""
    separator = {"ImageStreamTag": ":", "ImageStreamImage": "@"}.get(source.kind)
    if separator is None:
        return None
    parts = source.name.split(separator)
    if len(parts) > 2:
        return None
    return (stream.metadata.name, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def is_image(digest: str, image_id: str) -> bool:
    """Whether an id means an image: its digest, a beginning of it, or of its digits."""
    return digest.startswith(image_id) or digest.partition(":")[2].startswith(image_id)


def _newest(stream: ImageStream, tag: str) -> TagEvent | None:
    return history.newest(history.status_tag(stream, tag or "latest"))
