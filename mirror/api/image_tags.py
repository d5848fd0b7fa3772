"""The virtual resource ``imagetags`` (openshift-apiserver ``registry/imagetag``)."""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.fields import FieldError
from mirror.api.metadata import common_errors, update_errors
from mirror.api.reading import check_version
from mirror.api.registry import carry_over
from mirror.api.routing import Call, Reply
from mirror.api.tag_names import consumer_reference, parse_tag_name
from mirror.api.tag_resource import TagResource
from mirror.api.tag_validation import image_tag_errors, image_tag_update_errors
from mirror.api.tag_writing import check_seen
from mirror.api.updates import Update, warned
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, TagReference
from mirror.v1.imagetag import ImageTag, ImageTagList

TAGS: Final = "imagetags"


class ImageTagResource(TagResource[ImageTag]):
    """Image tags: what the spec or the status of a stream has, without an image, too."""

    names = "ImageTags"
    already = TAGS

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, cluster.kinds.image_tags, ImageTagList)

    async def get(self, call: Call) -> Reply:
        """One tag that the spec or the status of a stream has."""
        name, tag = parse_tag_name(call.name, self.names)
        await check_version(self._cluster.store, call.request)
        stream = await self._streams.get(call.namespace, name)
        found = image_tag(stream, tag, await self._image_if_any(stream, tag))
        if found.spec is None and found.status is None:
            raise failures.not_found(TAGS, found.metadata.name)
        return Reply(self._named(found))

    async def _image_if_any(self, stream: ImageStream, tag: str) -> Image | None:
        event = history.newest(history.status_tag(stream, tag))
        return await self._cluster.images.find("", event.image) if event is not None and event.image else None

    async def _update(self, call: Call, update: Update[ImageTag]) -> Reply:
        """Puts another spec for a tag in the place of what is there, or none at all."""
        with warned(update.warnings):
            name, tag = parse_tag_name(call.name, self.names)
            found = await self._streams.find(call.namespace, name)
            stream = found or self._streams.new(call.namespace, name)
            given = update.apply(self._kind.copy(image_tag(stream, tag, None)))
            check_seen(given.metadata, stream, TAGS, call.name)
            self._check_update(given, stream, tag, exists=found is not None)
            created = history.spec_tag(stream, tag) is None
            if given.spec is not None:
                history.put_spec_tag(stream, msgspec.structs.replace(given.spec, name=tag))
            else:
                stream.spec.tags = [one for one in stream.spec.tags or () if one.name != tag] or None
            stream = await self._streams.write(stream, exists=found is not None, dry_run=update.options.dry_run)
            return Reply(await self._now(stream, tag), 201 if created else 200, tuple(update.warnings))

    def _check_update(self, given: ImageTag, stream: ImageStream, tag: str, *, exists: bool) -> None:
        meta = given.metadata
        if not exists:
            meta.uid, meta.creationTimestamp = stream.metadata.uid, stream.metadata.creationTimestamp
            self._prepare(given)
            return
        old = image_tag(stream, tag, None)
        carry_over(meta, old.metadata)
        errors = [*common_errors(meta), *update_errors(meta, old.metadata)]
        errors += image_tag_update_errors(given, old, self._cluster.allowed)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    def _view(self, stream: ImageStream, tag: str, image: Image | None) -> ImageTag:
        return image_tag(stream, tag, image)

    def _listed(self, stream: ImageStream) -> list[ImageTag]:
        return list_image_tags(stream)

    def _wanted(self, tag: ImageTag) -> TagReference | None:
        return tag.spec

    def _clear(self, tag: ImageTag) -> None:
        tag.status = tag.image = None

    def _errors(self, tag: ImageTag) -> list[FieldError]:
        return image_tag_errors(tag, self._cluster.allowed)


def image_tag(stream: ImageStream, tag: str, image: Image | None) -> ImageTag:
    """A tag of a stream as a resource; its metadata are those of the stream."""
    spec = history.spec_tag(stream, tag)
    status = history.status_tag(stream, tag)
    event = history.newest(status)
    if image is not None and event is not None:
        image = msgspec.structs.replace(
            image,
            dockerImageManifest="",
            dockerImageConfig="",
            dockerImageReference=consumer_reference(stream, spec, event),
        )
    meta = msgspec.structs.replace(stream.metadata, name=f"{stream.metadata.name}:{tag}")
    return ImageTag(metadata=meta, spec=spec, status=status, image=image)


def list_image_tags(stream: ImageStream) -> list[ImageTag]:
    """The tags that the spec or the status of a stream has, in byte order."""
    names = {tag.name for tag in stream.spec.tags or ()} | {tag.tag for tag in stream.status.tags or ()}
    return [image_tag(stream, name, None) for name in sorted(names)]
