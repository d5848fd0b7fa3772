"""Every test of what a store does runs over every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import OpenStore

from mirror.store import MemoryStore, Store
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database


@pytest.fixture(params=["memory", "sqlite"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    """Opens new stores, with the settings of a store as keywords, and closes them at the end."""
    opened: list[Store] = []

    async def open_one(**settings: int) -> Store:
        store: Store
        if request.param == "memory":
            store = MemoryStore(**settings)
        else:
            store = await SqlStore.open(sqlite_database(tmp_path / f"{len(opened)}.db"), **settings)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()
