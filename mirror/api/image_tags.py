"""The virtual resource ``imagetags`` (openshift-apiserver ``registry/imagetag``)."""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.deletion import delete_options
from mirror.api.field_selectors import SelectableFields
from mirror.api.list_options import list_options
from mirror.api.managed_fields import FieldManager
from mirror.api.metadata import common_errors, update_errors
from mirror.api.patching import Patch
from mirror.api.reading import check_version
from mirror.api.registry import carry_over
from mirror.api.routing import Call, Reply
from mirror.api.streams import stream_collection
from mirror.api.tag_names import consumer_reference, parse_tag_name, split_tag_name
from mirror.api.tag_validation import image_tag_errors, image_tag_update_errors
from mirror.api.tag_writing import TagStreams, check_seen
from mirror.api.updates import Replacement, Update, new_object, warned
from mirror.gotext import quote
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream
from mirror.v1.imagetag import ImageTag, ImageTagList

_SELECTABLE: Final = SelectableFields[ImageTag]()
TAGS: Final = "imagetags"
_NAMES: Final = "ImageTags"


class ImageTagResource:
    """Everything that can be done with image tags."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.image_tags
        self._fields = FieldManager(self._kind, cluster.now)
        self._streams = TagStreams(cluster, TAGS)
        self._collection = stream_collection(cluster)

    # Reading

    async def get(self, call: Call) -> Reply:
        """One tag that the spec or the status of a stream has."""
        name, tag = parse_tag_name(call.name, _NAMES)
        await check_version(self._cluster.store, call.request)
        stream = await self._streams.get(call.namespace, name)
        found = image_tag(stream, tag, await self._image(stream, tag))
        if found.spec is None and found.status is None:
            raise failures.not_found(TAGS, found.metadata.name)
        return Reply(self._shown(found))

    async def list(self, call: Call) -> Reply:
        """The tags of a namespace or of all, without their images."""
        options = list_options(call.request, _SELECTABLE)
        # The selectors are for the streams first, then for their tags: no name can be that of both.
        streams, _ = await self._collection.select(call.namespace, options)
        items = [
            tag for stream in streams for tag in list_image_tags(stream) if _SELECTABLE.matches(options.fields, tag)
        ]
        return Reply(ImageTagList(f"{self._kind.kind}List", API_VERSION, items=items))

    async def _image(self, stream: ImageStream, tag: str) -> Image | None:
        event = history.newest(history.status_tag(stream, tag))
        return await self._cluster.images.find("", event.image) if event is not None and event.image else None

    # Writing

    async def create(self, call: Call) -> Reply:
        """A new spec tag, in a new stream if need be."""
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            tag = new.item
            self._prepare(tag)
            names = split_tag_name(tag.metadata.name)
            if names is None:
                raise failures.plain_error(f"{quote(tag.metadata.name)} must be of the form <stream_name>:<tag>")
            stream_name, tag_name = names

            def add(stream: ImageStream) -> None:
                if history.spec_tag(stream, tag_name) is not None:
                    raise failures.already_exists(TAGS, tag.metadata.name)
                if tag.spec is not None:
                    history.put_spec_tag(stream, msgspec.structs.replace(tag.spec, name=tag_name))

            stream = await self._streams.add(call.namespace, stream_name, add, dry_run=new.options.dry_run)
            shown = self._shown(image_tag(stream, tag_name, await self._image(stream, tag_name)))
            return Reply(shown, 201, tuple(new.warnings))

    def _prepare(self, tag: ImageTag) -> None:
        """Completes and checks a new tag.

        Raises:
            ApiFailure: 422 or 500.
        """
        meta = tag.metadata
        if meta.generateName and not meta.name:
            raise failures.internal_error("metadata.name was not generated")
        if tag.spec is not None and not tag.spec.name:
            names = split_tag_name(meta.name)
            tag.spec.name = names[1] if names is not None else "latest"
        tag.status = tag.image = None
        errors = image_tag_errors(tag, self._cluster.allowed) or common_errors(meta)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    async def update(self, call: Call) -> Reply:
        """Another spec for a tag, which is created if need be, or none at all."""
        return await self._update(call, Replacement(call, self._kind, self._fields))

    async def patch(self, call: Call) -> Reply:
        """A patched tag."""
        return await self._update(call, Patch(call, self._kind, self._fields))

    async def _update(self, call: Call, update: Update[ImageTag]) -> Reply:
        with warned(update.warnings):
            name, tag = parse_tag_name(call.name, _NAMES)
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
            shown = self._shown(image_tag(stream, tag, await self._image(stream, tag)))
            return Reply(shown, 201 if created else 200, tuple(update.warnings))

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

    async def delete(self, call: Call) -> Reply:
        """Removes a tag with its history; the stream stays, and so does the image."""
        options = delete_options(call.request)
        name, tag = parse_tag_name(call.name, _NAMES)
        return Reply(await self._streams.remove_tag(call.namespace, name, tag, options))

    def _shown(self, tag: ImageTag) -> ImageTag:
        tag.kind, tag.apiVersion = self._kind.kind, API_VERSION
        return tag


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
