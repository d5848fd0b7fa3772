"""What the API needs of a store.

A store keeps bytes under (resource, namespace, name) and numbers its writes: every accepted write gets the next
resource version, over all resources. It knows nothing of what the bytes mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mirror.errors import IsmirrorError


class Missing(IsmirrorError):
    """There is no such object."""


class AlreadyExists(IsmirrorError):
    """There is such an object already."""


class Conflict(IsmirrorError):
    """The object is not at the version that the writer saw."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored object: its key, the version of its last write and its JSON."""

    resource: str
    namespace: str
    name: str
    version: int
    value: bytes


class Store(Protocol):
    """Objects by resource, namespace (empty for cluster scoped ones) and name."""

    async def version(self) -> int:
        """The version of the latest write."""
        ...

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        """One object.

        Raises:
            Missing: there is none.
        """
        ...

    async def list(self, resource: str, namespace: str | None = None) -> list[Record]:
        """The objects of a resource by namespace and name; of all namespaces if `namespace` is None."""
        ...

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        """Writes a new object.

        Raises:
            AlreadyExists: the key is taken.
        """
        ...

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        """Replaces an object that is still at version `seen`.

        Raises:
            Missing: there is none.
            Conflict: it is at another version.
        """
        ...

    async def delete(self, resource: str, namespace: str, name: str, seen: int | None = None) -> Record:
        """Removes an object, if `seen` is given only at that version; what is returned is the object that was there.

        Raises:
            Missing: there is none.
            Conflict: it is at another version.
        """
        ...
