"""Many objects at once: lists page by page, watches, deletions (apiserver ``registry/generic``, ``storage/cacher``)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Generic

import msgspec

from mirror.api import failures
from mirror.api.deletion import delete_options
from mirror.api.failures import ApiFailure
from mirror.api.field_selectors import NAME, SelectableFields, exact
from mirror.api.list_options import EXACT, LATEST, ListOptions, continue_token, list_options, read_token
from mirror.api.objects import Objects
from mirror.api.parameters import NumberError, wanted_version
from mirror.api.registry import Registry
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, EventType, Reply, WatchEvent
from mirror.api.timing import Timing
from mirror.store import Change, Expired, Page, Record, Watch
from mirror.v1.meta import ListMeta

BOOKMARKS_EVERY: Final = 60.0
BOOKMARK_BEFORE_END: Final = 2.0
SHORTEST_WATCH: Final = 1800.0
"""Seconds: between two bookmarks, between the last one and the end, and until a watch ends of itself, at least; at most
it is twice as long (apiserver ``MinRequestTimeout``)."""

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
_TOO_OLD: Final = "The resourceVersion for the provided list is too old."
_INCONSISTENT: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_SHARED: Final = 512
_BREATHS: Final = 64
"""After so many events from the beginning of a watch others have their turn."""


def _as_it_is(item: T) -> T:
    return item


class Collection(Generic[T]):
    """The objects of a kind as a whole. `shown` completes an object that is read.

    `empty` is what a bookmark shows of an object; `list_type` what a list is. `stored`, if there is one, gives the JSON
    of a completed object straight from its record, or None where it cannot.
    """

    def __init__(
        self,
        objects: Objects[T],
        kind: ResourceKind[T],
        list_type: Callable[..., msgspec.Struct],
        timing: Timing,
        *,
        selectable: SelectableFields[T] | None = None,
        shown: Callable[[T], T] = _as_it_is,
        empty: Callable[[], T] | None = None,
        stored: Callable[[Record], msgspec.Raw | None] | None = None,
    ) -> None:
        self.selectable: SelectableFields[T] = selectable or SelectableFields()
        self._objects = objects
        self._kind = kind
        self._list_type = list_type
        self.timing = timing
        self._shown = shown
        self._empty = empty or kind.type
        self._stored = stored
        self._shared: dict[tuple[int, EventType], WatchEvent] = {}
        self._endings = count()

    # Lists

    async def list(self, call: Call) -> Reply:
        """The objects of a namespace, or of all; those that are selected, and as many as are wanted."""
        options = list_options(call.request, self.selectable)
        if call.plain and self._stored is not None and not options.selects:
            page, meta = await self._page(call.namespace, options)
            texts = [self._stored(record) or self._shown(self._objects.decode(record)) for record in page.records]
            return Reply(self._listed(texts, meta))
        items, meta = await self.select(call.namespace, options)
        return Reply(self._listed(items, meta))

    async def select(self, namespace: str, options: ListOptions) -> tuple[Sequence[T], ListMeta]:
        """The objects that are wanted, and what is said of their list.

        Raises:
            ApiFailure: 400, 410 or 504.
        """
        page, meta = await self._page(namespace, options)
        if options.limit and options.version != "0" and options.selects:
            return self._filled(namespace, page, options, options.limit)
        items = [item for record in page.records if (item := self._wanted(record, namespace, options)) is not None]
        return [self._shown(item) for item in items], meta

    async def _page(self, namespace: str, options: ListOptions) -> tuple[Page, ListMeta]:
        """The records to choose from, as many as are wanted if all of them are, and what is said of their list."""
        at, start = await self._place(options)
        # What may be of any version is served whole, as from a cache.
        limit = 0 if options.version == "0" else options.limit
        after = None if start is None else self._after(namespace, start)
        try:
            page = await self._objects.store.page(
                self._objects.resource,
                namespace or None,
                after,
                limit if limit and not options.selects else None,
                at,
            )
        except Expired:
            if start is None:
                raise failures.expired(_TOO_OLD) from None
            raise failures.expired(_INCONSISTENT, continue_token(LATEST, start)) from None
        meta = ListMeta(resourceVersion=str(page.version))
        if page.remaining:
            meta.continue_ = continue_token(page.version, _start(namespace, page.records[-1]))
            meta.remainingItemCount = page.remaining
        return page, meta

    def _filled(self, namespace: str, page: Page, options: ListOptions, limit: int) -> tuple[Sequence[T], ListMeta]:
        """As many objects as are wanted; how many follow is not known, as nobody has looked at them yet."""
        found: list[T] = []
        meta = ListMeta(resourceVersion=str(page.version))
        for index, record in enumerate(page.records):
            if len(found) == limit:
                meta.continue_ = continue_token(page.version, _start(namespace, page.records[index - 1]))
                break
            item = self._wanted(record, namespace, options)
            if item is not None:
                found.append(self._shown(item))
        return found, meta

    async def _place(self, options: ListOptions) -> tuple[int | None, str | None]:
        """As of which version to list, and behind which key; None: of now, from the beginning.

        Raises:
            ApiFailure: 400 or 504.
        """
        current = await self._objects.store.version()
        if options.continue_:
            version, start = read_token(options.continue_)
            if options.version not in ("", "0"):
                raise failures.bad_request("specifying resource version is not allowed when using continue")
            if version > current:
                raise failures.too_large_version(version, current, retry_after=0)
            return (version if version > 0 else None), start
        try:
            number = wanted_version(options.version)
        except NumberError as error:
            raise failures.bad_request(f"invalid resource version: {error}") from None
        is_exact = options.match == EXACT or (not options.match and options.limit > 0 and number > 0)
        if number > current:
            raise failures.too_large_version(number, current, retry_after=0 if is_exact else 1)
        return (number if is_exact else None), None

    def _after(self, namespace: str, start: str) -> tuple[str, str]:
        if namespace or not self._kind.namespaced:
            return namespace, start
        first, _, rest = start.partition("/")
        return first, rest

    def _listed(self, items: Sequence[T | msgspec.Raw], meta: ListMeta) -> msgspec.Struct:
        return self._list_type(f"{self._kind.kind}List", self._kind.api_version, meta, list(items))

    def _wanted(self, record: Record, namespace: str, options: ListOptions) -> T | None:
        """The object of a record, if it is selected."""
        if namespace and record.namespace != namespace:
            return None
        name = exact(options.fields, NAME)
        if name is not None and record.name != name:
            return None
        item = self._objects.decode(record)
        if not options.selects:
            return item
        labels = item.metadata.labels or {}
        if not all(requirement.matches(labels) for requirement in options.labels):
            return None
        return item if self.selectable.matches(options.fields, item) else None

    # Deletions

    async def delete(self, call: Call, registry: Registry[T]) -> Reply:
        """Removes the objects that a list would show, one after the other; the answer is that list."""
        options = list_options(call.request, self.selectable)
        deletion = delete_options(call.request)
        items, meta = await self.select(call.namespace, options)
        for item in items:
            try:
                await registry.delete(item.metadata.namespace, item.metadata.name, deletion)
            except ApiFailure as failure:
                if failure.status.reason != "NotFound":
                    raise
        return Reply(self._listed(items, meta))

    # Watches

    async def watch(self, call: Call) -> Reply:
        """The changes of what a list would show, from the version that is wanted on.

        Once everything about the request is in order, whatever cannot be had is told by an event.
        """
        options = list_options(call.request, self.selectable)
        try:
            since = wanted_version(options.version)
        except NumberError as error:
            raise failures.plain_error(str(error)) from None
        store, resource = self._objects.store, self._objects.resource
        page = None
        if options.from_beginning:
            page = await store.page(resource, call.namespace or None)
            if since > page.version:
                return Reply(events=_failed(failures.too_large_version(since, page.version)))
            since = page.version
        try:
            watch = store.watch(resource, since)
        except Expired as error:
            return Reply(events=_failed(failures.expired(str(error))))
        return Reply(events=_Events(self, call.namespace, options, page, watch).run())

    def lifetime(self) -> float:
        """Seconds that a watch lasts whose client names no time: another number for each, so that not all come back at
        the same moment, and the same ones whenever the same watches begin."""
        text = f"{self._objects.resource} {next(self._endings)}".encode()
        drawn = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
        return SHORTEST_WATCH * (1 + drawn)

    def event(self, change: Change, namespace: str, options: ListOptions) -> WatchEvent | None:
        """A change as somebody sees it who wants only some objects; None if it is about none of them.

        What is no longer selected seems to have been deleted, what is now, to be new.
        """
        if namespace and change.record.namespace != namespace:
            return None
        if not options.selects:
            return self._made(change.type, change.record)
        now = change.type != "DELETED" and self._wanted(change.record, namespace, options) is not None
        before = change.before is not None and self._wanted(change.before, namespace, options) is not None
        if now:
            return self._made("MODIFIED" if before else "ADDED", change.record)
        if before and change.before is not None:
            return self._made("DELETED", replace(change.before, version=change.version))
        return None

    def initial(self, record: Record, namespace: str, options: ListOptions) -> WatchEvent | None:
        """An object that is there when a watch begins, if it is selected."""
        item = self._wanted(record, namespace, options)
        return None if item is None else WatchEvent("ADDED", self._whole(item))

    def _made(self, type_: EventType, record: Record) -> WatchEvent:
        """The event of a record; one for all who watch at the same time."""
        key = (record.version, type_)
        event = self._shared.get(key)
        if event is None:
            event = self._shared[key] = WatchEvent(type_, self._whole(self._objects.decode(record)))
            if len(self._shared) > _SHARED:
                del self._shared[next(iter(self._shared))]
        return event

    def _whole(self, item: T) -> T:
        item = self._shown(item)
        item.kind, item.apiVersion = self._kind.kind, self._kind.api_version
        return item

    def bookmark(self, version: int, *, initial: bool = False) -> WatchEvent:
        """Says up to which version a watch has come, or that what was there at its beginning is complete."""
        item = self._empty()
        self._kind.default(item)
        item.kind, item.apiVersion = self._kind.kind, self._kind.api_version
        item.metadata.resourceVersion = str(version)
        if initial:
            item.metadata.annotations = {INITIAL_EVENTS_END: "true"}
        return WatchEvent("BOOKMARK", item)


def _start(namespace: str, record: Record) -> str:
    """The key of a record, as far as it is not that of what is listed."""
    return record.name if namespace or not record.namespace else f"{record.namespace}/{record.name}"


async def _failed(failure: ApiFailure) -> AsyncIterator[WatchEvent]:
    yield WatchEvent("ERROR", failure.status)


@dataclass(frozen=True, slots=True)
class _Events(Generic[T]):
    """One watch. `page` is what there is when it begins, if that is wanted."""

    collection: Collection[T]
    namespace: str
    options: ListOptions
    page: Page | None
    watch: Watch

    async def run(self) -> AsyncIterator[WatchEvent]:
        """The events, until time is up or the store is closed."""
        end = self.collection.timing.now() + (self.options.timeout or self.collection.lifetime())
        try:
            if self.page is not None:
                async for event in self._initial(self.page):
                    yield event
            async for event in self._live(end):
                yield event
        except Expired as error:
            yield WatchEvent("ERROR", failures.expired(str(error)).status)
        finally:
            self.watch.close()

    async def _initial(self, page: Page) -> AsyncIterator[WatchEvent]:
        for index, record in enumerate(page.records, 1):
            event = self.collection.initial(record, self.namespace, self.options)
            if event is not None:
                yield event
            if index % _BREATHS == 0:
                await asyncio.sleep(0)
        if self.options.initial and self.options.bookmarks:
            yield self.collection.bookmark(page.version, initial=True)

    async def _live(self, end: float) -> AsyncIterator[WatchEvent]:
        timing = self.collection.timing
        due = self._next_bookmark(end)
        while True:
            changes = await timing.until(due, self.watch.batch)
            if changes is None:
                if timing.now() >= end:
                    return
                yield self.collection.bookmark(self.watch.version)
                due = self._next_bookmark(end)
                continue
            if not changes:
                return
            for change in changes:
                event = self.collection.event(change, self.namespace, self.options)
                if event is not None:
                    yield event
            if timing.now() >= end:
                return

    def _next_bookmark(self, end: float) -> float:
        """When to send the next bookmark: every minute, and a little before the end."""
        if not self.options.bookmarks:
            return end
        now = self.collection.timing.now()
        last = end - BOOKMARK_BEFORE_END
        return min(now + BOOKMARKS_EVERY, last if last > now else end)
