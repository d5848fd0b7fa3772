"""The latest changes, and the watches that read them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter

from mirror.store.interface import Change, Expired, Record
from mirror.store.records import sort_key

_version_of = attrgetter("record.version")


class Lane:
    """The changes of one resource: the versions that are kept, the last one that is not, and who waits for the next."""

    def __init__(self, compacted: int) -> None:
        self.changes: list[Change] = []
        self.compacted = compacted
        self._waiting: set[asyncio.Future[None]] = set()

    def after(self, version: int, limit: int | None = None) -> Sequence[Change]:
        """The changes that came after a version, the oldest first."""
        start = bisect_right(self.changes, version, key=_version_of)
        return self.changes[start : None if limit is None else start + limit]

    def append(self, change: Change) -> None:
        """Adds a change and wakes those who wait."""
        self.changes.append(change)
        self.wake()

    def compact(self, version: int) -> list[Change]:
        """Drops the changes up to a version; what is returned was dropped."""
        end = bisect_right(self.changes, version, key=_version_of)
        dropped = self.changes[:end]
        if dropped:
            del self.changes[:end]
            self.compacted = dropped[-1].version
        return dropped

    def wake(self) -> None:
        """Lets those who wait look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait(self) -> None:
        """Waits until there may be something new."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class History:
    """Changes by resource: at least `limit` of them as long as they keep no more than `limit_bytes` alive.

    `version` is that of the latest change, `compacted` that of the latest one that is no longer there.
    """

    def __init__(self, version: int, compacted: int, limit: int, limit_bytes: int) -> None:
        self.version = version
        self.compacted = compacted
        self.ended = False
        self._limit = max(limit, 1)
        self._limit_bytes = limit_bytes
        self._lanes: dict[str, Lane] = {}
        self._sizes: deque[int] = deque()  # bytes that each change keeps alive, those of the value before it
        self._bytes = 0

    def lane(self, resource: str) -> Lane:
        """The changes of a resource."""
        lane = self._lanes.get(resource)
        if lane is None:
            lane = self._lanes[resource] = Lane(self.compacted)
        return lane

    def append(self, change: Change) -> list[Change]:
        """Adds the next change; what is returned was compacted to make room."""
        self.version = change.version
        size = 0 if change.before is None else len(change.before.value)
        self._sizes.append(size)
        self._bytes += size
        dropped = self._compact()
        self.lane(change.record.resource).append(change)
        return dropped

    def _compact(self) -> list[Change]:
        """Drops what is too much, and an eighth more: dropping is cheap by the dozen."""
        kept = len(self._sizes)
        if kept <= self._limit + self._limit // 8 and self._bytes <= self._limit_bytes:
            return []
        enough = self._limit_bytes - self._limit_bytes // 8
        while kept > 1 and (kept > self._limit or self._bytes > enough):
            self._bytes -= self._sizes.popleft()
            kept -= 1
        self.compacted = self.version - kept
        return [change for lane in self._lanes.values() for change in lane.compact(self.compacted)]

    def check(self, version: int) -> None:
        """
        Raises:
            Expired: changes after that version are no longer there.
        """
        if version < self.compacted:
            raise Expired(version, self.compacted)

    def earlier(self, resource: str, version: int) -> dict[str, Record | None]:
        """What was there at a version, by sort key, of what has changed since: None where there was nothing.

        Raises:
            Expired: history does not reach back to it.
        """
        self.check(version)
        changes = self.lane(resource).after(version)
        return {sort_key(change.record.namespace, change.record.name): change.before for change in reversed(changes)}

    def watch(self, resource: str, since: int) -> HistoryWatch:
        """
        Raises:
            Expired: history does not reach back to `since`.
        """
        self.check(since)
        return HistoryWatch(self, self.lane(resource), since)

    def end(self) -> None:
        """Ends all watches."""
        self.ended = True
        for lane in self._lanes.values():
            lane.wake()


class HistoryWatch:
    """The changes of a lane after version `seen`; see `Watch`."""

    def __init__(self, history: History, lane: Lane, seen: int) -> None:
        self._history = history
        self._lane = lane
        self._seen = seen
        self._closed = False

    @property
    def version(self) -> int:
        if self._lane.changes and self._lane.changes[-1].version > self._seen:
            return self._seen
        return max(self._seen, self._history.version)

    async def batch(self, limit: int = 100) -> Sequence[Change]:
        while not (self._closed or self._history.ended):
            # Of this resource: what others lose by compaction is not missed here.
            if self._seen < self._lane.compacted:
                raise Expired(self._seen, self._history.compacted)
            changes = self._lane.after(self._seen, limit)
            if changes:
                self._seen = changes[-1].version
                return changes
            await self._lane.wait()
        return ()

    def close(self) -> None:
        self._closed = True
        self._lane.wake()

    def __aiter__(self) -> HistoryWatch:
        return self

    async def __anext__(self) -> Change:
        changes = await self.batch(1)
        if not changes:
            raise StopAsyncIteration
        return changes[0]
