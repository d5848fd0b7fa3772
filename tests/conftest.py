"""What holds for every test.

- A leak fails the test that made it, and not a later one.
- Generated examples are the same in every run; ``pytest --hypothesis-profile=search`` generates others.
- Nothing waits for the disk: what lasts when a process is killed lasts without that, and no test switches the machine
  off.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Engine, event
from support.disk import fsync

# How long an example takes depends on what else the machine does.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("search"), derandomize=True)
settings.load_profile("suite")


os.fsync = fsync


@event.listens_for(Engine, "begin")
def _write_without_waiting(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA synchronous = OFF")


def pytest_itemcollected(item: pytest.Item) -> None:
    """What takes long anyway is not taken for something that hangs."""
    if item.get_closest_marker("slow") or item.get_closest_marker("clients"):
        item.add_marker(pytest.mark.timeout(3600))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there now stays: it need not be looked through again and again."""
    gc.collect()
    gc.freeze()
    # What a test makes is collected at its end, all of it being young still; in between only what fills the memory.
    gc.set_threshold(200_000, 1_000_000, 1_000_000)


@contextmanager
def _unraisable() -> Generator[list[str]]:
    """What goes wrong where nothing can be raised, such as a socket that is found open when it is collected."""
    found: list[str] = []
    before = sys.unraisablehook

    def keep(what: sys.UnraisableHookArgs) -> None:
        found.append(f"{what.err_msg or 'Exception ignored in'} {what.object!r}: {what.exc_value!r}")

    sys.unraisablehook = keep
    try:
        yield found
    finally:
        sys.unraisablehook = before


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    """Collects what the test has left, so that what it did not close is its failure, and not that of a later one."""
    yield
    with _unraisable() as found:
        gc.collect(2 if nextitem is None else 1)
    assert not found, "left open:\n" + "\n".join(found)
