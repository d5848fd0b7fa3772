"""What a state is called by, and what is refused as one: in one line, and without a change to what is there."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from support import store_writer
from support.stores import opened

from fake_registry.fixtures.disk import locked
from mirror.errors import InputError
from mirror.store import open_state
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database

IN_USE = "in use by another process: stop that one, or name another file"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def fill(path: Path) -> None:
    """Makes a file with versions 1000 to 1002 of one object."""

    async def write() -> None:
        async with opened(path) as store:
            await store.create("images", "", "x", bytes(100_000))
            await store.update("images", "", "x", b"2", 1000)
            await store.delete("images", "", "x")

    asyncio.run(write())


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def open_file(path: Path) -> SqlStore:
    return await SqlStore.open(sqlite_database(path, busy_seconds=0))


def refusal(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(InputError) as caught:
        asyncio.run(open_file(path))
    name, _, problem = str(caught.value).partition(f"{path}: ")
    assert not name
    assert "\n" not in problem
    return problem


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    fill(path)
    assert path.stat().st_size > 0


@pytest.mark.parametrize("new", [True, False])
async def test_of_many_who_open_a_file_at_once_one_has_it(path: Path, new: bool) -> None:
    if not new:
        await asyncio.to_thread(fill, path)
    found = await asyncio.gather(*(open_file(path) for _ in range(6)), return_exceptions=True)
    stores = [one for one in found if isinstance(one, SqlStore)]
    for store in stores:
        await store.create("images", "", "y", b"1")
        await store.close()
    assert len(stores) == 1
    assert [str(one) for one in found if not isinstance(one, SqlStore)] == [f"{path}: {IN_USE}"] * 5


def test_who_opens_a_file_waits_for_whoever_is_opening_it(path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        with locked(path.parent):
            opening = thread.submit(fill, path)
            with pytest.raises(TimeoutError):
                opening.result(0.05)
            assert not path.exists()
        opening.result()
    assert path.exists()


@pytest.mark.parametrize("content", [b"kind: ImageStream\n", b"SQLite format 3\0", bytes(5000)])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path) == "not a SQLite database: name a new file, or one that ismirror wrote"
    assert path.read_bytes() == content


def test_a_database_of_something_else(path: Path) -> None:
    edit(path, "CREATE TABLE cookies (name)", "CREATE TABLE a (b)")
    content = path.read_bytes()
    assert refusal(path) == "not a database of ismirror (tables in it: a, cookies): name another, or a new one"
    assert path.read_bytes() == content


def test_another_format(path: Path) -> None:
    fill(path)
    edit(path, "UPDATE ismirror_facts SET number = 7 WHERE name = 'format'", "DROP TABLE ismirror_changes")
    content = path.read_bytes()
    assert refusal(path) == (
        "in format 7, and this version of ismirror has format 1: run the version that wrote it, or name a new one"
    )
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM ismirror_changes WHERE version = 1001", "at version 1002"),
        ("DELETE FROM ismirror_changes WHERE version = 1000", "at version 1001"),
        ("UPDATE ismirror_changes SET value = 'text' WHERE version = 1001", "at version 1001"),
        ("UPDATE ismirror_changes SET type = 'BOOKMARK' WHERE version = 1001", "at version 1001"),
        ("UPDATE ismirror_changes SET type = 'ADDED' WHERE version = 1001", "at version 1001"),
        ("UPDATE ismirror_changes SET name = 'y' WHERE version = 1001", "at version 1001"),
        ("UPDATE ismirror_facts SET number = 500 WHERE name = 'compacted'", "at version 1000"),
        ("DELETE FROM ismirror_facts WHERE name = 'compacted'", "(no number called compacted)"),
        ("DELETE FROM ismirror_facts", "(no number called format)"),
        ("DROP TABLE ismirror_changes", "(no table ismirror_changes)"),
    ],
)
def test_a_damaged_file(path: Path, statement: str, problem: str) -> None:
    fill(path)
    edit(path, statement)
    assert refusal(path) == f"damaged {problem}: restore a copy of it, or name a new one"


def test_a_file_that_was_cut_off(path: Path) -> None:
    fill(path)
    os.truncate(path, 20_000)
    assert refusal(path) == "damaged (database disk image is malformed): restore a copy of it, or name a new one"


def unusable(reason: str) -> str:
    return f"cannot be opened ({reason}): name a file that may be written, in a directory that may be, too"


def test_a_directory(path: Path) -> None:
    path.mkdir()
    assert refusal(path) == unusable("Is a directory")


def test_no_directory(path: Path) -> None:
    assert refusal(path / "state.db") == unusable("No such file or directory")
    path.touch()
    assert refusal(path / "state.db") == unusable("Not a directory")


@pytest.mark.parametrize(("mode", "directory"), [(0o400, 0o700), (0o200, 0o700), (0o600, 0o500), (None, 0o500)])
def test_a_file_that_may_not_be_written(path: Path, mode: int | None, directory: int) -> None:
    if mode is not None:
        fill(path)
        path.chmod(mode)
    path.parent.chmod(directory)
    try:
        if all(os.access(each, os.R_OK | os.W_OK) for each in (path.parent, path if mode else path.parent)):
            pytest.skip("this user may write everything")
        assert refusal(path) == unusable("Permission denied")
    finally:
        path.parent.chmod(0o700)


async def test_a_file_in_use_by_the_same_process(path: Path) -> None:
    async with opened(path) as store:
        with pytest.raises(InputError, match=IN_USE):
            await open_file(path)
        await store.create("images", "", "x", b"")


@pytest.mark.parametrize("new", [True, False])
async def test_two_that_open_a_file_at_once_never_both_get_it(path: Path, new: bool) -> None:
    if not new:
        await asyncio.to_thread(fill, path)
    results = await asyncio.gather(open_file(path), open_file(path), return_exceptions=True)
    stores = [result for result in results if isinstance(result, SqlStore)]
    assert len(stores) <= 1  # where each waits for the other, neither does
    refused = [str(result) for result in results if not isinstance(result, SqlStore)]
    assert refused == [f"{path}: {IN_USE}"] * (2 - len(stores))
    for store in stores:
        await store.close()


def test_a_file_in_use_by_another_process(path: Path) -> None:
    command = [sys.executable, store_writer.__file__, str(path), "x", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert refusal(path) == IN_USE
        process.kill()
    asyncio.run(_open_and_close(path))


async def _open_and_close(path: Path) -> None:
    store = await open_state(str(path), history=100)
    await store.close()


def test_a_state_is_opened_by_its_name(path: Path) -> None:
    asyncio.run(_open_and_close(path))
    assert path.is_file()


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("sqlite:///state.db", "for SQLite give the name of the file"),
        ("cobol://me:secret@host/name", "not a URL of a database: postgresql+psycopg://user@host/name is one"),
        ("a b://me:secret@host", "not a URL of a database: postgresql+psycopg://user@host/name is one"),
    ],
)
async def test_urls_that_are_refused(where: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        await open_state(where)
    assert str(caught.value) == f"{where.partition(':')[0]}://...: {problem}"


async def test_without_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.store.opening.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^x\.db: keeping state needs SQLAlchemy: pip install 'ismirror\[state\]'$"):
        await open_state("x.db")
