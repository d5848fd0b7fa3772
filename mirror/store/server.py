"""Databases that are servers, by URL."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from mirror.errors import InputError
from mirror.store.ledger import Database


def server_database(url: str) -> Database:
    """The database of a URL of SQLAlchemy: ``postgresql+psycopg://user@host/name``.

    Raises:
        InputError: it is no such URL, or its driver is not installed.
    """
    shown = f"{url.partition(':')[0]}://..."  # what follows may be a password
    try:
        engine = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise InputError(f"{shown}: needs a driver that is not installed: pip install {error.name}") from error
    except (ArgumentError, NoSuchModuleError, TypeError, ValueError) as error:
        raise InputError(f"{shown}: not a URL of a database: postgresql+psycopg://user@host/name is one") from error
    if engine.dialect.name == "sqlite":
        raise InputError(f"{shown}: for SQLite give the name of the file")
    return Database(engine.url.render_as_string(hide_password=True), engine, _explain, lambda connection: None)


def _explain(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    return " ".join(str(error).split())
