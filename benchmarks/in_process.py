"""A registry in a test: milliseconds from ``FakeRegistry(tree)`` to the first answer, over TLS, client included.

The first of a process makes the authority and a certificate; it is measured in several processes.

    python benchmarks/in_process.py [--processes N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time

import aiohttp

from fake_registry import FakeRegistry

REST = 200


async def first_answer(tree: str | None) -> float:
    """Milliseconds until a new registry has answered."""
    start = time.perf_counter()
    async with FakeRegistry(tree) as registry, aiohttp.ClientSession(connector=registry.connector()) as session:
        async with session.get("https://quay.io/v2/") as answer:
            await answer.read()
        return (time.perf_counter() - start) * 1000


def in_a_thread() -> float:
    """Milliseconds from start to end of one that nobody asks anything, in a thread of its own."""
    start = time.perf_counter()
    with FakeRegistry():
        return (time.perf_counter() - start) * 1000


async def measured(tree: str) -> dict[str, float]:
    """What one process has to say."""
    return {
        "the first of a process": await first_answer(tree),
        "each further one": statistics.median([await first_answer(tree) for _ in range(REST)]),
        "each further one, without a tree": statistics.median([await first_answer(None) for _ in range(REST)]),
        "entered, in a thread": statistics.median([in_a_thread() for _ in range(REST)]),
    }


def main() -> None:
    """Prints a line a row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--tree", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tree is not None:
        print(json.dumps(asyncio.run(measured(arguments.tree))))
        return
    with tempfile.TemporaryDirectory() as folder:
        with FakeRegistry(folder) as registry:
            registry.push_image("quay.io/app:1.0")
        command = [sys.executable, __file__, "--tree", folder]
        results = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(arguments.processes)
        ]
    for what in results[0]:
        times = [result[what] for result in results]
        print(f"{what:<34} {statistics.median(times):>6.2f} ms, {max(times):.2f} at most")


if __name__ == "__main__":
    main()
