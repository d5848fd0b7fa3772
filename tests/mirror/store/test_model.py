"""The store in a file does what the store in memory does, whatever is asked of them, and however often it is opened."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirror.errors import IsmirrorError
from mirror.store import MemoryStore, Page, Store
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database

HISTORY = 8

resources = st.sampled_from(["imagestreams", "images"])
namespaces = st.sampled_from(["", "a", "a-b", "b"])
names = st.sampled_from(["x", "y", "sha256:0"])
values = st.binary(max_size=40)
back = st.integers(-2, 30)
"""How long ago, in versions."""


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.memory = MemoryStore(history=HISTORY, history_bytes=100)
        self.file = self.run(self.open())

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    async def open(self) -> SqlStore:
        path = Path(self.directory.name) / "state.db"
        return await SqlStore.open(sqlite_database(path), history=HISTORY, history_bytes=100)

    def teardown(self) -> None:
        self.run(self.file.close())
        self.runner.close()
        self.directory.cleanup()

    def same(self, call: str, *arguments: object) -> None:
        async def outcome(store: Store) -> object:
            try:
                result = await getattr(store, call)(*arguments)
                return (list(result.records), result.version, result.remaining) if isinstance(result, Page) else result
            except IsmirrorError as error:
                return type(error), str(error)

        assert self.run(outcome(self.file)) == self.run(outcome(self.memory))

    def ago(self, versions: int) -> int:
        version: int = self.run(self.memory.version())
        return version - versions

    @rule(resource=resources, namespace=namespaces, name=names, value=values)
    def create(self, resource: str, namespace: str, name: str, value: bytes) -> None:
        self.same("create", resource, namespace, name, value)

    @rule(resource=resources, namespace=namespaces, name=names, value=values, seen=st.none() | back)
    def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int | None) -> None:
        self.same("update", resource, namespace, name, value, self.seen(resource, namespace, name, seen))

    @rule(resource=resources, namespace=namespaces, name=names, seen=st.none() | back, checked=st.booleans())
    def delete(self, resource: str, namespace: str, name: str, seen: int | None, checked: bool) -> None:
        self.same("delete", resource, namespace, name, self.seen(resource, namespace, name, seen) if checked else None)

    def seen(self, resource: str, namespace: str, name: str, versions: int | None) -> int:
        """The version that the object is at, or any other."""
        if versions is not None:
            return self.ago(versions)
        found = [record.version for record in self.run(self.memory.list(resource, namespace)) if record.name == name]
        return found[0] if found else 0

    @rule(
        resource=resources,
        namespace=st.none() | namespaces,
        after=st.none() | st.tuples(namespaces, names),
        limit=st.none() | st.integers(0, 5),
        versions=st.none() | back,
    )
    def page(
        self,
        resource: str,
        namespace: str | None,
        after: tuple[str, str] | None,
        limit: int | None,
        versions: int | None,
    ) -> None:
        self.same("page", resource, namespace, after, limit, None if versions is None else self.ago(versions))

    @rule(resource=resources, versions=st.integers(0, 30))
    def watch(self, resource: str, versions: int) -> None:
        since = self.ago(versions)

        async def changes(store: Store) -> object:
            try:
                watch = store.watch(resource, since)
            except IsmirrorError as error:
                return str(error)
            waiting = asyncio.ensure_future(watch.batch(1000))
            await asyncio.sleep(0)
            watch.close()
            return list(await waiting), watch.version

        assert self.run(changes(self.file)) == self.run(changes(self.memory))

    @rule(resource=resources, versions=st.integers(0, HISTORY))
    def replay(self, resource: str, versions: int) -> None:
        """What was there at a version, and the changes since then, make what is there now."""

        async def replayed(version: int) -> None:
            try:
                page = await self.file.page(resource, at=version)
            except IsmirrorError:
                return
            objects = {(record.namespace, record.name): record for record in page.records}
            watch = self.file.watch(resource, version)
            if watch.version == version != await self.file.version():
                for change in await watch.batch(1000):
                    key = (change.record.namespace, change.record.name)
                    assert objects.pop(key, None) == change.before
                    if change.type != "DELETED":
                        objects[key] = change.record
            assert set(objects.values()) == set(await self.file.list(resource))

        self.run(replayed(self.ago(versions)))

    @rule()
    def reopen(self) -> None:
        self.run(self.file.close())
        self.file = self.run(self.open())

    @invariant()
    def same_version(self) -> None:
        self.same("version")
        self.same("page", "images")
        self.same("page", "imagestreams")


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
