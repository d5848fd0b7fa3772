"""The resource ``imagestreams`` and its subresource ``status``."""

from __future__ import annotations

from typing import Final

from mirror.api.cluster import Cluster
from mirror.api.collections import Collection
from mirror.api.decoding import API_VERSION
from mirror.api.deletion import delete_options
from mirror.api.field_selectors import SelectableFields
from mirror.api.managed_fields import FieldManager
from mirror.api.patching import Patch
from mirror.api.reading import check_version
from mirror.api.registry import Strategy
from mirror.api.routing import Call, Reply
from mirror.api.stored_streams import StoredStreams
from mirror.api.strategy import StatusStrategy
from mirror.api.updates import Replacement, Update, new_object, warned
from mirror.v1.imagestream import ImageStream, ImageStreamList
from mirror.v1.meta import ObjectMeta, Status

SELECTABLE: Final = SelectableFields[ImageStream](
    {
        "spec.dockerImageRepository": lambda stream: stream.spec.dockerImageRepository,
        "status.dockerImageRepository": lambda stream: stream.status.dockerImageRepository,
    }
)


def stream_collection(cluster: Cluster) -> Collection[ImageStream]:
    """The streams of a cluster, as readers see them."""

    def empty() -> ImageStream:
        """What a bookmark shows: where there is an internal registry, its stream has a namespace."""
        namespace = "default" if cluster.config.internalRegistryHostname else ""
        return ImageStream(metadata=ObjectMeta(namespace=namespace))

    return Collection(
        cluster.streams,
        cluster.kinds.streams,
        ImageStreamList,
        cluster.timing,
        selectable=SELECTABLE,
        shown=cluster.strategy.decorate,
        empty=empty,
        stored=StoredStreams(cluster.strategy),
    )


class StreamResource:
    """Everything that can be done with image streams."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.streams
        self._fields = FieldManager(self._kind, cluster.now)
        self._status_fields = FieldManager(self._kind, cluster.now, "status")
        self._status = StatusStrategy(cluster.strategy)
        self.collection = stream_collection(cluster)

    async def get(self, call: Call) -> Reply:
        """One stream."""
        return Reply(self._shown(self._cluster.strategy.decorate(await self._read(call))))

    async def get_status(self, call: Call) -> Reply:
        """One stream with the repositories of its status as they were stored."""
        return Reply(self._shown(await self._read(call)))

    async def _read(self, call: Call) -> ImageStream:
        await check_version(self._cluster.store, call.request)
        return await self._cluster.streams.get(call.namespace, call.name)

    async def create(self, call: Call) -> Reply:
        """A new stream. What the client says of its status is dropped."""
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            strategy = self._cluster.strategy
            stream = await self._cluster.stream_registry.create(new.item, strategy, dry_run=new.options.dry_run)
            return Reply(self._shown(strategy.decorate(stream)), 201, tuple(new.warnings))

    async def update(self, call: Call) -> Reply:
        """A stream in place of the one that is there, whose status stays."""
        reply = await self._write(call, Replacement(call, self._kind, self._fields), self._cluster.strategy)
        assert isinstance(reply.value, ImageStream)
        self._cluster.strategy.decorate(reply.value)
        return reply

    async def update_status(self, call: Call) -> Reply:
        """Another status for a stream, with its labels, annotations and lookup policy."""
        return await self._write(call, Replacement(call, self._kind, self._status_fields), self._status)

    async def patch(self, call: Call) -> Reply:
        """A patched stream, whose status stays as it is."""
        reply = await self._write(call, Patch(call, self._kind, self._fields), self._cluster.strategy)
        assert isinstance(reply.value, ImageStream)
        self._cluster.strategy.decorate(reply.value)
        return reply

    async def patch_status(self, call: Call) -> Reply:
        """A stream whose status is patched."""
        return await self._write(call, Patch(call, self._kind, self._status_fields), self._status)

    async def _write(self, call: Call, update: Update[ImageStream], strategy: Strategy[ImageStream]) -> Reply:
        with warned(update.warnings):
            registry = self._cluster.stream_registry
            stream, created = await registry.update(call.namespace, call.name, update, strategy)
            return Reply(self._shown(stream), 201 if created else 200, tuple(update.warnings))

    async def delete(self, call: Call) -> Reply:
        """Removes a stream; images stay."""
        options = delete_options(call.request)
        deleted = await self._cluster.stream_registry.delete(call.namespace, call.name, options)
        if isinstance(deleted, Status):
            return Reply(deleted)
        return Reply(self._shown(deleted), 202 if options.orphanDependents is False else 200)

    async def delete_collection(self, call: Call) -> Reply:
        """Removes many streams."""
        return await self.collection.delete(call, self._cluster.stream_registry)

    def _shown(self, stream: ImageStream) -> ImageStream:
        stream.kind, stream.apiVersion = self._kind.kind, API_VERSION
        return stream
