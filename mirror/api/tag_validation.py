"""Validation of image stream tags and image tags (openshift-apiserver ``apis/image/validation``)."""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.api.fields import FieldError, invalid, required
from mirror.api.metadata import metadata_errors, own_update_errors
from mirror.api.validation import is_insecure, tag_errors
from mirror.importer.allowed import AllowedRegistries
from mirror.v1.imagestream import ImageStreamTag, TagReference
from mirror.v1.imagetag import ImageTag

_ANNOTATIONS: Final = "tag annotations must not be provided or must be equal to the object meta annotations"


def stream_tag_errors(tag: ImageStreamTag, allowed: AllowedRegistries) -> list[FieldError]:
    """All errors of a new image stream tag."""
    return [*metadata_errors(tag.metadata, stream_name=False), *_reference_errors(tag, allowed)]


def _reference_errors(tag: ImageStreamTag, allowed: AllowedRegistries) -> list[FieldError]:
    if tag.tag is None:
        return []
    errors = list(tag_errors(tag.tag, "tag", allowed, insecure=is_insecure(tag)))
    given = tag.tag.annotations
    if given is not None and given != (tag.metadata.annotations or {}):
        errors.append(invalid("tag.annotations", "<map>", _ANNOTATIONS))
    return errors


def stream_tag_update_errors(new: ImageStreamTag, old: ImageStreamTag, allowed: AllowedRegistries) -> list[FieldError]:
    """What an update of an image stream tag may not do: only its annotations and where it points to can change."""
    errors = own_update_errors(new.metadata, old.metadata)
    errors += _reference_errors(new, _admitting(allowed, old.tag))
    if _unchangeable(new) != _unchangeable(old):
        errors.append(invalid("metadata", "", "may not update fields other than metadata.annotations"))
    return errors


def _unchangeable(tag: ImageStreamTag) -> bytes:
    meta = msgspec.structs.replace(tag.metadata, annotations=None)
    left = ImageStreamTag(metadata=meta, conditions=tag.conditions, image=tag.image)
    return msgspec.json.encode(left, order="deterministic")


def _admitting(allowed: AllowedRegistries, old: TagReference | None) -> AllowedRegistries:
    """Where a tag has come from so far it may come from again."""
    if old is None or old.from_ is None or old.from_.kind != "DockerImage":
        return allowed
    return allowed.admitting([old.from_.name])


def image_tag_errors(tag: ImageTag, allowed: AllowedRegistries) -> list[FieldError]:
    """All errors of a new image tag."""
    errors = metadata_errors(tag.metadata, stream_name=False)
    if tag.spec is None:
        return [*errors, required("spec", "spec is a required field during creation")]
    return [*errors, *_spec_errors(tag, tag.spec, allowed)]


def _spec_errors(tag: ImageTag, spec: TagReference, allowed: AllowedRegistries) -> list[FieldError]:
    errors = []
    _, colon, name = tag.metadata.name.partition(":")
    if not colon or spec.name != (name or "latest"):
        errors.append(invalid("spec.name", spec.name, "must match image tag name"))
    errors += tag_errors(spec, "spec", allowed, insecure=is_insecure(tag))
    return errors


def image_tag_update_errors(new: ImageTag, old: ImageTag, allowed: AllowedRegistries) -> list[FieldError]:
    """What an update of an image tag may not do: only its spec can change."""
    errors = own_update_errors(new.metadata, old.metadata)
    if new.spec is not None:
        errors += _spec_errors(new, new.spec, _admitting(allowed, old.spec))
    text = "may not update fields other than spec"
    if msgspec.json.encode(new.metadata, order="deterministic") != msgspec.json.encode(
        old.metadata, order="deterministic"
    ):
        errors.append(invalid("metadata", "", text))
    if msgspec.json.encode(new.status) != msgspec.json.encode(old.status):
        errors.append(invalid("status", "", text))
    return errors
