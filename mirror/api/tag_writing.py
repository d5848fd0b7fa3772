"""Writing the stream behind a tag (openshift-apiserver ``registry/{imagestreamtag,imagetag}/rest.go``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.failures import ApiFailure
from mirror.api.strategy import InternalStrategy
from mirror.api.updates import Written
from mirror.v1.imagestream import ImageStream
from mirror.v1.meta import ObjectMeta, Status
from mirror.v1.options import DeleteOptions

_ATTEMPTS: Final = 10
_RETRY_AFTER: Final = 2


class TagStreams:
    """The streams behind the tags of one resource; `resource` is what messages call them."""

    def __init__(self, cluster: Cluster, resource: str) -> None:
        self._cluster = cluster
        self._internal = InternalStrategy(cluster.strategy)
        self._resource = resource

    async def find(self, namespace: str, name: str) -> ImageStream | None:
        """A stream as readers see it, or None."""
        stream = await self._cluster.streams.find(namespace, name)
        return None if stream is None else self._cluster.strategy.decorate(stream)

    async def get(self, namespace: str, name: str) -> ImageStream:
        """A stream as readers see it.

        Raises:
            ApiFailure: 404, with the name of the stream.
        """
        stream = await self._cluster.streams.get(namespace, name, called=self._resource)
        return self._cluster.strategy.decorate(stream)

    def new(self, namespace: str, name: str) -> ImageStream:
        """A stream that is not there yet."""
        uid = self._cluster.uids.uid(self._cluster.streams.resource, namespace, name)
        meta = ObjectMeta(name=name, namespace=namespace, uid=uid, creationTimestamp=self._cluster.now())
        return ImageStream(metadata=meta)

    async def write(self, stream: ImageStream, *, exists: bool, dry_run: bool) -> ImageStream:
        """Stores a stream: a changed one with its status, a new one without.

        Raises:
            ApiFailure: 404, 409 or 422.
        """
        registry, strategy = self._cluster.stream_registry, self._cluster.strategy
        meta = stream.metadata
        if exists:
            update = Written(stream, dry_run=dry_run)
            written, _ = await registry.update(meta.namespace, meta.name, update, self._internal, called=self._resource)
        else:
            written = await registry.create(stream, strategy, dry_run=dry_run, called=self._resource)
        return strategy.decorate(written)

    async def add(
        self, namespace: str, name: str, change: Callable[[ImageStream], None], *, dry_run: bool
    ) -> ImageStream:
        """Stores a stream with a change, as often as somebody else was faster.

        Raises:
            ApiFailure: 409, 422, or 500 where somebody always was.
        """
        for _ in range(_ATTEMPTS):
            stream = await self.find(namespace, name)
            exists = stream is not None
            stream = stream or self.new(namespace, name)
            change(stream)
            try:
                return await self.write(stream, exists=exists, dry_run=dry_run)
            except ApiFailure as failure:
                if failure.status.reason not in ("AlreadyExists", "Conflict"):
                    raise
        raise failures.server_timeout(self._resource, "create", _RETRY_AFTER)

    async def remove_tag(self, namespace: str, stream_name: str, tag: str, options: DeleteOptions) -> Status:
        """Takes a tag out of the spec and the status of its stream.

        Raises:
            ApiFailure: 404, 409, or 500 where somebody else was always faster.
        """
        name = f"{stream_name}:{tag}"
        for _ in range(_ATTEMPTS):
            stream = await self.get(namespace, stream_name)
            wanted = options.preconditions.uid if options.preconditions is not None else None
            if wanted is not None and wanted != stream.metadata.uid:
                raise failures.conflict(self._resource, name, "the UID precondition was not met")
            if not _without(stream, tag):
                raise failures.not_found(self._resource, name)
            try:
                await self.write(stream, exists=True, dry_run=bool(options.dryRun))
            except ApiFailure as failure:
                if failure.status.reason == "Conflict":
                    continue
                if failure.status.reason != "NotFound":
                    raise
            return failures.success()
        raise failures.server_timeout(self._resource, "delete", _RETRY_AFTER)


def _without(stream: ImageStream, tag: str) -> bool:
    """Removes a tag; whether there was one."""
    spec = [one for one in stream.spec.tags or () if one.name != tag]
    status = [one for one in stream.status.tags or () if one.tag != tag]
    changed = len(spec) != len(stream.spec.tags or ()) or len(status) != len(stream.status.tags or ())
    stream.spec.tags, stream.status.tags = spec or None, status or None
    return changed


def check_seen(given: ObjectMeta, stream: ImageStream, resource: str, name: str) -> bool:
    """Compares the resource version that a client sends for a tag with its stream's, and completes it.

    Returns whether the client left it open, so that the write may be tried again.

    Raises:
        ApiFailure: 404 or 409.
    """
    current = stream.metadata.resourceVersion
    if not given.resourceVersion:
        given.resourceVersion = current
        return True
    if not current:
        raise failures.not_found(resource, name)
    if given.resourceVersion != current:
        problem = f"another caller has updated the resource version to {current}"
        raise failures.conflict(resource, given.name, problem)
    return False
