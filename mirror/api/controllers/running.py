"""The controllers at work: they follow the image streams, and import what is due.

One watch feeds both: the import controller, which looks at every stream that is new or has changed, and the scheduled
importer, whose streams have their turn again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from mirror.api.app import GROUP_PATH, ApiCore
from mirror.api.controllers.decisions import import_of, needs_scheduling, scheduled_import_of
from mirror.api.controllers.queue import Key, WorkQueue
from mirror.api.controllers.schedule import Schedule, bucket_count
from mirror.api.messages import ADMIN_GROUP, JSON, ApiRequest, User
from mirror.api.objects import IMAGE_STREAMS
from mirror.api.timing import RealTiming, Timing, TokenBucket
from mirror.store import Expired, Watch
from mirror.v1.imagestream import ImageStream
from mirror.v1.imagestreamimport import ImageStreamImport
from mirror.v1.meta import Status

USER: Final = User("system:serviceaccount:openshift-infra:image-import-controller", groups=(ADMIN_GROUP,))
_HEADERS: Final = {
    "content-type": JSON,
    "accept": "application/json, */*",
    "user-agent": "openshift-controller-manager",
}
_NOT_IMPORTABLE: Final = "imageStream"
_GLANCE: Final = 0.0005
"""Seconds between two looks at whether there is nothing to do."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """``imageImport`` of the controllers' configuration.

    `interval` is the least number of seconds between two imports of a scheduled stream, `per_minute` how many of them
    there are in a minute at most (0 or less: any number); without `scheduled` there are none.
    """

    interval: float = 900.0
    per_minute: int = 60
    scheduled: bool = True


class Controllers:
    """Runs the controllers of an API as long as it is entered."""

    def __init__(self, api: ApiCore, settings: ControllerSettings | None = None, timing: Timing | None = None) -> None:
        settings = settings or ControllerSettings()
        self._api = api
        self._store = api.cluster.store
        self._streams = api.cluster.streams
        self._timing = timing or RealTiming()
        self._queue = WorkQueue(self._import, self._timing)
        self._schedule = Schedule(bucket_count(settings.interval)) if settings.scheduled else None
        self._turns = TokenBucket(self._timing, bucket_count(settings.interval) / max(settings.interval, 0.001), 1)
        self._limit = None
        if settings.per_minute > 0:
            self._limit = TokenBucket(self._timing, settings.per_minute / 60, 2 * settings.per_minute)
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: Watch | None = None
        self._taking_turns = False

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(_over_and_over(self._follow)))
        if self._schedule is not None:
            self._tasks.append(asyncio.create_task(_over_and_over(self._turn, self._schedule)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._queue.close()

    async def rest(self) -> None:
        """Waits until there is nothing to do before a stream changes or time passes, which it may do for somebody's
        turn or for another try after a failure."""
        while True:
            await asyncio.sleep(0)
            watch = self._watch
            if self._queue.idle and not self._taking_turns and watch is not None:
                version = await self._store.version()
                if watch.version >= version:
                    return
            await asyncio.sleep(_GLANCE)

    # Following the streams

    async def _follow(self) -> None:
        """Looks at all streams, then at each that changes; from the beginning when history does not reach back."""
        page = await self._store.page(IMAGE_STREAMS)
        for record in page.records:
            self._seen(self._streams.decode(record))
        try:
            self._watch = watch = self._store.watch(IMAGE_STREAMS, page.version)
            try:
                async for change in watch:
                    if change.type == "DELETED":
                        self._gone((change.record.namespace, change.record.name))
                    else:
                        self._seen(self._streams.decode(change.record))
            finally:
                self._watch = None
                watch.close()
        except Expired:
            return

    def _seen(self, stream: ImageStream) -> None:
        key = (stream.metadata.namespace, stream.metadata.name)
        if import_of(stream) is not None:
            self._queue.add(key)
        if self._schedule is not None:
            if needs_scheduling(stream):
                self._schedule.add(key)
            else:
                self._schedule.remove(key)

    def _gone(self, key: Key) -> None:
        self._queue.forget(key)
        if self._schedule is not None:
            self._schedule.remove(key)

    # Importing

    async def _import(self, key: Key) -> bool:
        """Imports what is due of a stream; False if the request failed, which images that cannot be had do not mean."""
        stream = await self._streams.find(*key)
        wanted = None if stream is None else import_of(stream)
        if wanted is None:
            return True
        if self._schedule is not None:
            self._schedule.delay(key)
        return await self._post(wanted)

    async def _turn(self, schedule: Schedule) -> None:
        """Gives the next scheduled stream its turn, or waits for the next ones."""
        self._taking_turns = True
        key = schedule.take()
        if key is None:
            self._taking_turns = False
            await self._turns.take()
            return
        if self._limit is not None and not self._limit.try_take():
            log.debug("scheduled import of %s/%s put off: too many", *key)
            return
        stream = await self._streams.find(*key)
        wanted = None if stream is None else scheduled_import_of(stream)
        if wanted is None:
            schedule.remove(key)
        else:
            await self._post(wanted)

    async def _post(self, wanted: ImageStreamImport) -> bool:
        meta = wanted.metadata
        path = f"{GROUP_PATH}/namespaces/{meta.namespace}/imagestreamimports"
        request = ApiRequest("POST", path, "timeout=1h0m0s", _HEADERS, msgspec.json.encode(wanted), user=USER)
        response = await self._api.answer(request)
        if response.status < 400:
            return True
        status = msgspec.json.decode(response.body, type=Status)
        log.debug("import of %s/%s: %s", meta.namespace, meta.name, status.message)
        return response.status == 404 and status.details is not None and status.details.kind == _NOT_IMPORTABLE


async def _over_and_over(work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Does something again and again; what goes wrong is logged, and it is tried again a little later."""
    while True:
        try:
            await work(*arguments)
        except Exception:
            log.exception("image controller")
            await asyncio.sleep(1)
