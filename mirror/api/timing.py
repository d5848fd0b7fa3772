"""Time for controllers and watches: the real one, or one that somebody turns.

This is not `mirror.clock`: a controller that sleeps must not move the time that answers show.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, Protocol, TypeVar

from mirror.clock import ManualClock

T = TypeVar("T")


class Timing(Protocol):
    """A time that passes, in seconds from some point on."""

    def now(self) -> float:
        """The time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits until so many seconds have passed."""
        ...

    async def until(self, time: float, wanted: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """What is wanted, or None if it has not come by that time. What is there at once comes in any case."""
        ...


class RealTiming:
    """The time of the system."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, time: float, wanted: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        try:
            async with asyncio.timeout(time - self.now()):
                return await wanted()
        except TimeoutError:
            return None


class InstantTiming:
    """A time that passes whenever somebody waits: for where nothing can happen meanwhile."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += max(seconds, 0.0)

    async def until(self, time: float, wanted: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        found = await _at_once(wanted)
        if found is None:
            self._now = max(self._now, time)
        return found


async def _at_once(wanted: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """What a coroutine gives without waiting, else None."""
    task = asyncio.create_task(wanted())
    await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None


async def _rounds() -> None:
    """Lets everything run that can without waiting for the outside."""
    for _ in range(50):
        await asyncio.sleep(0)


class TurnedTiming:
    """A time that stands still until it is turned, and a `clock`, if there is one, with it."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self._clock = clock
        self._now = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def until(self, time: float, wanted: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        task = asyncio.create_task(wanted())
        alarm = asyncio.create_task(self.sleep(time - self._now))
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            alarm.cancel()
            await asyncio.wait({task, alarm})

    async def turn(self, seconds: float, settled: Callable[[], Awaitable[None]] = _rounds) -> None:
        """Lets time pass: whoever sleeps wakes up in turn, each at its own time, and may sleep again.

        `settled` waits until all that are awake have done what they have to do by then.
        """
        end = self._now + seconds
        await settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            time, _, future = heapq.heappop(self._sleepers)
            self._move(time)
            if not future.done():
                future.set_result(None)
            await settled()
        self._move(end)

    def _move(self, time: float) -> None:
        if self._clock is not None:
            self._clock.advance(time - self._now)
        self._now = time


class TokenBucket:
    """So many tokens a second, and at most `burst` at once (client-go ``flowcontrol``)."""

    def __init__(self, timing: Timing, rate: float, burst: int) -> None:
        self._timing = timing
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._seen = timing.now()

    def try_take(self) -> bool:
        """Takes a token if there is one."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def take(self) -> None:
        """Takes a token, and waits for it if there is none."""
        self._refill()
        self._tokens -= 1
        if self._tokens < 0:
            await self._timing.sleep(-self._tokens / self._rate)

    def _refill(self) -> None:
        now = self._timing.now()
        self._tokens = min(self._burst, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
