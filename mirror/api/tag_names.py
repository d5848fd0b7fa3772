"""Names of tags as resources, and what consumers of a tag get."""

from __future__ import annotations

from mirror.api import failures
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import LOCAL, ImageStream, TagEvent, TagReference


def parse_tag_name(name: str, kind: str) -> tuple[str, str]:
    """Stream and tag of a name in a path; `kind` is how the message calls the resource.

    Raises:
        ApiFailure: 400.
    """
    stream, _, tag = name.partition(":")
    if not stream or not tag or ":" in tag or "@" in name:
        raise failures.bad_request(f"{kind} must be retrieved with <name>:<tag>")
    return stream, tag


def split_tag_name(name: str) -> tuple[str, str] | None:
    """Stream and tag of a name in an object, where only the first colon counts; None if there is none."""
    stream, colon, tag = name.partition(":")
    return (stream, tag or "latest") if colon else None


def consumer_reference(stream: ImageStream, tag: TagReference | None, event: TagEvent) -> str:
    """The pull spec that users of a tag get: by the internal registry if the tag's policy is Local."""
    if tag is None or tag.referencePolicy.type != LOCAL or not event.image:
        return event.dockerImageReference
    repository = stream.status.dockerImageRepository
    try:
        return Reference.parse(repository).replace(tag="", id=event.image).exact()
    except InvalidReference:
        return event.dockerImageReference
