"""The resource ``imagestreams``."""

from __future__ import annotations

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION, decode_body
from mirror.api.defaults import default_stream
from mirror.api.failures import ApiFailure
from mirror.api.imports import own_namespace, reset_metadata
from mirror.api.objects import IMAGE_STREAMS
from mirror.api.routing import Call, Reply, WarnedFailure
from mirror.v1.imagestream import ImageStream, ImageStreamList, ImageStreamStatus
from mirror.v1.meta import ListMeta, StatusDetails

KIND = "ImageStream"


class StreamResource:
    """Reads, creates and deletes image streams."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """One stream."""
        stream = await self._cluster.streams.get(call.namespace, call.name)
        return Reply(self._shown(stream))

    async def list(self, call: Call) -> Reply:
        """The streams of a namespace, or of all."""
        streams = await self._cluster.streams.list(call.namespace or None)
        version = str(await self._cluster.store.version())
        items = [self._cluster.strategy.decorate(stream) for stream in streams]
        meta = ListMeta(resourceVersion=version)
        return Reply(ImageStreamList(f"{KIND}List", API_VERSION, meta, items))

    async def create(self, call: Call) -> Reply:
        """A new stream. What the client says of its status is dropped."""
        body = decode_body(call.request, KIND, ImageStream)
        try:
            stream = await self._create(body.value, call.namespace)
        except ApiFailure as failure:
            raise WarnedFailure(failure, body.warnings) from None
        return Reply(self._shown(stream), 201, tuple(body.warnings))

    async def _create(self, stream: ImageStream, namespace: str) -> ImageStream:
        cluster = self._cluster
        meta = stream.metadata
        own_namespace(meta, namespace)
        if meta.resourceVersion:
            raise failures.plain_error("resourceVersion should not be set on objects to be created")
        reset_metadata(meta)
        default_stream(stream, cluster.mode)
        stream.status = ImageStreamStatus()
        meta.uid = cluster.uids.uid(IMAGE_STREAMS, namespace, meta.name)
        meta.creationTimestamp = cluster.now()
        stream.kind = stream.apiVersion = ""
        await cluster.strategy.prepare_create(stream)
        return await cluster.streams.create(stream)

    async def delete(self, call: Call) -> Reply:
        """Removes a stream; images stay."""
        stream = await self._cluster.streams.delete(call.namespace, call.name)
        details = StatusDetails(name=call.name, group=failures.GROUP, kind=IMAGE_STREAMS, uid=stream.metadata.uid)
        return Reply(failures.success(details=details))

    def _shown(self, stream: ImageStream) -> ImageStream:
        stream.kind, stream.apiVersion = KIND, API_VERSION
        return self._cluster.strategy.decorate(stream)
