"""The virtual resource ``imagestreamtags`` (openshift-apiserver ``registry/imagestreamtag``)."""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.failures import ApiFailure
from mirror.api.fields import FieldError
from mirror.api.metadata import common_errors, update_errors
from mirror.api.reading import check_version
from mirror.api.registry import carry_over
from mirror.api.routing import Call, Reply
from mirror.api.tag_names import consumer_reference, parse_tag_name
from mirror.api.tag_resource import TagResource
from mirror.api.tag_validation import stream_tag_errors, stream_tag_update_errors
from mirror.api.tag_writing import check_seen
from mirror.api.updates import Update, warned
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, ImageStreamTag, ImageStreamTagList, TagEvent, TagReference
from mirror.v1.meta import ObjectMeta

TAGS: Final = "imagestreamtags"
_UPDATE_ATTEMPTS: Final = 4


class StreamTagResource(TagResource[ImageStreamTag]):
    """Image stream tags: those that have an image. Lists show of each image only its name and reference."""

    names = "ImageStreamTags"
    already = "imagestreamtag"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, cluster.kinds.stream_tags, ImageStreamTagList)

    async def get(self, call: Call) -> Reply:
        """One tag that has an image; tags without one are not found, as is an image that has gone."""
        name, tag = parse_tag_name(call.name, self.names)
        await check_version(self._cluster.store, call.request)
        stream = await self._streams.get(call.namespace, name)
        image = await self._image(stream, tag)
        return Reply(self._named(stream_tag(stream, tag, image)))

    async def _image(self, stream: ImageStream, tag: str) -> Image:
        event = history.newest(history.status_tag(stream, tag))
        if event is None or not event.image:
            raise failures.not_found(TAGS, f"{stream.metadata.name}:{tag}")
        return await self._cluster.images.get("", event.image, called=TAGS)

    async def _image_if_any(self, stream: ImageStream, tag: str) -> Image | None:
        try:
            return await self._image(stream, tag)
        except ApiFailure:
            return None

    async def _update(self, call: Call, update: Update[ImageStreamTag]) -> Reply:
        """Gives a tag another source or other annotations."""
        with warned(update.warnings):
            name, tag = parse_tag_name(call.name, self.names)
            for attempt in range(1, _UPDATE_ATTEMPTS + 1):
                old = await self._streams.find(call.namespace, name)
                stream = old or self._streams.new(call.namespace, name)
                given = update.apply(stream_tag(stream, tag, None))
                blind = check_seen(given.metadata, stream, TAGS, call.name)
                self._check_update(given, stream, tag, exists=old is not None)
                created = history.spec_tag(stream, tag) is None
                _take_over(stream, tag, given)
                try:
                    stream = await self._streams.write(stream, exists=old is not None, dry_run=update.options.dry_run)
                    break
                except ApiFailure as failure:
                    again = blind and old is not None and failure.status.reason == "Conflict"
                    if not again or attempt == _UPDATE_ATTEMPTS:
                        raise
            return Reply(await self._now(stream, tag), 201 if created else 200, tuple(update.warnings))

    def _check_update(self, given: ImageStreamTag, stream: ImageStream, tag: str, *, exists: bool) -> None:
        meta = given.metadata
        if stream.metadata.labels and not meta.labels:
            meta.labels = stream.metadata.labels
        if not exists:
            meta.uid, meta.creationTimestamp = stream.metadata.uid, stream.metadata.creationTimestamp
            self._prepare(given)
            return
        old = stream_tag(stream, tag, None)
        carry_over(meta, old.metadata)
        if given.tag is not None:
            given.tag.annotations = meta.annotations
        given.conditions, given.image = old.conditions, old.image
        errors = [*common_errors(meta), *update_errors(meta, old.metadata)]
        errors += stream_tag_update_errors(given, old, self._cluster.allowed)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    def _view(self, stream: ImageStream, tag: str, image: Image | None) -> ImageStreamTag:
        return stream_tag(stream, tag, image)

    def _listed(self, stream: ImageStream) -> list[ImageStreamTag]:
        return list_stream_tags(stream)

    def _wanted(self, tag: ImageStreamTag) -> TagReference | None:
        return tag.tag

    def _clear(self, tag: ImageStreamTag) -> None:
        tag.conditions, tag.image = None, Image()

    def _errors(self, tag: ImageStreamTag) -> list[FieldError]:
        return stream_tag_errors(tag, self._cluster.allowed)


def _take_over(stream: ImageStream, tag: str, given: ImageStreamTag) -> None:
    """Puts what is wanted of a tag into its stream.

    Raises:
        ApiFailure: 400, there is no such tag, and nothing to make it of.
    """
    old = history.spec_tag(stream, tag)
    if old is None and given.tag is None:
        meta = stream.metadata
        where = f"imagestream {meta.namespace}/{meta.name}"
        raise failures.bad_request(f"imagestreamtag {tag} is not a spec tag in {where}, cannot be updated")
    wanted = given.tag if given.tag is not None else old
    assert wanted is not None
    history.put_spec_tag(stream, msgspec.structs.replace(wanted, name=tag, annotations=given.metadata.annotations))


def stream_tag(stream: ImageStream, tag: str, image: Image | None) -> ImageStreamTag:
    """A tag of a stream as a resource. Where it has no image yet, the stream's own time stands for it."""
    events = history.status_tag(stream, tag)
    event = history.newest(events)
    if event is None or not event.image:
        event = TagEvent(created=stream.metadata.creationTimestamp)
    spec = _copied(history.spec_tag(stream, tag))
    annotations = dict((spec.annotations if spec is not None else None) or {})
    if image is None:
        image = Image(metadata=ObjectMeta(name=event.image), dockerImageMetadataVersion="1.0")
    elif annotations:
        merged = {**(image.metadata.annotations or {}), **annotations}
        meta = msgspec.structs.replace(image.metadata, annotations=dict(sorted(merged.items())))
        image = msgspec.structs.replace(image, metadata=meta)
    shown = msgspec.structs.replace(
        image,
        dockerImageManifest="",
        dockerImageConfig="",
        dockerImageReference=consumer_reference(stream, spec, event),
    )
    return ImageStreamTag(
        metadata=ObjectMeta(
            name=f"{stream.metadata.name}:{tag}",
            namespace=stream.metadata.namespace,
            uid=stream.metadata.uid,
            resourceVersion=stream.metadata.resourceVersion,
            creationTimestamp=event.created,
            labels=stream.metadata.labels,
            annotations=annotations or None,
        ),
        tag=spec,
        generation=event.generation,
        lookupPolicy=stream.spec.lookupPolicy,
        conditions=events.conditions if events is not None else None,
        image=shown,
    )


def _copied(tag: TagReference | None) -> TagReference | None:
    return None if tag is None else msgspec.structs.replace(tag)


def list_stream_tags(stream: ImageStream) -> list[ImageStreamTag]:
    """The tags of a stream that have an image, in byte order; of each image only its name and reference."""
    found = []
    for tag in stream.status.tags or ():
        event = history.newest(tag)
        if event is not None and event.image:
            found.append(stream_tag(stream, tag.tag, None))
    return found
