"""Defaulting, and what converting to the server's own types and back does to an object.

Both happen whenever one is decoded (openshift-apiserver ``apis/image/v1/{defaults,conversion}.go``).
"""

from __future__ import annotations

from mirror.api.image_metadata import default_image
from mirror.reference import InvalidReference, Reference
from mirror.v1.image import Image, ImageSignature
from mirror.v1.imagestream import (
    SOURCE,
    ImageStream,
    ImageStreamTag,
    NamedTagEventList,
    TagImportPolicy,
    TagReference,
    TagReferencePolicy,
)
from mirror.v1.imagestreamimport import ImageStreamImport
from mirror.v1.imagetag import ImageStreamMapping, ImageTag
from mirror.v1.meta import LocalObjectReference, ObjectMeta


def default_metadata(meta: ObjectMeta) -> None:
    """What is empty is not there."""
    meta.labels = meta.labels or None
    meta.annotations = meta.annotations or None
    meta.ownerReferences = meta.ownerReferences or None
    meta.finalizers = meta.finalizers or None
    meta.managedFields = meta.managedFields or None


def _policies(importing: TagImportPolicy, reference: TagReferencePolicy, mode: str) -> None:
    if not importing.importMode:
        importing.importMode = mode
    if not reference.type:
        reference.type = SOURCE


def default_import(isi: ImageStreamImport, mode: str) -> None:
    """Fills in policies, and the target tag of images whose source has a tag."""
    default_metadata(isi.metadata)
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
    default_metadata(stream.metadata)
    tags = {tag.name: tag for tag in stream.spec.tags or ()}
    stream.spec.tags = [tags[name] for name in sorted(tags)] or None
    for tag in stream.spec.tags or ():
        default_tag(tag, mode)
    events = {tag.tag: tag for tag in stream.status.tags or ()}
    stream.status.tags = [events[name] for name in sorted(events)] or None
    for events_of in events.values():
        _default_events(events_of)


def _default_events(tag: NamedTagEventList) -> None:
    tag.items = tag.items or None
    tag.conditions = tag.conditions or None


def default_stream_tag(tag: ImageStreamTag, mode: str) -> None:
    """Completes an image stream tag."""
    default_metadata(tag.metadata)
    tag.conditions = tag.conditions or None
    if tag.tag is not None:
        default_tag(tag.tag, mode)
    default_whole_image(tag.image)


def default_image_tag(tag: ImageTag, mode: str) -> None:
    """Completes an image tag."""
    default_metadata(tag.metadata)
    if tag.spec is not None:
        default_tag(tag.spec, mode)
    if tag.status is not None:
        _default_events(tag.status)
    if tag.image is not None:
        default_whole_image(tag.image)


def default_mapping(mapping: ImageStreamMapping) -> None:
    """Completes a mapping."""
    default_metadata(mapping.metadata)
    default_whole_image(mapping.image)


def default_whole_image(image: Image) -> None:
    """Completes an image and its signatures."""
    default_metadata(image.metadata)
    default_image(image)
    for signature in image.signatures or ():
        default_signature(signature)


def default_signature(signature: ImageSignature) -> None:
    """Completes a signature."""
    default_metadata(signature.metadata)
    signature.conditions = signature.conditions or None
    signature.signedClaims = signature.signedClaims or None
