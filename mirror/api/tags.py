"""The virtual resources ``imagestreamtags`` and ``imagestreamimages``: streams and images seen together."""

from __future__ import annotations

import msgspec

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.routing import Call, Reply
from mirror.reference import InvalidReference, Reference
from mirror.v1.image import Image
from mirror.v1.imagestream import (
    LOCAL,
    ImageStream,
    ImageStreamImage,
    ImageStreamTag,
    ImageStreamTagList,
    NamedTagEventList,
    TagEvent,
    TagReference,
)
from mirror.v1.meta import ObjectMeta

TAGS = "imagestreamtags"
STREAM_IMAGES = "imagestreamimages"


def consumer_reference(stream: ImageStream, tag: TagReference | None, event: TagEvent) -> str:
    """The pull spec that users of a tag get: by the internal registry if the tag's policy is Local."""
    if tag is None or tag.referencePolicy.type != LOCAL or not event.image:
        return event.dockerImageReference
    repository = stream.status.dockerImageRepository
    try:
        Reference.parse(repository)
    except InvalidReference:
        return event.dockerImageReference
    return f"{repository}@{event.image}"


class StreamTagResource:
    """Reads image stream tags."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """One tag that has an image; tags without one are not found, as is an image that has gone."""
        name, colon, tag = call.name.partition(":")
        if not (name and colon and tag) or ":" in tag or "@" in call.name:
            raise failures.bad_request("ImageStreamTags must be retrieved with <name>:<tag>")
        stream = await self._cluster.streams.get(call.namespace, name, called=TAGS)
        self._cluster.strategy.decorate(stream)
        events = history.status_tag(stream, tag)
        event = history.newest(events)
        if events is None or event is None or not event.image:
            raise failures.not_found(TAGS, call.name)
        image = await self._cluster.images.get("", event.image, called=TAGS)
        shown = _stream_tag(stream, events, event, image)
        shown.kind, shown.apiVersion = "ImageStreamTag", API_VERSION
        return Reply(shown)

    async def list(self, call: Call) -> Reply:
        """The tags with images, of a namespace or of all; of each image only its name and reference."""
        items = []
        for stream in await self._cluster.streams.list(call.namespace or None):
            self._cluster.strategy.decorate(stream)
            for events in stream.status.tags or ():
                event = history.newest(events)
                if event is not None and event.image:
                    image = Image(metadata=ObjectMeta(name=event.image), dockerImageMetadataVersion="1.0")
                    items.append(_stream_tag(stream, events, event, image, annotate=False))
        return Reply(ImageStreamTagList("ImageStreamTagList", API_VERSION, items=items))


def _stream_tag(
    stream: ImageStream, events: NamedTagEventList, event: TagEvent, image: Image, *, annotate: bool = True
) -> ImageStreamTag:
    tag = history.spec_tag(stream, events.tag)
    annotations = (tag.annotations if tag is not None else None) or {}
    shown = msgspec.structs.replace(
        image,
        dockerImageManifest="",
        dockerImageConfig="",
        dockerImageReference=consumer_reference(stream, tag, event),
    )
    if annotate and annotations:
        merged = {**(image.metadata.annotations or {}), **annotations}
        shown.metadata = msgspec.structs.replace(image.metadata, annotations=dict(sorted(merged.items())))
    return ImageStreamTag(
        metadata=ObjectMeta(
            name=f"{stream.metadata.name}:{events.tag}",
            namespace=stream.metadata.namespace,
            uid=stream.metadata.uid,
            resourceVersion=stream.metadata.resourceVersion,
            creationTimestamp=event.created,
            labels=stream.metadata.labels,
            annotations=annotations or None,
        ),
        tag=tag,
        generation=event.generation,
        lookupPolicy=stream.spec.lookupPolicy,
        conditions=events.conditions,
        image=shown,
    )


class StreamImageResource:
    """Reads image stream images: any image of a stream's history, by digest or the beginning of one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """One image. Where a beginning fits several, the first in byte order is taken."""
        name, at, image_id = call.name.partition("@")
        if not (name and at and image_id) or "@" in image_id:
            raise failures.bad_request("ImageStreamImages must be retrieved with <name>@<id>")
        stream = await self._cluster.streams.get(call.namespace, name, called=STREAM_IMAGES)
        found = [digest for digest in sorted(await self._digests(stream)) if _fits(digest, image_id)]
        if not found:
            raise failures.not_found("imagestreamimage", call.name)
        image = await self._cluster.images.get("", found[0], called=STREAM_IMAGES)
        meta = ObjectMeta(
            name=call.name,
            namespace=call.namespace,
            creationTimestamp=image.metadata.creationTimestamp,
            annotations=stream.metadata.annotations,
        )
        shown = msgspec.structs.replace(image, dockerImageManifest="", dockerImageConfig="")
        return Reply(ImageStreamImage("ImageStreamImage", API_VERSION, meta, shown))

    async def _digests(self, stream: ImageStream) -> set[str]:
        """The images of a stream's history, and what lists among them lead to."""
        waiting = [event.image for tag in stream.status.tags or () for event in tag.items or () if event.image]
        digests: set[str] = set()
        while waiting:
            digest = waiting.pop()
            if digest in digests:
                continue
            digests.add(digest)
            image = await self._cluster.images.find("", digest)
            waiting += [entry.digest for entry in (image.dockerImageManifests if image else None) or ()]
        return digests


def _fits(digest: str, image_id: str) -> bool:
    return digest.startswith(image_id) or digest.partition(":")[2].startswith(image_id)
