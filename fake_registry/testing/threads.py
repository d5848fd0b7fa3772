"""An event loop in a thread of its own, for code that has none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread, get_ident
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A running event loop. Make one outside of it; `close` ends the loop and the thread."""

    def __init__(self) -> None:
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = Thread(target=self._run, name="fake-registry", daemon=True)
        self._thread.start()
        self.loop, self._stop = self._started.result()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the loop, and waits for what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Ends what still runs in the loop, its worker threads included, and then the loop and the thread."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._until_closed())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _until_closed(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()


class Turns:
    """Does things where a loop runs: at once in the loop's own thread, else in turn with everything else there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be made in the loop's thread."""
        self._loop = loop
        self._thread = get_ident()

    def take(self, work: Callable[[], T]) -> T:
        """Calls a function, and waits for what it returns."""
        if get_ident() == self._thread:
            return work()
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result()
