"""What the API needs of a store.

A store keeps bytes under (resource, namespace, name) and numbers its writes: every accepted write, a deletion
included, gets the next resource version, over all resources. It knows nothing of what the bytes mean.

Its latest changes are kept as history. Watches read from it, and lists of which a client wants page after page as of
the version of the first page; what is older is compacted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mirror.errors import IsmirrorError

FIRST_VERSION: Final = 1000
"""The version of the first write."""

HISTORY: Final = 8192
"""How many changes are kept, over all resources, unless told otherwise; between two compactions an eighth more."""

HISTORY_BYTES: Final = 256 << 20
"""How many bytes of values that are no longer current are kept for them."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Missing(IsmirrorError):
    """There is no such object."""


class AlreadyExists(IsmirrorError):
    """There is such an object already."""


class Conflict(IsmirrorError):
    """The object is not at the version that the writer saw."""


class StoreFailure(IsmirrorError):
    """A write could not be made to last, and has not happened: the disk is full, the database went away."""


class StoreClosed(IsmirrorError):
    """A write came after `close`."""

    def __init__(self) -> None:
        super().__init__("the store is closed")


class Expired(IsmirrorError):
    """History does not reach back to `version`; `oldest` is the earliest version that it reaches back to.

    The text is that of the watch cache (apiserver ``watch_cache.go``).
    """

    def __init__(self, version: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {version} ({oldest})")
        self.version = version
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Record:
    """A stored object: its key, the version of its last write and its JSON."""

    resource: str
    namespace: str
    name: str
    version: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what was there before it, and what is after it.

    The record of a deletion is the last value under the version of the deletion.
    """

    type: ChangeType
    record: Record
    before: Record | None

    @property
    def version(self) -> int:
        """The version that the write got."""
        return self.record.version

    @property
    def previous(self) -> bytes | None:
        """The value before the write: whether the object matched a selector until then."""
        return None if self.before is None else self.before.value


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: its records, the version that the list is of, and how many records follow."""

    records: Sequence[Record]
    version: int
    remaining: int


class Watch(Protocol):
    """The changes of a resource from some version on, each once and in order.

    It ends when it or the store is closed. Waiting for the next change may be cancelled, and the watch be used again
    afterwards. Nothing is queued for it: it reads from the history of the store, so that one who is slow costs nothing
    and falls behind at some point.
    """

    def __aiter__(self) -> AsyncIterator[Change]: ...

    async def __anext__(self) -> Change:
        """The next change; see `batch`."""
        ...

    @property
    def version(self) -> int:
        """The version up to which all changes of the resource have been handed out, as a bookmark tells it."""
        ...

    async def batch(self, limit: int = 100) -> Sequence[Change]:
        """The next changes, at least one and at most `limit`; waits for the first one. None are left when the watch has
        ended.

        Raises:
            Expired: a change was compacted before it was asked for.
        """
        ...

    def close(self) -> None:
        """Ends the watch, also while somebody waits for a change."""
        ...


class Store(Protocol):
    """Objects by resource, namespace (empty for cluster scoped ones) and name.

    Writes are seen by readers and watches when they are there to stay, not before. A writer that is cancelled while it
    waits for that may have written.
    """

    async def version(self) -> int:
        """The version of the latest write."""
        ...

    async def get(self, resource: str, namespace: str, name: str) -> Record:
        """One object.

        Raises:
            Missing: there is none.
        """
        ...

    async def page(
        self,
        resource: str,
        namespace: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        at: int | None = None,
    ) -> Page:
        """The objects of a resource in byte order of ``namespace/name``, as storage keys sort.

        `namespace` None stands for all, `after` (namespace and name) for what comes behind it only, whether it is
        there or not. `at` asks for the list as it was at that version, so that pages that follow one another are of
        one list; a version that is yet to come is that of now.

        Raises:
            Expired: history does not reach back to `at`.
        """
        ...

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        """Writes a new object.

        Raises:
            AlreadyExists: the key is taken.
            StoreFailure, StoreClosed: as they say; so with `update` and `delete`.
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

    def watch(self, resource: str, since: int) -> Watch:
        """The changes of a resource after version `since`, which may be yet to come.

        Raises:
            Expired: history does not reach back to `since`.
        """
        ...

    async def close(self) -> None:
        """Ends all watches, and lets go of files and threads once what was begun is written. Reading still works."""
        ...

    async def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        """The records of the one `page` that holds all."""
        ...
