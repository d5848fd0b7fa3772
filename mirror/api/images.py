"""The resource ``images``."""

from __future__ import annotations

from mirror.api.cluster import Cluster
from mirror.api.collections import Collection
from mirror.api.decoding import API_VERSION
from mirror.api.deletion import delete_options
from mirror.api.image_strategy import ImageStrategy
from mirror.api.managed_fields import FieldManager
from mirror.api.patching import Patch
from mirror.api.reading import check_version
from mirror.api.routing import Call, Reply
from mirror.api.updates import Replacement, Update, new_object, warned
from mirror.v1.image import Image, ImageList
from mirror.v1.meta import Status


class ImageResource:
    """Everything that can be done with images. Most are made by imports."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind = cluster.kinds.images
        self._fields = FieldManager(self._kind, cluster.now)
        self._strategy = ImageStrategy(cluster.now)
        self.collection = Collection(cluster.images, self._kind, ImageList, cluster.timing)

    async def get(self, call: Call) -> Reply:
        """One image, by the digest that is its name."""
        await check_version(self._cluster.store, call.request)
        return Reply(self._shown(await self._cluster.images.get("", call.name)))

    async def create(self, call: Call) -> Reply:
        """A new image, completed by what its manifest says."""
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            registry = self._cluster.image_registry
            image = await registry.create(new.item, self._strategy, dry_run=new.options.dry_run)
            return Reply(self._shown(image), 201, tuple(new.warnings))

    async def update(self, call: Call) -> Reply:
        """An image in place of the one that is there, as far as that can be changed."""
        return await self._write(call, Replacement(call, self._kind, self._fields))

    async def patch(self, call: Call) -> Reply:
        """A patched image."""
        return await self._write(call, Patch(call, self._kind, self._fields))

    async def _write(self, call: Call, update: Update[Image]) -> Reply:
        with warned(update.warnings):
            image, created = await self._cluster.image_registry.update("", call.name, update, self._strategy)
            return Reply(self._shown(image), 201 if created else 200, tuple(update.warnings))

    async def delete(self, call: Call) -> Reply:
        """Removes an image, whoever refers to it."""
        options = delete_options(call.request)
        deleted = await self._cluster.image_registry.delete("", call.name, options)
        if isinstance(deleted, Status):
            return Reply(deleted)
        return Reply(self._shown(deleted), 202 if options.orphanDependents is False else 200)

    async def delete_collection(self, call: Call) -> Reply:
        """Removes many images."""
        return await self.collection.delete(call, self._cluster.image_registry)

    def _shown(self, image: Image) -> Image:
        image.kind, image.apiVersion = self._kind.kind, API_VERSION
        return image
