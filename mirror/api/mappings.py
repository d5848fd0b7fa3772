"""The resource ``imagestreammappings``: what a registry says after a push (``registry/imagestreammapping``)."""

from __future__ import annotations

from typing import Final

from mirror.api import failures, history
from mirror.api.cluster import Cluster
from mirror.api.failures import ApiFailure
from mirror.api.image_strategy import ImageStrategy
from mirror.api.image_validation import mapping_errors
from mirror.api.metadata import common_errors
from mirror.api.routing import Call, Reply
from mirror.api.strategy import StatusStrategy
from mirror.api.updates import Written, new_object, warned
from mirror.reference import InvalidReference, Reference
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, TagEvent
from mirror.v1.imagetag import ImageStreamMapping

MAPPINGS: Final = "imagestreammappings"
MANAGED: Final = "openshift.io/image.managed"
_ATTEMPTS: Final = 10


class MappingResource:
    """Creates mappings, of which nothing is kept but what they do to images and streams."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.mappings
        self._status = StatusStrategy(cluster.strategy)
        self._images = ImageStrategy(cluster.now)

    async def create(self, call: Call) -> Reply:
        """Puts an image at the head of a tag's history. Like the real server it does not honour ``dryRun``."""
        new = new_object(call, self._kind)
        with warned(new.warnings):
            mapping = new.item
            self._prepare(mapping)
            stream = await self._stream(mapping)
            image = self._cluster.kinds.images.copy(mapping.image)
            await self._tag(mapping, stream, image, await self._store(image))
            return Reply(failures.success(201), 201, tuple(new.warnings))

    def _prepare(self, mapping: ImageStreamMapping) -> None:
        meta, image = mapping.metadata, mapping.image
        if meta.generateName and not meta.name:
            raise failures.internal_error("metadata.name was not generated")
        internal = self._cluster.config.internalRegistryHostname
        if not image.dockerImageReference and internal:
            own = Reference(registry=internal, namespace=meta.namespace, name=meta.name, id=image.metadata.name)
            image.dockerImageReference = own.exact()
        image.signatures = None
        errors = mapping_errors(mapping) or common_errors(meta)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors)

    async def _stream(self, mapping: ImageStreamMapping) -> ImageStream:
        meta = mapping.metadata
        stream = await self._cluster.streams.get(meta.namespace, meta.name, called=MAPPINGS)
        return self._cluster.strategy.decorate(stream)

    async def _store(self, image: Image) -> bool:
        """Stores the image; whether it is a new one."""
        try:
            await self._cluster.image_registry.create(image, self._images, called=MAPPINGS)
        except ApiFailure as failure:
            if failure.status.reason != "AlreadyExists":
                raise
            return False
        return True

    async def _tag(self, mapping: ImageStreamMapping, stream: ImageStream, image: Image, is_new: bool) -> None:
        """Adds the event, once more on a later stream if nobody else has touched the tag since.

        Raises:
            ApiFailure: 404, 409 or 422.
        """
        reference = image.dockerImageReference
        if not is_new and (image.metadata.annotations or {}).get(MANAGED) == "true":
            reference = _in_stream(stream, image) or reference
        tag = mapping.tag
        created = self._cluster.now()
        for attempt in range(1, _ATTEMPTS + 1):
            before = _key(stream, tag)
            event = TagEvent(created, reference, image.metadata.name, stream.metadata.generation)
            if not history.add_event(stream, tag, event):
                return
            history.follow_tag(stream, tag, event)
            meta = stream.metadata
            try:
                await self._cluster.stream_registry.update(
                    meta.namespace, meta.name, Written(stream, dry_run=False), self._status, called=MAPPINGS
                )
            except ApiFailure as failure:
                if failure.status.reason != "Conflict" or attempt == _ATTEMPTS:
                    raise
                stream = await self._stream(mapping)
                if before is not None and before != _key(stream, tag):
                    raise
            else:
                return


def _key(stream: ImageStream, tag: str) -> tuple[str, str] | None:
    """What the newest event of a tag is about."""
    head = history.newest(history.status_tag(stream, tag))
    return None if head is None else (head.dockerImageReference, head.image)


def _in_stream(stream: ImageStream, image: Image) -> str:
    """The pull spec of an image in a stream's own repository; empty if it has none."""
    repository = stream.status.dockerImageRepository or stream.spec.dockerImageRepository
    try:
        return Reference.parse(repository).replace(id=image.metadata.name).exact()
    except InvalidReference:
        return ""
