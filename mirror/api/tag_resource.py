"""What the virtual resources ``imagetags`` and ``imagestreamtags`` do alike: views of the tags of image streams."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Generic

import msgspec

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.deletion import delete_options
from mirror.api.field_selectors import SelectableFields
from mirror.api.fields import FieldError
from mirror.api.list_options import unwatched_options
from mirror.api.managed_fields import FieldManager
from mirror.api.metadata import common_errors
from mirror.api.patching import Patch
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, Reply
from mirror.api.streams import stream_collection
from mirror.api.tag_names import parse_tag_name, split_tag_name
from mirror.api.tag_writing import TagStreams
from mirror.api.updates import Replacement, Update, new_object, warned
from mirror.gotext import quote
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, TagReference
from mirror.v1.meta import V1


class TagResource(ABC, Generic[T]):
    """Everything that can be done with tags of one kind."""

    names: ClassVar[str]
    """What names of such tags are called where they are refused."""
    already: ClassVar[str]
    """What a tag is called that is there already."""

    def __init__(self, cluster: Cluster, kind: ResourceKind[T], list_type: Callable[..., V1]) -> None:
        self._cluster = cluster
        self._kind = kind
        self._list_type = list_type
        self._fields = FieldManager(kind, cluster.now)
        self._selectable = SelectableFields[T]()
        self._streams = TagStreams(cluster, kind.resource)
        self._collection = stream_collection(cluster)

    @abstractmethod
    async def get(self, call: Call) -> Reply:
        """One tag."""

    async def list(self, call: Call) -> Reply:
        """The tags of a namespace or of all, without their images. They cannot be watched."""
        options = unwatched_options(call.request, self._selectable, self._kind)
        # The selectors are for the streams first, then for their tags: no name can be that of both.
        streams, _ = await self._collection.select(call.namespace, options)
        items = [
            tag for stream in streams for tag in self._listed(stream) if self._selectable.matches(options.fields, tag)
        ]
        return Reply(self._list_type(f"{self._kind.kind}List", API_VERSION, items=items))

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
                    raise failures.already_exists(self.already, tag.metadata.name)
                wanted = self._wanted(tag)
                if wanted is not None:
                    history.put_spec_tag(stream, msgspec.structs.replace(wanted, name=tag_name))

            stream = await self._streams.add(call.namespace, stream_name, add, dry_run=new.options.dry_run)
            return Reply(await self._now(stream, tag_name), 201, tuple(new.warnings))

    async def update(self, call: Call) -> Reply:
        """A changed tag, which is created if need be."""
        return await self._update(call, Replacement(call, self._kind, self._fields))

    async def patch(self, call: Call) -> Reply:
        """A patched tag."""
        return await self._update(call, Patch(call, self._kind, self._fields))

    async def delete(self, call: Call) -> Reply:
        """Removes a tag with its history; the stream stays, and so does the image."""
        options = delete_options(call.request)
        name, tag = parse_tag_name(call.name, self.names)
        return Reply(await self._streams.remove_tag(call.namespace, name, tag, options))

    def _prepare(self, tag: T) -> None:
        """Completes and checks a new tag.

        Raises:
            ApiFailure: 422 or 500.
        """
        meta = tag.metadata
        if meta.generateName and not meta.name:
            raise failures.internal_error("metadata.name was not generated")
        wanted = self._wanted(tag)
        if wanted is not None and not wanted.name:
            names = split_tag_name(meta.name)
            wanted.name = names[1] if names is not None else "latest"
        self._clear(tag)
        errors = self._errors(tag) or common_errors(meta)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    async def _now(self, stream: ImageStream, tag: str) -> T:
        """A tag as it is after a write."""
        return self._named(self._view(stream, tag, await self._image_if_any(stream, tag)))

    def _named(self, tag: T) -> T:
        tag.kind, tag.apiVersion = self._kind.kind, API_VERSION
        return tag

    @abstractmethod
    async def _update(self, call: Call, update: Update[T]) -> Reply:
        """Writes a tag."""

    @abstractmethod
    async def _image_if_any(self, stream: ImageStream, tag: str) -> Image | None:
        """The newest image of a tag."""

    @abstractmethod
    def _view(self, stream: ImageStream, tag: str, image: Image | None) -> T:
        """A tag of a stream as a resource."""

    @abstractmethod
    def _listed(self, stream: ImageStream) -> Sequence[T]:
        """The tags of a stream that lists show, in byte order."""

    @abstractmethod
    def _wanted(self, tag: T) -> TagReference | None:
        """What is wanted of the stream's spec."""

    @abstractmethod
    def _clear(self, tag: T) -> None:
        """Takes out what clients cannot say."""

    @abstractmethod
    def _errors(self, tag: T) -> Sequence[FieldError]:
        """What is wrong with a new tag."""
