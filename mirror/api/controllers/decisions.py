"""Which tags of an image stream are to be imported.

Source: openshift-controller-manager ``imagestream_controller.go``, ``scheduled_image_controller.go``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.api import history
from mirror.api.decoding import API_VERSION
from mirror.api.importing import CHECK_ANNOTATION
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import ImageStream, TagImportPolicy, TagReference
from mirror.v1.imagestreamimport import (
    ImageImportSpec,
    ImageStreamImport,
    ImageStreamImportSpec,
    RepositoryImportSpec,
)
from mirror.v1.meta import LocalObjectReference, ObjectMeta, ObjectReference

INSECURE_ANNOTATION: Final = "openshift.io/image.insecureRepository"


def import_of(stream: ImageStream) -> ImageStreamImport | None:
    """The import that a stream needs, or None.

    A stream that was never looked at gets its whole repository if it names one; otherwise the tags are taken whose
    generation is greater than what was seen of them.
    """
    annotations = stream.metadata.annotations or {}
    whole = not annotations.get(CHECK_ANNOTATION) and bool(stream.spec.dockerImageRepository)
    tags = [tag for tag in stream.spec.tags or () if _importable(tag) and (whole or _pending(stream, tag))]
    if not tags and not whole:
        return None
    repository = None
    if whole:
        insecure = annotations.get(INSECURE_ANNOTATION) == "true"
        source = ObjectReference(kind="DockerImage", name=stream.spec.dockerImageRepository)
        repository = RepositoryImportSpec(from_=source, importPolicy=TagImportPolicy(insecure=insecure))
    return ImageStreamImport(
        kind="ImageStreamImport",
        apiVersion=API_VERSION,
        metadata=ObjectMeta(
            name=stream.metadata.name,
            namespace=stream.metadata.namespace,
            uid=stream.metadata.uid,
            resourceVersion=stream.metadata.resourceVersion,
        ),
        spec=ImageStreamImportSpec(import_=True, repository=repository, images=[_image(tag) for tag in tags] or None),
    )


def scheduled_import_of(stream: ImageStream) -> ImageStreamImport | None:
    """The import of a stream whose turn has come: its scheduled tags, and whatever else is due; None if it has none."""
    if not needs_scheduling(stream):
        return None
    generation = stream.metadata.generation + 1
    tags = [
        msgspec.structs.replace(tag, generation=generation) if _is_scheduled(stream, tag) else tag
        for tag in stream.spec.tags or ()
    ]
    spec = msgspec.structs.replace(stream.spec, tags=tags)
    return import_of(msgspec.structs.replace(stream, spec=spec))


def needs_scheduling(stream: ImageStream) -> bool:
    """Whether a stream has tags that are to be imported again and again."""
    return any(_is_scheduled(stream, tag) for tag in stream.spec.tags or ())


def _is_scheduled(stream: ImageStream, tag: TagReference) -> bool:
    """What is named by its digest is scheduled only until it has been imported: it will not change."""
    if not _importable(tag) or not tag.importPolicy.scheduled or tag.from_ is None:
        return False
    try:
        reference = Reference.parse(tag.from_.name)
    except InvalidReference:
        return False
    event = history.newest(history.status_tag(stream, tag.name))
    return not (reference.id and event is not None and event.generation == tag.generation)


def _importable(tag: TagReference) -> bool:
    return tag.from_ is not None and tag.from_.kind == "DockerImage" and not tag.reference


def _pending(stream: ImageStream, tag: TagReference) -> bool:
    return tag.generation is not None and tag.generation > _observed(stream, tag.name)


def _observed(stream: ImageStream, name: str) -> int:
    """The generation of a tag of which something is known: an image, or that it could not be imported."""
    events = history.status_tag(stream, name)
    event = history.newest(events)
    generations = [event.generation] if event is not None else []
    for condition in (events.conditions if events is not None else None) or ():
        if condition.type == history.IMPORT_SUCCESS:
            generations.append(condition.generation)
            break
    return max(generations, default=0)


def _image(tag: TagReference) -> ImageImportSpec:
    assert tag.from_ is not None
    return ImageImportSpec(
        from_=ObjectReference(kind="DockerImage", name=tag.from_.name),
        to=LocalObjectReference(tag.name),
        importPolicy=msgspec.structs.replace(tag.importPolicy),
        referencePolicy=msgspec.structs.replace(tag.referencePolicy),
    )
