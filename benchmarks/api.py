"""The image API: imports a second by POST, lists and watches of 10,000 image streams, memory and file size.

The server, registry and API in one process as in `ismirror serve`, has the first core, the client the second one. An
import is one request over a kept connection that imports one tag into an image stream: one that is new, or one that is
there already. Every request of the importer goes to the registry core, and every answer is read whole.

    python benchmarks/api.py [--seconds N] [--streams N] [--clear-text]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from machine import machine

from fake_registry import FakeRegistry
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.tls import CertificateAuthority

IMAGE = "quay.io/bench/app:1.0"
GROUP = "/apis/image.openshift.io/v1"
IMPORTS = f"{GROUP}/namespaces/bench/imagestreamimports"
STREAMS = f"{GROUP}/namespaces/bench/imagestreams"
CONNECTIONS = 16
TAGS = 20
LISTS = 5
WATCHES = 21


class Place(NamedTuple):
    """Where a server is, and what to trust; without `ca` it speaks clear text."""

    port: int
    ca: bytes | None
    pid: int


class Row(NamedTuple):
    """A line of the table."""

    name: str
    value: str
    goal: str


# The server


def serve(tree: Path, state: str, pipe: Connection, *, clear_text: bool) -> None:
    """The server process, on the first core. Whatever comes through the pipe is a file of objects to load."""
    import uvloop

    from mirror.api.access import Access
    from mirror.api.server import ApiServer
    from mirror.collector import spare_the_collector
    from mirror.config import ClusterConfig
    from mirror.serving import ApiSettings, ready_api

    pin(0)
    authority = None if clear_text else CertificateAuthority.create()
    access = Access() if clear_text else Access.of_administrator()

    async def work() -> None:
        core = RegistryCore(Tree.open(tree))
        settings = ApiSettings(ClusterConfig(), state=state, access=access)
        async with ready_api(core, None, settings) as ready, ApiServer(ready.api, authority) as server:
            address = await server.start()
            spare_the_collector()
            pipe.send((Place(address.port, None if authority is None else authority.ca_pem, os.getpid()), access.token))
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    uvloop.run(work())


@contextmanager
def served(tree: Path, state: str = "", *, clear_text: bool) -> Iterator[Client]:
    """A client of a new server."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(tree, state, theirs), kwargs={"clear_text": clear_text}, daemon=True
    )
    process.start()
    try:
        place, token = ours.recv()
        yield Client(place, token)
        ours.send(None)
        process.join(30)
    finally:
        process.kill()
        process.join()


def pin(core: int) -> None:
    """Keeps this process on one core, where that can be said."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})


# The client


class Client:
    """HTTP/1.1 over kept connections, with no more than it takes: the client is not what is measured."""

    def __init__(self, place: Place, token: str) -> None:
        self.pid = place.pid
        self._port = place.port
        self._tls = ssl.create_default_context(cadata=place.ca.decode()) if place.ca is not None else None
        self._headers = f"Host: 127.0.0.1:{place.port}\r\nAccept: application/json\r\n"
        if token:
            self._headers += f"Authorization: Bearer {token}\r\n"

    async def connect(self) -> Exchange:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls, limit=1 << 20)
        return Exchange(reader, writer, self._headers)


class Exchange:
    """One connection: a request, then its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: str) -> None:
        self.reader = reader
        self._writer = writer
        self._headers = headers

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Sends a request."""
        more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._headers}{more}\r\n".encode() + body)

    async def head(self) -> tuple[int, int]:
        """Status and length of an answer; -1 where it is chunked."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"content-length: ")
        return int(head[9:12]), int(rest.partition(b"\r\n")[0]) if found else -1

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer."""
        self.send(method, path, body)
        status, length = await self.head()
        return status, await self.reader.readexactly(length)

    async def close(self) -> None:
        """Hangs up."""
        self._writer.close()
        await self._writer.wait_closed()


def import_of(name: str) -> bytes:
    """The import of one tag into a stream."""
    image = {"from": {"kind": "DockerImage", "name": IMAGE}, "to": {"name": "1.0"}}
    document = {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "bench"},
        "spec": {"import": True, "images": [image]},
    }
    return json.dumps(document).encode()


async def imports_a_second(client: Client, seconds: float, names: Callable[[int, int], str]) -> float:
    """Imports over some connections at once. `names` gives the stream, by the numbers of connection and import."""
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        connection = await client.connect()
        for import_number in count():
            status, body = await connection.ask("POST", IMPORTS, import_of(names(number, import_number)))
            if status != 201 or b'"status":"Success"' not in body:
                raise SystemExit(f"{status}: {body[:2000]!r}")
            done += 1
            if time.perf_counter() >= end:
                break
        await connection.close()

    warm = await client.connect()
    for _ in range(50):
        await warm.ask("POST", IMPORTS, import_of("warm"))
    await warm.close()
    start = time.perf_counter()
    end = start + seconds
    await asyncio.gather(*map(work, range(CONNECTIONS)))
    return done / (time.perf_counter() - start)


async def fill(client: Client, streams: int) -> None:
    """Makes image streams of some tags each."""
    numbers = iter(range(streams))

    async def work() -> None:
        connection = await client.connect()
        for number in numbers:
            status, body = await connection.ask("POST", STREAMS, stream(number))
            if status != 201:
                raise SystemExit(f"{status}: {body[:2000]!r}")
        await connection.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


def stream(number: int) -> bytes:
    """An image stream whose tags refer to images, so that no controller imports them."""
    tags = [
        {
            "name": f"1.{tag}",
            "annotations": {"description": "An application", "version": f"1.{tag}"},
            "from": {"kind": "DockerImage", "name": f"registry.example.com/team/app-{number}:1.{tag}"},
            "reference": True,
        }
        for tag in range(TAGS)
    ]
    document = {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": f"app-{number:05d}", "labels": {"team": f"t{number % 10}"}},
        "spec": {"tags": tags},
    }
    return json.dumps(document).encode()


async def list_seconds(client: Client) -> tuple[float, int]:
    """The median of some lists of everything, and how many bytes it is."""
    connection = await client.connect()
    took, size = [], 0
    for _ in range(LISTS):
        start = time.perf_counter()
        status, body = await connection.ask("GET", f"{GROUP}/imagestreams")
        took.append(time.perf_counter() - start)
        size = len(body)
        if status != 200:
            raise SystemExit(f"{status}: {body[:2000]!r}")
    await connection.close()
    return statistics.median(took), size


async def watch_milliseconds(client: Client) -> float:
    """The median, from the request of a watch of everything to the event of a change that was made after its answer
    began; the watch begins where a list has ended."""
    connection = await client.connect()
    _, body = await connection.ask("GET", f"{GROUP}/imagestreams?limit=1")
    version = json.loads(body)["metadata"]["resourceVersion"]
    took = []
    for number in range(WATCHES):
        watching = await client.connect()
        start = time.perf_counter()
        watching.send("GET", f"{GROUP}/imagestreams?watch=true&resourceVersion={version}&timeoutSeconds=60")
        status, _ = await watching.head()
        if status != 200:
            raise SystemExit(f"watch: {status}")
        await connection.ask("POST", STREAMS, json.dumps({"metadata": {"name": f"w{number}"}}).encode())
        line = await watching.reader.readuntil(b"\n")
        while b"ADDED" not in line:
            line = await watching.reader.readuntil(b"\n")
        took.append(1000 * (time.perf_counter() - start))
        await watching.close()
    await connection.close()
    return statistics.median(took)


def memory(pid: int) -> str:
    """The memory of a process, in mebibytes."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return "unknown"
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return f"{int(line.split()[1]) / 1024:,.0f} MiB"


# The table


def import_rows(tree: Path, directory: Path, seconds: float, *, clear_text: bool) -> Iterator[Row]:
    """Imports a second, with both stores."""
    import uvloop

    goals = {"": "1,000", str(directory / "imports.db"): "500"}
    for state, goal in goals.items():
        where = "SQLite" if state else "memory"
        with served(tree, state, clear_text=clear_text) as client:
            new = uvloop.run(imports_a_second(client, seconds, lambda one, number: f"app-{one}-{number}"))
            yield Row(f"imports a second, state in {where}, new streams", f"{new:,.0f}", goal)
            again = uvloop.run(imports_a_second(client, seconds, lambda one, number: f"app-{one}-{number % 20}"))
            yield Row(f"imports a second, state in {where}, streams that are there", f"{again:,.0f}", goal)


def scale_rows(tree: Path, directory: Path, streams: int, *, clear_text: bool) -> Iterator[Row]:
    """What there is with many streams."""
    import uvloop

    for state in ("", str(directory / "streams.db")):
        where = "SQLite" if state else "memory"
        with served(tree, state, clear_text=clear_text) as client:
            empty = memory(client.pid)
            start = time.perf_counter()
            uvloop.run(fill(client, streams))
            took = time.perf_counter() - start
            yield Row(f"{streams:,} streams of {TAGS} tags created, state in {where}", f"{took:,.1f} s", "")
            seconds, size = uvloop.run(list_seconds(client))
            yield Row(f"  list of all, {size / 2**20:,.0f} MiB", f"{seconds:,.2f} s", "1 s")
            watch = uvloop.run(watch_milliseconds(client))
            yield Row("  watch, from request to first event", f"{watch:,.1f} ms", "100 ms")
            yield Row("  memory at first, and in the end", f"{empty}, {memory(client.pid)}", "")
        if state:
            size = sum(path.stat().st_size for path in directory.glob("streams.db*"))
            yield Row("  file", f"{size / 2**20:,.0f} MiB", "")
            start = time.perf_counter()
            with served(tree, state, clear_text=clear_text) as client:
                yield Row("  start with that file", f"{time.perf_counter() - start:,.1f} s", "")


def main() -> None:
    """Prints a table and the machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each row of imports runs")
    parser.add_argument("--streams", type=int, default=10_000, help="how many image streams there are")
    parser.add_argument("--clear-text", action="store_true", help="HTTP in place of HTTPS")
    options = parser.parse_args()
    pin(1)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        tree = directory / "tree"
        with FakeRegistry(tree) as registry:
            registry.push_image(IMAGE, layers=8)
        clear_text = options.clear_text
        rows = [Row("image API", "measured", "goal")]
        rows += import_rows(tree, directory, options.seconds, clear_text=clear_text)
        rows += scale_rows(tree, directory, options.streams, clear_text=clear_text)
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in rows:
        sys.stdout.write(f"{row.name.ljust(first)}  {row.value.rjust(second)}  {row.goal.rjust(7)}".rstrip() + "\n")
    sys.stdout.write(f"{machine()}\n")


if __name__ == "__main__":
    main()
