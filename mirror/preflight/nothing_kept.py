"""A store in which nothing stays: to every import the cluster is as empty as to the first."""

from __future__ import annotations

from collections.abc import Sequence

from mirror.store import Missing, Page, Record, Watch
from mirror.store.interface import FIRST_VERSION


class NothingKept:
    """A `mirror.store.Store` whose writes succeed and are forgotten."""

    async def version(self) -> int:
        return FIRST_VERSION

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        raise Missing(name)

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
        return Record(resource, namespace, name, FIRST_VERSION, value)

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        raise Missing(name)

    async def delete(self, resource: str, namespace: str, name: str, seen: int | None = None) -> Record:
        raise Missing(name)

    def watch(self, resource: str, since: int) -> Watch:
        raise NotImplementedError("there is nothing to watch")

    async def close(self) -> None:
        """Nothing is open."""

    async def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return []
