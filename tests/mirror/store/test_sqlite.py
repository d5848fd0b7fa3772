"""The store in a file: what is in it lasts, and what cannot be written has not happened."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_mock_engine, event
from support.stores import opened

from mirror.store import Missing, StoreFailure, ledger
from mirror.store.ledger import Database
from mirror.store.sqlite import sqlite_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def count_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM ismirror_changes").fetchone()
    assert isinstance(count, int)
    return count


async def test_everything_is_there_again(path: Path) -> None:
    async with opened(path) as store:
        await store.create("images", "", "x", b"1")
        await store.update("images", "", "x", b"2", 1000)
        kept = await store.create("imagestreams", "demo", "app", b"\x00")
        await store.delete("images", "", "x")
        before = list(await store.watch("images", 999).batch())
    async with opened(path) as store:
        assert await store.version() == 1003
        assert list(await store.list("images")) == []
        assert list(await store.list("imagestreams")) == [kept]
        assert list(await store.watch("images", 999).batch()) == before
        assert (await store.create("images", "", "x", b"3")).version == 1004


async def test_only_the_owner_may_read_it(path: Path) -> None:
    async with opened(path) as store:
        await store.create("secrets", "demo", "pull", b"")
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]


async def test_rows_that_nobody_needs_are_removed(path: Path) -> None:
    async with opened(path, history=16) as store:
        record = await store.create("images", "", "x", b"")
        for number in range(200):
            record = await store.update("images", "", "x", str(number).encode(), record.version)
            if number % 10 == 0:
                await store.create("images", "", str(number), b"")
                await store.delete("images", "", str(number))
    assert count_rows(path) <= 2 * 18 + 2
    async with opened(path, history=1) as store:
        assert await store.get("images", "", "x") == record
    assert count_rows(path) <= 5
    async with opened(path, history=1) as store:
        await store.delete("images", "", "x")
        assert await store.version() == 1241
    async with opened(path, history=1) as store:
        assert await store.version() == 1241
        assert list(await store.list("images")) == []


# Writing


async def test_concurrent_writers_share_commits(path: Path) -> None:
    database = sqlite_database(path)
    commits = []
    async with opened(database) as store:
        event.listen(database.engine, "commit", commits.append)
        await asyncio.gather(*(store.create("images", "", str(number), b"") for number in range(64)))
    assert len(commits) <= 2


class Gate:
    """Holds up the commits of a database."""

    def __init__(self, database: Database) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        event.listen(database.engine, "commit", self._wait)

    def _wait(self, _: object) -> None:
        self.reached.set()
        self.opened.wait()


async def test_nothing_is_seen_before_it_lasts_and_reads_do_not_wait(path: Path) -> None:
    database = sqlite_database(path)
    async with opened(database) as store:
        first = await store.create("images", "", "x", b"1")
        watch = store.watch("images", 1000)
        gate = Gate(database)
        update = asyncio.ensure_future(store.update("images", "", "x", b"2", 1000))
        await asyncio.to_thread(gate.reached.wait)
        create = asyncio.ensure_future(store.create("images", "", "y", b""))
        await asyncio.sleep(0)
        assert await store.get("images", "", "x") == first
        assert await store.version() == 1000 == watch.version
        with pytest.raises(Missing):
            await store.get("images", "", "y")
        assert not update.done()
        gate.opened.set()
        assert (await update).version == 1001
        assert (await create).version == 1002
        assert [change.version for change in await watch.batch()] == [1001, 1002]


async def test_a_cancelled_writer_may_have_written(path: Path) -> None:
    database = sqlite_database(path)
    async with opened(database) as store:
        gate = Gate(database)
        create = asyncio.ensure_future(store.create("images", "", "x", b""))
        await asyncio.to_thread(gate.reached.wait)
        create.cancel()
        again = asyncio.ensure_future(store.delete("images", "", "x"))
        await asyncio.sleep(0)
        gate.opened.set()
        assert (await again).version == 1000
        assert create.cancelled()


async def test_what_cannot_be_written_has_not_happened(path: Path) -> None:
    database = sqlite_database(path)
    pages = 0

    def limit(connection: object) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages or 1 << 30}")  # type: ignore[attr-defined]

    async with opened(database) as store:
        event.listen(database.engine, "begin", limit)
        pages = 4
        small, large = store.create("images", "", "x", b""), store.create("images", "", "y", bytes(100_000))
        for failed in await asyncio.gather(small, large, return_exceptions=True):
            assert isinstance(failed, StoreFailure)
            assert str(failed) == f"{path}: the disk is full: make room"
        with pytest.raises(StoreFailure):
            await store.create("images", "", "y", bytes(100_000))
        assert await store.version() == 999
        assert list(await store.list("images")) == []
        pages = 0
        assert (await store.create("images", "", "y", bytes(100_000))).version == 1000
    async with opened(path) as store:
        assert [record.name for record in await store.list("images")] == ["y"]


# Other databases


def test_only_one_module_knows_sqlite() -> None:
    modules = Path(ledger.__file__).parent.glob("*.py")
    knowing = {path.name for path in modules if re.search(r"\bsqlite3\b|\bPRAGMA\b|exec_driver_sql", path.read_text())}
    assert knowing == {"sqlite.py"}


def test_the_tables_are_those_of_postgresql_too() -> None:
    made: list[str] = []
    engine = create_mock_engine(
        "postgresql+psycopg://", lambda statement, *_, **__: made.append(str(statement.compile(dialect=engine.dialect)))
    )
    ledger.METADATA.create_all(engine, checkfirst=False)
    changes = next(text for text in made if "ismirror_changes" in text)
    assert "version BIGINT NOT NULL" in changes
    assert "value BYTEA NOT NULL" in changes
