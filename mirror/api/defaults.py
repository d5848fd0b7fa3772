"""Defaulting, which happens whenever an object is decoded (openshift ``image/v1/defaults.go``)."""

from __future__ import annotations

from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import SOURCE, ImageStream, TagImportPolicy, TagReference, TagReferencePolicy
from mirror.v1.imagestreamimport import ImageStreamImport
from mirror.v1.meta import LocalObjectReference


def _policies(importing: TagImportPolicy, reference: TagReferencePolicy, mode: str) -> None:
    if not importing.importMode:
        importing.importMode = mode
    if not reference.type:
        reference.type = SOURCE


def default_import(isi: ImageStreamImport, mode: str) -> None:
    """Fills in policies, and the target tag of images whose source has a tag."""
    if isi.spec.repository is not None:
        _policies(isi.spec.repository.importPolicy, isi.spec.repository.referencePolicy, mode)
    for image in isi.spec.images or ():
        _policies(image.importPolicy, image.referencePolicy, mode)
        if image.to is None and (tag := _tag_of(image.from_.name)):
            image.to = LocalObjectReference(name=tag)
    if not isi.spec.images:
        isi.spec.images = None


def _tag_of(name: str) -> str:
    try:
        return Reference.parse(name).tag
    except InvalidReference:
        return ""


def default_tag(tag: TagReference, mode: str) -> None:
    """Fills in the policies of one tag."""
    _policies(tag.importPolicy, tag.referencePolicy, mode)


def default_stream(stream: ImageStream, mode: str) -> None:
    """Fills in the policies of all spec tags; tags are unique and in name order, of equal names the last one stays."""
    tags = {tag.name: tag for tag in stream.spec.tags or ()}
    stream.spec.tags = [tags[name] for name in sorted(tags)] or None
    for tag in stream.spec.tags or ():
        default_tag(tag, mode)
    events = {tag.tag: tag for tag in stream.status.tags or ()}
    stream.status.tags = [events[name] for name in sorted(events)] or None
