"""The resource ``images``."""

from __future__ import annotations

from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.routing import Call, Reply
from mirror.v1.image import ImageList
from mirror.v1.meta import ListMeta

KIND = "Image"


class ImageResource:
    """Reads images. They are made by imports."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """One image, by the digest that is its name."""
        image = await self._cluster.images.get("", call.name)
        image.kind, image.apiVersion = KIND, API_VERSION
        return Reply(image)

    async def list(self, call: Call) -> Reply:
        """All images."""
        del call
        version = str(await self._cluster.store.version())
        images = await self._cluster.images.list()
        return Reply(ImageList(f"{KIND}List", API_VERSION, ListMeta(resourceVersion=version), images))
