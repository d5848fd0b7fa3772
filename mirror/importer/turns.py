"""Work that runs at the same time, and yet has an order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

Turn = Callable[[], Awaitable[None]]
"""Waits until everything that comes before is done."""


class Turns:
    """The order of what runs at the same time, for where it matters."""

    def __init__(self, count: int) -> None:
        self._is_done = bytearray(count)
        self._all_before = 0
        self._waiting: list[asyncio.Future[None]] = []

    def done(self, position: int) -> None:
        """Says that what stands there is done."""
        self._is_done[position] = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():  # it may have been cancelled
                one.set_result(None)

    async def wait(self, position: int) -> None:
        """Waits until everything before that position is done."""
        while not self._is_turn_of(position):
            change = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change

    def _is_turn_of(self, position: int) -> bool:
        while self._all_before < position and self._is_done[self._all_before]:
            self._all_before += 1
        return self._all_before >= position


async def gather(work: Sequence[Callable[[], Coroutine[Any, Any, None]]], concurrency: int) -> None:
    """Runs coroutines, at most so many at once, started in order; a failure cancels the others."""
    if concurrency == 1 or len(work) < 2:
        for start in work:
            await start()
        return
    pending = iter(work)

    async def worker() -> None:
        for start in pending:
            await start()

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(work))):
                tasks.create_task(worker())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
