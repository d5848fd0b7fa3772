"""A network in which everything overtakes everything."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from mirror.importer.transport import Answer, Transport


class Shuffled:
    """A transport whose answers come in any order, as answers of a network do."""

    concurrency = 8

    def __init__(self, transport: Transport, rng: random.Random) -> None:
        self._transport = transport
        self._rng = rng

    async def send(self, *request: Any, **options: Any) -> Answer:
        """Makes one exchange, after others and before others."""
        for _ in range(self._rng.randrange(6)):
            await asyncio.sleep(0)
        try:
            return await self._transport.send(*request, **options)
        finally:
            for _ in range(self._rng.randrange(6)):
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Nothing of its own is open."""
