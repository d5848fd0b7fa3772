"""A queue of names to look at: each once, never by two at a time, again after a failure (client-go ``workqueue``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from mirror.api.timing import Timing

Key = tuple[str, str]
"""Namespace and name."""

FIRST_DELAY: Final = 0.001
LONGEST_DELAY: Final = 1000.0

log = logging.getLogger(__name__)


class WorkQueue:
    """Hands keys to `work`, which says whether that went well; if not, it is tried again, each time later."""

    def __init__(self, work: Callable[[Key], Awaitable[bool]], timing: Timing, *, workers: int = 50) -> None:
        self._work = work
        self._timing = timing
        self._workers = workers
        self._waiting: dict[Key, None] = {}
        self._again: set[Key] = set()
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or worked on; what waits for another try does not count."""
        return not self._waiting and not self._working

    def add(self, key: Key) -> None:
        """Puts a key into the queue. One that is being worked on comes back when that is done."""
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._start()

    def forget(self, key: Key) -> None:
        """Drops what is known of a key."""
        self._waiting.pop(key, None)
        self._failures.pop(key, None)

    async def close(self) -> None:
        """Drops everything, and ends the work under way."""
        self._waiting.clear()
        self._again.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self) -> None:
        while self._waiting and len(self._working) < self._workers:
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._working.add(key)
            self._spawn(self._run(key))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: Key) -> None:
        done = False
        try:
            done = await self._work(key)
        except Exception:
            log.exception("image stream %s/%s", *key)
        finally:
            self._working.discard(key)
        if done:
            self._failures.pop(key, None)
        else:
            self._spawn(self._retry(key))
        if key in self._again:
            self._again.discard(key)
            self._waiting[key] = None
        self._start()

    async def _retry(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # the power is bounded, too: no number should grow without end
        await self._timing.sleep(min(FIRST_DELAY * 2.0 ** min(failures, 60), LONGEST_DELAY))
        if key in self._failures:
            self.add(key)
