"""Waiting for several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


async def first_of(*works: Awaitable[Any]) -> set[asyncio.Future[Any]]:
    """Waits until one of several is over, has the others end, and says which were over by themselves.

    What they raise is theirs: nothing of it is raised here.
    """
    ends: set[asyncio.Future[Any]] = {asyncio.ensure_future(work) for work in works}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return done
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
