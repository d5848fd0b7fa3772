"""What is about stored state runs over every store; what is about answers, in process and over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.asking import Ask, OpenApi, in_process, over_sockets

from mirror.api.app import ApiCore
from mirror.store import MemoryStore, Store
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = await SqlStore.open(sqlite_database(tmp_path / "state.db"))
    yield opened
    await opened.close()


@pytest.fixture(params=["in process", "sockets"])
async def open_api(request: pytest.FixtureRequest) -> AsyncIterator[OpenApi]:
    """Makes an API answer, with or without sockets in between."""
    async with AsyncExitStack() as stack:

        async def open_one(api: ApiCore) -> Ask:
            if request.param == "in process":
                return in_process(api)
            return await stack.enter_async_context(over_sockets(api))

        yield open_one
