"""The event loop of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mirror.collector import spare_the_collector

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], *, sockets: bool = True) -> T:
    """Runs `work` to its end: on uvloop where there is one and there are sockets to be fast on."""
    spare_the_collector()
    # The runner makes a text of its main task when it is done, and so of all that the task returns.
    results: list[T] = []
    main = _kept(_quietly(work) if sockets else work, results)
    if sockets:
        try:
            import uvloop
        except ImportError:
            asyncio.run(main)
        else:
            uvloop.run(main)
    else:
        asyncio.run(main)
    return results[0]


async def _kept(work: Coroutine[Any, Any, T], results: list[T]) -> None:
    results.append(await work)


async def _quietly(work: Coroutine[Any, Any, T]) -> T:
    """Lets pass what uvloop reports of TLS connections that were given up while they were being made."""

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        given_up = isinstance(context.get("exception"), RuntimeError | OSError)
        if not (given_up and "SSL" in context.get("message", "")):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(report)
    return await work
