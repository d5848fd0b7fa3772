"""Objects and history in memory, and the rules of writing: what every store reads from, wherever its writes last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mirror.store.history import History
from mirror.store.interface import (
    AlreadyExists,
    Change,
    ChangeType,
    Conflict,
    Missing,
    Page,
    Record,
    StoreClosed,
    Watch,
)
from mirror.store.records import Records


@dataclass(frozen=True, slots=True)
class Write:
    """What a writer wants. `seen` is the version that the object has to be at, None any."""

    type: ChangeType
    resource: str
    namespace: str
    name: str
    value: bytes = b""
    seen: int | None = None


class State:
    """What there is: a plain data structure, that one thread uses at a time."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._records: dict[str, Records] = {}

    def find(self, resource: str, namespace: str, name: str) -> Record | None:
        """One object, or None."""
        records = self._records.get(resource)
        return None if records is None else records.find(namespace, name)

    def page(
        self, resource: str, namespace: str | None, after: tuple[str, str] | None, limit: int | None, at: int | None
    ) -> Page:
        """See `Store.page`."""
        version = self.history.version if at is None else min(at, self.history.version)
        earlier = self.history.earlier(resource, version)
        records = self._records.get(resource) or Records()
        part, remaining = records.part(namespace, after, limit, earlier)
        return Page(part, version, remaining)

    def judge(self, write: Write) -> Record | None:
        """The object that a write replaces or removes; None for one that creates.

        Raises:
            AlreadyExists, Missing, Conflict: the write is refused.
            ValueError: the key is no text, or its namespace has a slash, so that keys would not be distinct.
        """
        found = self.find(write.resource, write.namespace, write.name)
        if write.type == "ADDED":
            if found is not None:
                raise AlreadyExists(write.name)
            f"{write.namespace}{write.name}".encode()
            if "/" in write.namespace:
                raise ValueError(f"a namespace has no slash: {write.namespace}")
            return None
        if found is None:
            raise Missing(write.name)
        if write.seen is not None and found.version != write.seen:
            raise Conflict(write.name)
        return found

    def put(self, record: Record) -> None:
        """Sets what is there under a key, beside history: for what is older than that."""
        records = self._records.get(record.resource)
        if records is None:
            records = self._records[record.resource] = Records()
        records.put(record)

    def apply(self, change: Change) -> list[Change]:
        """Lets the next change happen; what is returned was compacted for it."""
        if change.type == "DELETED":
            self._records[change.record.resource].remove(change.record)
        else:
            self.put(change.record)
        return self.history.append(change)


def change_of(write: Write, before: Record | None, version: int) -> Change:
    """What an accepted write does."""
    if write.type == "DELETED":
        assert before is not None
        return Change(write.type, replace(before, version=version), before)
    return Change(write.type, Record(write.resource, write.namespace, write.name, version, write.value), before)


class StateStore(ABC):
    """A store that reads from a `State`; how a write gets there is left open."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._closed = False

    @abstractmethod
    async def _write(self, write: Write) -> Change:
        """Judges a write and lets it happen."""

    def _check_open(self) -> None:
        """
        Raises:
            StoreClosed: it is closed.
        """
        if self._closed:
            raise StoreClosed

    async def version(self) -> int:
        return self._state.history.version

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        record = self._state.find(resource, namespace, name)
        if record is None:
            raise Missing(name)
        return record

    async def page(
        self,
        resource: str,
        namespace: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        at: int | None = None,
    ) -> Page:
        return self._state.page(resource, namespace, after, limit, at)

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        return (await self._write(Write("ADDED", resource, namespace, name, value))).record

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        return (await self._write(Write("MODIFIED", resource, namespace, name, value, seen))).record

    async def delete(self, resource: str, namespace: str, name: str, seen: int | None = None) -> Record:
        change = await self._write(Write("DELETED", resource, namespace, name, seen=seen))
        assert change.before is not None
        return change.before

    def watch(self, resource: str, since: int) -> Watch:
        return self._state.history.watch(resource, since)

    async def close(self) -> None:
        self._closed = True
        self._state.history.end()

    async def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return (await self.page(resource, namespace)).records
