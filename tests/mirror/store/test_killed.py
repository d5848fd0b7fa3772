"""What was acknowledged is there, whenever the process is killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from support import store_writer
from support.store_writer import value_after

from mirror.store import Record
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database

WRITERS = 8


def write_until_killed(path: Path, prefix: str, lines: int) -> dict[str, tuple[int, int]]:
    """The last step of each object that was acknowledged, and its version. Kills after so many lines, or some more."""
    command = [sys.executable, store_writer.__file__, str(path), prefix, str(WRITERS)]
    acknowledged: dict[str, tuple[int, int]] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        for number, line in enumerate(process.stdout):
            if number == lines:
                process.kill()
            if line.endswith(b"\n"):
                writer, step, version = map(int, line.split())
                acknowledged[f"{prefix}-{writer}"] = step, version
    assert process.returncode == -9
    return acknowledged


@pytest.mark.slow
async def test_killed_twenty_times(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    settled: dict[str, Record] = {}
    version = 999
    for kill in range(20):
        acknowledged = write_until_killed(path, str(kill), random.randrange(400))
        store = await SqlStore.open(sqlite_database(path), history=100)
        records = {record.name: record for record in await store.list("images")}
        latest = await store.version()
        changes = await store.watch("images", max(version, latest - 100)).batch(1000)
        assert [change.version for change in changes] == list(range(latest + 1 - len(changes), latest + 1))
        await store.close()

        for name, (step, written) in acknowledged.items():
            record = records.get(name)
            found = None if record is None else record.value
            # The next step may have been written without anybody hearing of it.
            assert found in {value_after(step), value_after(step + 1)}
            if record is not None and found == value_after(step):
                assert record.version == written
            assert latest >= written
        assert {name: record for name, record in records.items() if name in settled} == settled
        settled, version = records, latest
    assert version > 1000
