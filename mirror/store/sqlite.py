"""SQLite: how its files are opened, what makes its commits last, and what its errors mean."""

from __future__ import annotations

import errno
import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from fake_registry.fixtures.disk import locked
from mirror.errors import InputError
from mirror.store.ledger import Database

BUSY_SECONDS: Final = 2.0
"""How long to wait for a process that still has the file: one that is stopping lets go soon."""

_CONNECTION: Final = (
    # One process owns the file: what it has in memory is what is in the file. The lock goes with the process,
    # however it ends. In this mode there is no memory shared with others beside the file, either.
    "PRAGMA locking_mode = EXCLUSIVE",
    # A commit has reached the disk when it returns. EXTRA is FULL for the write-ahead log, and where a file system
    # allows none, it also syncs the directory in which the journal is deleted.
    "PRAGMA synchronous = EXTRA",
    "PRAGMA fullfsync = ON",  # on macOS fsync alone leaves data in the disk's cache
)

_MEANINGS: Final = {
    "SQLITE_NOTADB": "not a SQLite database: name a new file, or one that ismirror wrote",
    "SQLITE_READONLY": "cannot be written: make it writable, or name another file",
    "SQLITE_BUSY": "in use by another process: stop that one, or name another file",
    "SQLITE_CORRUPT": "damaged ({}): restore a copy of it, or name a new one",
    "SQLITE_FULL": "the disk is full: make room",
}


def sqlite_database(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Database:
    """A database in a file, which is made if it is not there, readable by its owner only: there are secrets in it."""
    file = path.absolute()
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": busy_seconds, "isolation_level": None},
    )

    @event.listens_for(engine, "do_connect")
    def make(*_: object) -> None:
        _make(file)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for statement in _CONNECTION:
            cursor.execute(statement)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # also for the first look, so that it is known to be writable

    def settle(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        try:
            driver.execute("PRAGMA journal_mode = WAL")  # outside of transactions only; the file remembers it
        except sqlite3.Error as error:
            raise InputError(f"{path}: {explain(error)}") from error

    # Two who open a file at once would each have a part of its locks, and wait for the other's until both give up.
    return Database(str(path), engine, explain, settle, partial(locked, file.parent))


def _make(file: Path) -> None:
    """Makes a file if there is none.

    What is there is only looked at: for some of what may be wrong with it SQLite has but ``disk I/O error``. It must
    not be opened, either: closing it would give up the locks that this process has on it.

    Raises:
        OSError: it cannot be used.
    """
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not all(os.access(path, os.R_OK | os.W_OK) for path in (file, file.parent)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def explain(error: BaseException) -> str:
    """What an exception means for the file, and what to do."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.Error):
        # Extended names have a suffix: SQLITE_READONLY_DBMOVED, SQLITE_IOERR_FSYNC.
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        return _MEANINGS.get(name, "{}").format(error)
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror}): name a file that may be written, in a directory that may be, too"
    return str(error)
