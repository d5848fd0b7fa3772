"""A stored resource with everything that can be done with it, by the rules that all kinds share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic

import msgspec

from mirror.api.cluster import Cluster
from mirror.api.collections import Collection
from mirror.api.deletion import delete_options
from mirror.api.field_selectors import SelectableFields
from mirror.api.managed_fields import FieldManager
from mirror.api.objects import Objects
from mirror.api.patching import Patch
from mirror.api.reading import check_version
from mirror.api.registry import Registry, Strategy
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, Reply, Route, Verbs
from mirror.api.updates import Replacement, Update, new_object, warned
from mirror.v1.meta import Status

Hook = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    pass


class StoredResource(Generic[T]):
    """The objects of one kind. `changed` is told of every write."""

    def __init__(
        self,
        cluster: Cluster,
        kind: ResourceKind[T],
        list_type: Callable[..., msgspec.Struct],
        strategy: Strategy[T],
        changed: Hook = _nothing,
        selectable: SelectableFields[T] | None = None,
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._strategy = strategy
        self._changed = changed
        self._fields = FieldManager(kind, cluster.now)
        self.objects = Objects(cluster.store, kind.resource, kind.type, kind.group)
        self.registry = Registry(self.objects, kind, cluster.uids, cluster.now)
        self.collection = Collection(self.objects, kind, list_type, cluster.timing, selectable=selectable)

    def route(self) -> Route:
        """The routes of the resource."""
        reading: Verbs = {"list": self.collection.list, "watch": self.collection.watch}
        collection: Verbs = {**reading, "create": self.create, "deletecollection": self.delete_collection}
        item: Verbs = {"get": self.get, "update": self.update, "patch": self.patch, "delete": self.delete}
        if self._kind.namespaced:
            return Route(True, collection, reading, item)
        return Route(False, everywhere=collection, item=item)

    async def get(self, call: Call) -> Reply:
        """One object."""
        await check_version(self._cluster.store, call.request)
        return Reply(self.shown(await self.objects.get(call.namespace, call.name)))

    async def create(self, call: Call) -> Reply:
        """A new object."""
        new = new_object(call, self._kind, self._fields)
        with warned(new.warnings):
            item = await self.registry.create(new.item, self._strategy, dry_run=new.options.dry_run)
            await self._changed()
            return Reply(self.shown(item), 201, tuple(new.warnings))

    async def update(self, call: Call) -> Reply:
        """An object in place of the one that is there."""
        return await self._write(call, Replacement(call, self._kind, self._fields))

    async def patch(self, call: Call) -> Reply:
        """A patched object."""
        return await self._write(call, Patch(call, self._kind, self._fields))

    async def _write(self, call: Call, update: Update[T]) -> Reply:
        with warned(update.warnings):
            item, created = await self.registry.update(call.namespace, call.name, update, self._strategy)
            await self._changed()
            return Reply(self.shown(item), 201 if created else 200, tuple(update.warnings))

    async def delete(self, call: Call) -> Reply:
        """Removes an object."""
        options = delete_options(call.request)
        deleted = await self.registry.delete(call.namespace, call.name, options)
        await self._changed()
        return Reply(deleted if isinstance(deleted, Status) else self.shown(deleted))

    async def delete_collection(self, call: Call) -> Reply:
        """Removes many objects."""
        reply = await self.collection.delete(call, self.registry)
        await self._changed()
        return reply

    def shown(self, item: T) -> T:
        """The object as an answer."""
        item.kind, item.apiVersion = self._kind.kind, self._kind.api_version
        return item
