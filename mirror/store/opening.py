"""Which store a name stands for: a file of SQLite, or the URL of a database that SQLAlchemy knows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mirror.errors import InputError
from mirror.store.interface import HISTORY, Store


async def open_state(where: str, *, history: int = HISTORY) -> Store:
    """Opens the store in a file, or behind a URL such as ``postgresql+psycopg://user@host/name``.

    `history` is how many changes are kept at least.

    Raises:
        InputError: it cannot be used, or SQLAlchemy is not installed.
    """
    if find_spec("sqlalchemy") is None:
        raise InputError(f"{where}: keeping state needs SQLAlchemy: pip install 'ismirror[state]'")
    # What keeps its state in memory does not need the package.
    from mirror.store.server import server_database  # noqa: PLC0415
    from mirror.store.sql import SqlStore  # noqa: PLC0415
    from mirror.store.sqlite import sqlite_database  # noqa: PLC0415

    database = server_database(where) if "://" in where else sqlite_database(Path(where))
    return await SqlStore.open(database, history=history)
