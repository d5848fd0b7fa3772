"""A store in memory: what is in it is gone with the process."""

from __future__ import annotations

from typing import Final

from mirror.store.interface import AlreadyExists, Conflict, Missing, Record

FIRST_VERSION: Final = 1000
"""The version of the first write."""


class MemoryStore:
    """Objects in dictionaries. Each call is one step: nothing else happens in between."""

    def __init__(self, first_version: int = FIRST_VERSION) -> None:
        self._version = first_version - 1
        self._objects: dict[str, dict[tuple[str, str], Record]] = {}

    async def version(self) -> int:
        return self._version

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        return self._record(resource, namespace, name)

    async def list(self, resource: str, namespace: str | None = None) -> list[Record]:
        objects = self._objects.get(resource, {})
        return [objects[key] for key in sorted(objects) if namespace is None or key[0] == namespace]

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        objects = self._objects.setdefault(resource, {})
        if (namespace, name) in objects:
            raise AlreadyExists(name)
        return self._write(resource, namespace, name, value)

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        self._check(self._record(resource, namespace, name), seen)
        return self._write(resource, namespace, name, value)

    async def delete(self, resource: str, namespace: str, name: str, seen: int | None = None) -> Record:
        record = self._record(resource, namespace, name)
        self._check(record, seen)
        self._version += 1
        del self._objects[resource][namespace, name]
        return record

    def _record(self, resource: str, namespace: str, name: str) -> Record:
        record = self._objects.get(resource, {}).get((namespace, name))
        if record is None:
            raise Missing(name)
        return record

    def _check(self, record: Record, seen: int | None) -> None:
        if seen is not None and record.version != seen:
            raise Conflict(record.name)

    def _write(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        self._version += 1
        record = Record(resource, namespace, name, self._version, value)
        self._objects[resource][namespace, name] = record
        return record
