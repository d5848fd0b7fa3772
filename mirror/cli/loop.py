"""The event loop of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], *, sockets: bool = True) -> T:
    """Runs `work` to its end: on uvloop where there is one and there are sockets to be fast on."""
    if not sockets:
        return asyncio.run(work)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(_quietly(work))


async def _quietly(work: Coroutine[Any, Any, T]) -> T:
    """Lets pass what uvloop reports of TLS connections that were given up while they were being made."""

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        given_up = isinstance(context.get("exception"), RuntimeError | OSError)
        if not (given_up and "SSL" in context.get("message", "")):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(report)
    return await work
