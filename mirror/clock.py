"""Time and identity: the two things that would make answers differ from run to run.

A clock that stands still (`ManualClock`) moves only when somebody sleeps on it, and does not wait: retries and rate
limits cost no time in tests, and the instants in statuses are the same on every run.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol


class Clock(Protocol):
    """A source of the current time that can be slept on."""

    virtual: bool
    """Whether sleeping costs no real time."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Lets that many seconds pass."""
        ...


class SystemClock:
    """The time of day; sleeping takes as long as it says."""

    virtual = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that starts at `start` and moves only by sleeping on it or by `advance`."""

    virtual = True

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        self._now += timedelta(seconds=seconds)


class DeadlineExceeded(Exception):
    """A request took longer than it may."""

    def __init__(self) -> None:
        super().__init__("context deadline exceeded")


class Stopwatch:
    """The time that one request may take, counted on its clock.

    On a virtual clock only sleeping counts, so that the sum does not depend on what runs at the same time.
    """

    def __init__(self, clock: Clock, limit: float | None = None) -> None:
        self.clock = clock
        self.slept = 0.0
        self._limit = limit
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return self.slept if self.clock.virtual else time.monotonic() - self._start

    async def sleep(self, seconds: float) -> None:
        """Sleeps on the clock.

        Raises:
            DeadlineExceeded: the limit is reached before the sleep is over.
        """
        if self._limit is not None and self.elapsed + seconds > self._limit:
            rest = max(self._limit - self.elapsed, 0.0)
            self.slept += rest
            await self.clock.sleep(rest)
            raise DeadlineExceeded
        self.slept += seconds
        await self.clock.sleep(seconds)


class RateLimit:
    """A token bucket (golang.org/x/time/rate, client-go flowcontrol): `rate` tokens a second, `burst` at once."""

    def __init__(self, stopwatch: Stopwatch, rate: float, burst: int) -> None:
        self._stopwatch = stopwatch
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._seen = stopwatch.elapsed

    async def take(self) -> None:
        """Takes a token, sleeping until there is one."""
        now = self._stopwatch.elapsed
        self._tokens = min(self._burst, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        self._tokens -= 1.0
        if self._tokens < 0:
            await self._stopwatch.sleep(-self._tokens / self._rate)


class Uids(Protocol):
    """A source of uids."""

    def uid(self, *names: str) -> str:
        """A new uid for the object of these names (resource, namespace, name)."""
        ...


_RANDOM: Final = ~(0xF << 76 | 0x3 << 62)
_VERSION_4: Final = 0x4 << 76 | 0x2 << 62
"""The bits of a uid of version 4 that are drawn, and those that are given (RFC 9562 section 5.4)."""


class RandomUids:
    """Random uids (version 4), as a real server makes them."""

    def uid(self, *names: str) -> str:
        del names
        number = int.from_bytes(os.urandom(16))
        digits = f"{number & _RANDOM | _VERSION_4:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class NamedUids:
    """Uids that follow from the names and from how many have been made: the same calls give the same uids."""

    _NAMESPACE = uuid.UUID("6f9a4c1e-52b7-5a3d-9f0e-3b1f4d0c7a55")

    def __init__(self) -> None:
        self._count = 0

    def uid(self, *names: str) -> str:
        self._count += 1
        made = uuid.uuid5(self._NAMESPACE, "/".join((*names, str(self._count))))
        return str(uuid.UUID(bytes=made.bytes, version=4))


def timestamp(instant: datetime) -> str:
    """The instant as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="seconds")[:-6] + "Z"
