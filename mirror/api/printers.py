"""The tables of image streams, tags and images (openshift-apiserver ``image/printers/internalversion``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from mirror.api import history
from mirror.api.durations import ago
from mirror.api.tables import NAME, Printer, column
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, ImageStreamImage, ImageStreamTag, NamedTagEventList, TagReference

_TAGS_WIDTH: Final = 40
_SLACK: Final = 10
_UPDATED: Final = column("Updated", "Last update time.")
_REFERENCE_TEXT: Final = "dockerImageReference is the string that can be used to pull this image."
_REPOSITORY_TEXT: Final = (
    "dockerImageRepository represents the effective location this stream may be accessed at. May be empty until the "
    "server determines where the repository is located"
)
_SPEC_TEXT: Final = (
    "spec is the spec tag associated with this image stream tag, and it may be null if only pushes have occurred to "
    "this image stream."
)
_STATUS_TEXT: Final = (
    "status is the status tag details associated with this image stream tag, and it may be null if no push or import "
    "has been performed."
)


def _stream_cells(stream: ImageStream, now: datetime) -> list[Any]:
    status = stream.status
    repository = status.publicDockerImageRepository or stream.spec.dockerImageRepository or status.dockerImageRepository
    created = [event.created for tag in status.tags or () if (event := history.newest(tag)) and event.created]
    updated = ago(max(created), now) if created else ""
    return [stream.metadata.name, repository, tags_cell(status.tags or ()), updated]


def tags_cell(tags: Sequence[NamedTagEventList]) -> str:
    """The tags of a stream, newest first, as many as about forty characters hold; of the others how many they are."""
    names = [tag.tag for tag in sorted(sorted(tags, key=lambda tag: tag.tag), key=_newest_created, reverse=True)]
    remaining = _TAGS_WIDTH
    for index, name in enumerate(names):
        remaining -= len(name) + 1
        if remaining >= 0:
            continue
        if index and remaining + len(name) > _SLACK >= -remaining:
            continue  # cutting here would leave much of the width unused; running over it costs less
        shown = names[: index or 1]
        break
    else:
        shown = names
    hidden = len(names) - len(shown)
    return f"{','.join(shown)} + {hidden} more..." if hidden else ",".join(shown)


def _newest_created(tag: NamedTagEventList) -> str:
    event = history.newest(tag)
    return (event.created if event else None) or ""


def _stream_tag_cells(tag: ImageStreamTag, now: datetime) -> list[Any]:
    meta, image = tag.metadata, tag.image
    return [meta.name, image.dockerImageReference, ago(meta.creationTimestamp, now), image.metadata.name]


def _stream_image_cells(found: ImageStreamImage, now: datetime) -> list[Any]:
    image = found.image
    updated = ago(image.metadata.creationTimestamp, now)
    return [found.metadata.name, updated, image.dockerImageReference, image.metadata.name]


def _image_cells(image: Image, now: datetime) -> list[Any]:
    del now
    return [image.metadata.name, image.dockerImageReference]


def _tag_cells(tag: Any, now: datetime) -> list[Any]:
    spec: TagReference | None = tag.spec
    status: NamedTagEventList | None = tag.status
    items = len(status.items or ()) if status else 0
    return [
        tag.metadata.name,
        _tag_spec(spec, status),
        _tag_status(spec, status, tag.metadata.namespace),
        items or None,
        _tag_updated(status, now),
    ]


def _tag_spec(spec: TagReference | None, status: NamedTagEventList | None) -> str:
    event = history.newest(status)
    if spec is None:
        return "Push" if event else ""
    source = spec.from_
    if source is not None and source.kind == "ImageStreamTag" and ":" not in source.name:
        return "Track"
    if event is not None and event.generation > (spec.generation or 0):
        return "Push"
    if source is None:
        return ""
    if spec.importPolicy.scheduled:
        return "Scheduled"
    return "Ref" if spec.reference else "Tag"


def _tag_status(spec: TagReference | None, status: NamedTagEventList | None, namespace: str) -> str:
    for condition in (status.conditions if status else None) or ():
        if condition.type == history.IMPORT_SUCCESS and condition.status == "False":
            return f"ImportFailed ({condition.reason})"
    if (problem := _invalid_source(spec)) is not None:
        return problem
    event = history.newest(status)
    if spec is not None and _is_imported(spec) and (event.generation if event else 0) < (spec.generation or 0):
        return "Importing"
    if event is not None:
        return f"image/{event.image}" if event.image else event.dockerImageReference
    return _source(spec, namespace)


def _is_imported(spec: TagReference) -> bool:
    return spec.from_ is not None and spec.from_.kind == "DockerImage" and not spec.reference


def _invalid_source(spec: TagReference | None) -> str | None:
    """What is wrong with where a tag comes from, if that can be told from its words."""
    source = spec.from_ if spec is not None else None
    if source is None:
        return None
    if source.kind not in ("DockerImage", "ImageStreamImage", "ImageStreamTag"):
        return "InvalidRefKind"
    at = source.name.count("@")
    bad = not source.name or (source.kind == "ImageStreamImage" and at != 1)
    bad = bad or (source.kind == "ImageStreamTag" and (at > 0 or source.name.count(":") > 1))
    return "InvalidRefName" if bad else None


def _source(spec: TagReference | None, namespace: str) -> str:
    source = spec.from_ if spec is not None else None
    if source is None:
        return ""
    if source.kind == "DockerImage":
        return source.name
    if source.kind == "ImageStreamImage":
        return f"image/{source.name.rpartition('@')[2]}"
    if source.namespace not in ("", namespace):
        return f"istag {source.namespace}/{source.name}"
    return f"istag/{source.name}"


def _tag_updated(status: NamedTagEventList | None, now: datetime) -> str:
    if status is None:
        return ""
    event = history.newest(status)
    times = [event.created] if event else []
    times += [condition.lastTransitionTime for condition in status.conditions or ()]
    known = [time for time in times if time]
    return ago(max(known), now) if known else ""


STREAMS: Final = Printer(
    [
        NAME,
        column("Image Repository", _REPOSITORY_TEXT),
        column("Tags", "Human readable list of tags."),
        _UPDATED,
    ],
    _stream_cells,
)
STREAM_TAGS: Final = Printer(
    [
        NAME,
        column("Image Reference", _REFERENCE_TEXT),
        _UPDATED,
        column("Image Name", "image associated with the ImageStream and tag.", priority=1),
    ],
    _stream_tag_cells,
)
TAGS: Final = Printer(
    [
        NAME,
        column("Spec", _SPEC_TEXT),
        column("Status", _STATUS_TEXT),
        column("History", "Number of history entries", type_="number"),
        column("Updated", "Last updated at"),
    ],
    _tag_cells,
)
STREAM_IMAGES: Final = Printer(
    [
        NAME,
        _UPDATED,
        column("Image Reference", _REFERENCE_TEXT, priority=1),
        column("Image Name", "image associated with the ImageStream and image name.", priority=1),
    ],
    _stream_image_cells,
)
IMAGES: Final = Printer([NAME, column("Image Reference", _REFERENCE_TEXT)], _image_cells)
