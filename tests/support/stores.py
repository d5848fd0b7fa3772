"""Stores under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from mirror.store import Store
from mirror.store.ledger import Database
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database


class OpenStore(Protocol):
    """Opens a new store; what is not given is as users get it."""

    async def __call__(self, *, history: int = ..., history_bytes: int = ...) -> Store: ...


@asynccontextmanager
async def opened(where: Path | Database, **settings: int) -> AsyncIterator[SqlStore]:
    """A store in a file, or in a database made ready by the test; closed at the end."""
    store = await SqlStore.open(sqlite_database(where) if isinstance(where, Path) else where, **settings)
    try:
        yield store
    finally:
        await store.close()
