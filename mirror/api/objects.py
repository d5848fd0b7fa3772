"""Typed objects over a store: encoding, resource versions, and the failures as the API words them."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from mirror.api import failures
from mirror.store import AlreadyExists, Conflict, Missing, Record, Store
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream

T = TypeVar("T", ImageStream, Image)

IMAGE_STREAMS: Final = "imagestreams"
IMAGES: Final = "images"


class Objects(Generic[T]):
    """The objects of one resource."""

    def __init__(self, store: Store, resource: str, kind: type[T]) -> None:
        self._store = store
        self._resource = resource
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()

    def _decode(self, record: Record) -> T:
        decoded = self._decoder.decode(record.value)
        decoded.metadata.resourceVersion = str(record.version)
        return decoded

    def _encode(self, item: T) -> bytes:
        return self._encoder.encode(item)

    async def find(self, namespace: str, name: str) -> T | None:
        """One object, or None."""
        try:
            return self._decode(await self._store.get(self._resource, namespace, name))
        except Missing:
            return None

    async def get(self, namespace: str, name: str, *, called: str | None = None) -> T:
        """One object; `called` is what a message calls the resource.

        Raises:
            ApiFailure: 404.
        """
        item = await self.find(namespace, name)
        if item is None:
            raise failures.not_found(called or self._resource, name)
        return item

    async def list(self, namespace: str | None = None) -> list[T]:
        """All objects, by namespace and name."""
        return [self._decode(record) for record in await self._store.list(self._resource, namespace)]

    async def create(self, item: T, *, called: str | None = None) -> T:
        """Writes a new object and gives it its resource version.

        Raises:
            ApiFailure: 409, there is one of that name.
        """
        meta = item.metadata
        meta.resourceVersion = ""
        try:
            record = await self._store.create(self._resource, meta.namespace, meta.name, self._encode(item))
        except AlreadyExists:
            raise failures.already_exists(called or self._resource, meta.name) from None
        meta.resourceVersion = str(record.version)
        return item

    async def update(self, item: T, seen: str, *, called: str | None = None) -> T:
        """Replaces an object that is still at the version `seen`.

        Raises:
            ApiFailure: 404, 409.
        """
        meta = item.metadata
        meta.resourceVersion = ""
        called = called or self._resource
        try:
            record = await self._store.update(self._resource, meta.namespace, meta.name, self._encode(item), int(seen))
        except Missing:
            raise failures.not_found(called, meta.name) from None
        except Conflict:
            raise failures.conflict(called, meta.name, failures.MODIFIED) from None
        meta.resourceVersion = str(record.version)
        return item

    async def delete(self, namespace: str, name: str) -> T:
        """Removes an object; what is returned was there.

        Raises:
            ApiFailure: 404.
        """
        try:
            return self._decode(await self._store.delete(self._resource, namespace, name))
        except Missing:
            raise failures.not_found(self._resource, name) from None
