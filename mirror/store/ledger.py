"""The tables of a database that keeps a store, and every statement that is made on them.

There is one row a write. A row goes when a later write has superseded it and history has let go of that later write;
a deletion, when history has let go of it. What is left is the objects and the history, and reading it in order of
version makes the same state again. There is nothing to look up in between, so the version is the only index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from sys import intern
from typing import Any, Final, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    inspect,
    select,
)

from mirror.errors import InputError
from mirror.store.history import History
from mirror.store.interface import Change, ChangeType, Record
from mirror.store.state import State

FORMAT: Final = 1
"""The version of the tables. It goes up when an older program could not read them."""

METADATA: Final = MetaData()
_VERSION: Final = BigInteger().with_variant(Integer(), "sqlite")  # where INTEGER is of 64 bits, and the key of the tree

_FACTS: Final = Table(
    "ismirror_facts",
    METADATA,
    Column("name", String, primary_key=True),  # format; compacted: the latest version that history has let go
    Column("number", BigInteger, nullable=False),
)
_CHANGES: Final = Table(
    "ismirror_changes",
    METADATA,
    Column("version", _VERSION, primary_key=True, autoincrement=False),
    Column("type", String, nullable=False),
    Column("resource", String, nullable=False),
    Column("namespace", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value", LargeBinary, nullable=False),  # empty for a deletion: the row before it has what was deleted
)
_INSERT: Final = _CHANGES.insert()
_REMOVE: Final = _CHANGES.delete().where(_CHANGES.c.version.in_(bindparam("versions", expanding=True)))
_COMPACT: Final = (
    _FACTS.update().where(_FACTS.c.name == "compacted").values(number=bindparam("compacted", type_=BigInteger))
)
_MOST_VALUES: Final = 500
"""In one statement: databases have limits on that."""

_TYPES: Final = frozenset(get_args(ChangeType))


@dataclass(frozen=True, slots=True)
class Database:
    """A database as its own module opens it.

    `name` is what messages call it, `explain` says in their words what an exception of the driver means. `settle` gets
    a connection once the database is known to be ours: whatever changes it for good belongs there. `turn` is held
    until then, where those who open it at the same time have to take turns.
    """

    name: str
    engine: Engine
    explain: Callable[[BaseException], str]
    settle: Callable[[Connection], None]
    turn: Callable[[], AbstractContextManager[None]] = nullcontext


class Ledger:
    """Reads and writes the tables. All calls have to come from one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, first_version: int, history: int, history_bytes: int) -> tuple[State, list[int]]:
        """Makes the tables if there are none; what is returned is what is in them, and the versions of idle rows.

        Raises:
            InputError: the database is somebody else's, in another format, or damaged.
        """
        engine = self._database.engine
        with self._database.turn():
            with engine.begin() as connection:
                self._check(connection)
            with engine.connect() as connection:
                self._database.settle(connection)
        with engine.connect() as connection:
            compacted = self._fact(connection, "compacted")
            state = State(History(max(first_version - 1, compacted), compacted, history, history_bytes))
            rows = connection.execution_options(yield_per=1000).execute(_CHANGES.select().order_by(_CHANGES.c.version))
            return state, self._replay(state, rows)

    def _check(self, connection: Connection) -> None:
        """Sees to it that the tables are there, and are ours. Nothing is changed in a database that is not."""
        name = self._database.name
        tables = set(inspect(connection).get_table_names())
        if not tables:
            METADATA.create_all(connection)
            facts = {"format": FORMAT, "compacted": 0}
            connection.execute(_FACTS.insert(), [{"name": key, "number": number} for key, number in facts.items()])
            return
        if _FACTS.name not in tables:
            found = ", ".join(sorted(tables)[:3])
            raise InputError(f"{name}: not a database of ismirror (tables in it: {found}): name another, or a new one")
        number = self._fact(connection, "format")
        if number != FORMAT:
            raise InputError(
                f"{name}: in format {number}, and this version of ismirror has format {FORMAT}: "
                "run the version that wrote it, or name a new one"
            )
        missing = sorted(set(METADATA.tables) - tables)
        if missing:
            raise self._damaged(f"(no table {missing[0]})")

    def _fact(self, connection: Connection, name: str) -> int:
        """
        Raises:
            InputError: there is no such row.
        """
        number = connection.execute(select(_FACTS.c.number).where(_FACTS.c.name == name)).scalar_one_or_none()
        if not isinstance(number, int):
            raise self._damaged(f"(no number called {name})")
        return number

    def _damaged(self, where: str) -> InputError:
        return InputError(f"{self._database.name}: damaged {where}: restore a copy of it, or name a new one")

    def _replay(self, state: State, rows: Iterable[Sequence[Any]]) -> list[int]:
        """Lets everything happen once more; what is returned are the versions of rows that are not needed."""
        idle: list[int] = []
        compacted = state.history.compacted
        expected = compacted + 1 if compacted else None
        for version, kind, resource, namespace, name, value in rows:
            record = Record(intern(resource), intern(namespace), name, version, value)
            if version <= compacted:
                state.put(record)
                continue
            before = state.find(resource, namespace, name)
            fits = (before is None) == (kind == "ADDED") and kind in _TYPES and isinstance(value, bytes)
            if not fits or version != (expected or version):
                raise self._damaged(f"at version {version}")
            if before is not None and kind == "DELETED":
                record = replace(before, version=version)
            idle += idle_after(state.apply(Change(kind, record, before)))
            expected = version + 1
        return idle

    def write(self, changes: Sequence[Change], idle: Sequence[int], compacted: int) -> None:
        """Makes changes last, and removes the rows that are idle once history ends at `compacted`; all or nothing."""
        with self._database.engine.begin() as connection:
            if changes:
                connection.execute(_INSERT, [_row(change) for change in changes])
            for start in range(0, len(idle), _MOST_VALUES):
                connection.execute(_REMOVE, {"versions": idle[start : start + _MOST_VALUES]})
            if idle:
                connection.execute(_COMPACT, {"compacted": compacted})

    def close(self) -> None:
        """Lets go of the database."""
        self._database.engine.dispose()


def idle_after(compacted: Iterable[Change]) -> list[int]:
    """The versions of the rows that nobody needs once history has let go of some changes."""
    idle = []
    for change in compacted:
        if change.before is not None:
            idle.append(change.before.version)
        if change.type == "DELETED":
            idle.append(change.version)
    return idle


def _row(change: Change) -> dict[str, object]:
    record = change.record
    return {
        "version": record.version,
        "type": change.type,
        "resource": record.resource,
        "namespace": record.namespace,
        "name": record.name,
        "value": b"" if change.type == "DELETED" else record.value,
    }
