"""A store in which nothing stays: to every import the cluster is as empty as to the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mirror.store import Missing, Page, Record, Watch
from mirror.store.interface import FIRST_VERSION


class NothingKept:
    """A `mirror.store.Store` whose writes succeed and are forgotten, but for what it is told to keep."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], Record | None] = {}

    @contextmanager
    def keeping(self, resource: str, namespace: str, name: str) -> Iterator[None]:
        """Keeps what is written of one object while the block runs."""
        key = (resource, namespace, name)
        self._kept[key] = None
        try:
            yield
        finally:
            del self._kept[key]

    async def version(self) -> int:
        return FIRST_VERSION

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        found = self._kept.get((resource, namespace, name))
        if found is None:
            raise Missing(name)
        return found

    async def page(
        self,
        resource: str,
        namespace: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        at: int | None = None,
    ) -> Page:
        return Page([], FIRST_VERSION, 0)

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        return self._written(Record(resource, namespace, name, FIRST_VERSION, value))

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        await self.get(resource, namespace, name)
        return self._written(Record(resource, namespace, name, seen + 1, value))

    def _written(self, record: Record) -> Record:
        key = (record.resource, record.namespace, record.name)
        if key in self._kept:
            self._kept[key] = record
        return record

    async def delete(self, resource: str, namespace: str, name: str, seen: int | None = None) -> Record:
        raise Missing(name)

    def watch(self, resource: str, since: int) -> Watch:
        raise NotImplementedError("there is nothing to watch")

    async def close(self) -> None:
        """Nothing is open."""

    async def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return []
