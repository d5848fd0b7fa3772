"""Tags of an image stream and their history (openshift-apiserver ``internal/imageutil``)."""

from __future__ import annotations

import msgspec

from mirror.v1.imagestream import (
    ImageStream,
    NamedTagEventList,
    TagEvent,
    TagEventCondition,
    TagReference,
)

IMPORT_SUCCESS = "ImportSuccess"


def spec_tag(stream: ImageStream, name: str) -> TagReference | None:
    """The spec tag of that name, or None."""
    return next((tag for tag in stream.spec.tags or () if tag.name == name), None)


def status_tag(stream: ImageStream, name: str) -> NamedTagEventList | None:
    """The status tag of that name, or None."""
    return next((tag for tag in stream.status.tags or () if tag.tag == name), None)


def newest(tag: NamedTagEventList | None) -> TagEvent | None:
    """The newest event of a status tag, or None."""
    return tag.items[0] if tag is not None and tag.items else None


def put_spec_tag(stream: ImageStream, tag: TagReference) -> None:
    """Adds or replaces a spec tag; tags are kept in the byte order of their names."""
    kept = [one for one in stream.spec.tags or () if one.name != tag.name]
    stream.spec.tags = sorted([*kept, tag], key=lambda one: one.name)


def _own_status_tag(stream: ImageStream, name: str) -> NamedTagEventList:
    tag = status_tag(stream, name)
    if tag is None:
        tag = NamedTagEventList(tag=name)
        stream.status.tags = sorted([*(stream.status.tags or ()), tag], key=lambda one: one.tag)
    return tag


def add_event(stream: ImageStream, name: str, event: TagEvent) -> bool:
    """Puts an event at the head of a tag's history, or into its head where that is about the same thing.

    Conditions go with every change; an event that was merged into an older one keeps that one's time. There is no limit
    to the length. Returns whether anything changed.
    """
    tag = _own_status_tag(stream, name)
    head = newest(tag)
    if head is None:
        tag.items = [event]
        tag.conditions = None
        return True
    same_reference = head.dockerImageReference == event.dockerImageReference
    same_image = head.image == event.image
    if same_reference and same_image and head.generation == event.generation:
        return False
    assert tag.items is not None
    if same_reference or same_image:
        tag.items[0] = msgspec.structs.replace(event, created=head.created)
    else:
        tag.items.insert(0, event)
    tag.conditions = None
    return True


def set_failure(stream: ImageStream, name: str, condition: TagEventCondition) -> None:
    """Records that an import failed; a failure that is known already changes nothing.

    A new one marks the spec tag as touched (generation 0), so that the write gives it a new generation.
    """
    tag = _own_status_tag(stream, name)
    if any(_same(one, condition) for one in tag.conditions or ()):
        return
    tag.conditions = [condition]
    spec = spec_tag(stream, name)
    if spec is not None:
        spec.generation = 0


def put_condition(stream: ImageStream, name: str, condition: TagEventCondition) -> None:
    """Records a condition in the place of all others of a tag; its spec is not touched."""
    _own_status_tag(stream, name).conditions = [condition]


def _same(one: TagEventCondition, other: TagEventCondition) -> bool:
    return (one.type, one.status, one.reason, one.message) == (other.type, other.status, other.reason, other.message)


def has_tag_changed(stream: ImageStream, name: str, event: TagEvent) -> bool:
    """Whether an import brings something new for a tag, or answers a request that was still open."""
    head = newest(status_tag(stream, name))
    spec = spec_tag(stream, name)
    if head is None or spec is None or spec.generation is None:
        return True
    if (head.dockerImageReference, head.image) != (event.dockerImageReference, event.image):
        return True
    return spec.generation > head.generation


def clear_conditions(stream: ImageStream, name: str) -> None:
    """Drops the conditions of a status tag."""
    tag = status_tag(stream, name)
    if tag is not None:
        tag.conditions = None


def followers(stream: ImageStream, name: str) -> list[str]:
    """The spec tags that follow a tag of the same stream, in byte order."""
    found = []
    for tag in stream.spec.tags or ():
        source = tag.from_
        if source is None or source.kind != "ImageStreamTag" or tag.name == name:
            continue
        if source.namespace not in ("", stream.metadata.namespace):
            continue
        of, colon, wanted = source.name.partition(":")
        if (of, wanted or "latest") == (stream.metadata.name, name) if colon else of == name:
            found.append(tag.name)
    return found


def follow_tag(stream: ImageStream, name: str, event: TagEvent) -> None:
    """Gives the new event of a tag to the tags that follow it."""
    for follower in followers(stream, name):
        add_event(stream, follower, msgspec.structs.replace(event))
