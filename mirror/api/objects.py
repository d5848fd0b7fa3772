"""Typed objects over a store: encoding, resource versions, and the failures as the API words them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from mirror.api import failures
from mirror.api.metadata import path_segment_errors
from mirror.gotext import quote
from mirror.store import AlreadyExists, Conflict, Missing, Record, Store
from mirror.v1.meta import ApiObject

T = TypeVar("T", bound=ApiObject)

IMAGE_STREAMS: Final = "imagestreams"
IMAGES: Final = "images"


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """An object as it was found, and the bytes that it was found as."""

    item: T
    value: bytes


class Objects(Generic[T]):
    """The objects of one resource."""

    def __init__(self, store: Store, resource: str, kind: type[T], group: str = failures.GROUP) -> None:
        """`group` is that of the resource; what is stored of other groups than this API's own has it in its key."""
        self.store = store
        self.resource = resource if group == failures.GROUP else f"{resource}.{group or 'core'}"
        self._called = resource
        self._group = group
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder(order="deterministic")

    def decode(self, record: Record) -> T:
        """The object of a record, with its resource version."""
        decoded = self._decoder.decode(record.value)
        decoded.metadata.resourceVersion = str(record.version)
        return decoded

    def _encode(self, item: T) -> bytes:
        return self._encoder.encode(item)

    async def look_up(self, namespace: str, name: str) -> Stored[T] | None:
        """One object as it is stored, or None.

        Raises:
            ApiFailure: 400, there can be no object of that name.
        """
        check_name(name)
        try:
            record = await self.store.get(self.resource, namespace, name)
        except Missing:
            return None
        return Stored(self.decode(record), record.value)

    async def find(self, namespace: str, name: str) -> T | None:
        """One object, or None.

        Raises:
            ApiFailure: 400, there can be no object of that name.
        """
        stored = await self.look_up(namespace, name)
        return None if stored is None else stored.item

    async def get(self, namespace: str, name: str, *, called: str | None = None) -> T:
        """One object; `called` is what a message calls the resource.

        Raises:
            ApiFailure: 400, 404.
        """
        item = await self.find(namespace, name)
        if item is None:
            raise failures.not_found(called or self._called, name, self._group)
        return item

    async def list(self, namespace: str | None = None) -> list[T]:
        """All objects, by namespace and name."""
        return [self.decode(record) for record in await self.store.list(self.resource, namespace)]

    async def create(self, item: T, *, called: str | None = None, dry_run: bool = False) -> T:
        """Writes a new object and gives it its resource version; a dry run only looks whether that could be done.

        Raises:
            ApiFailure: 409, there is one of that name.
        """
        meta = item.metadata
        meta.resourceVersion = ""
        try:
            if dry_run:
                if await self.look_up(meta.namespace, meta.name) is not None:
                    raise AlreadyExists(meta.name)
                return item
            record = await self.store.create(self.resource, meta.namespace, meta.name, self._encode(item))
        except AlreadyExists:
            raise failures.already_exists(called or self._called, meta.name, self._group) from None
        meta.resourceVersion = str(record.version)
        return item

    async def update(self, item: T, seen: str, *, called: str | None = None) -> T:
        """Replaces an object that is still at the version `seen`.

        Raises:
            ApiFailure: 404, 409.
        """
        called = called or self._called
        try:
            await self.replace(item, seen)
        except Missing:
            raise failures.not_found(called, item.metadata.name, self._group) from None
        except Conflict:
            raise failures.conflict(called, item.metadata.name, failures.MODIFIED, self._group) from None
        return item

    async def replace(self, item: T, seen: str, *, before: bytes | None = None) -> None:
        """Replaces an object that is still at the version `seen`, and gives it its new version.

        What would be stored as the bytes that are there `before` is not written, and keeps its version.

        Raises:
            Missing, Conflict: somebody else was faster.
        """
        meta = item.metadata
        meta.resourceVersion = ""
        value = self._encode(item)
        if value == before:
            meta.resourceVersion = seen
            return
        record = await self.store.update(self.resource, meta.namespace, meta.name, value, int(seen))
        meta.resourceVersion = str(record.version)

    async def delete(self, namespace: str, name: str, *, seen: str | None = None) -> T:
        """Removes an object, if `seen` is given only at that version; what is returned was there.

        Raises:
            Missing, Conflict: there is none, or not at that version.
        """
        version = None if seen is None else int(seen)
        return self.decode(await self.store.delete(self.resource, namespace, name, version))


def check_name(name: str) -> None:
    """Refuses names that cannot be part of a storage key.

    Raises:
        ApiFailure: 400.
    """
    problems = path_segment_errors(name)
    if problems:
        raise failures.bad_request(f"Name parameter invalid: {quote(name)}: {';'.join(problems)}")


def named(items: list[Any], name: str) -> Any:
    """The first of some objects that has a name, or None."""
    return next((item for item in items if item.metadata.name == name), None)
