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
    return uvloop.run(work)
