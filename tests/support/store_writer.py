"""Writes to a store in a file until it is killed, and prints what was acknowledged.

``python store_writer.py FILE PREFIX WRITERS``: each writer has an object of its own, which it creates, updates three
times and deletes, over and over. A line ``WRITER STEP VERSION`` says that its write number STEP is acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mirror.store import Store
from mirror.store.sql import SqlStore
from mirror.store.sqlite import sqlite_database

ROUND = 5


def value_after(step: int) -> bytes | None:
    """What is there after a step; None: nothing."""
    return None if step < 0 or step % ROUND == ROUND - 1 else str(step).encode()


async def write(store: Store, prefix: str, writer: int) -> None:
    name = f"{prefix}-{writer}"
    step = version = 0
    while True:
        value = value_after(step)
        if value is None:
            await store.delete("images", "", name, version)
            version = await store.version()
        elif step % ROUND == 0:
            version = (await store.create("images", "", name, value)).version
        else:
            version = (await store.update("images", "", name, value, version)).version
        os.write(1, f"{writer} {step} {version}\n".encode())
        step += 1


async def main(file: str, prefix: str, writers: int) -> None:
    store = await SqlStore.open(sqlite_database(Path(file)), history=100)
    os.write(1, b"open\n")
    await asyncio.gather(*(write(store, prefix, writer) for writer in range(writers)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
