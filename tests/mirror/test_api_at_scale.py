"""Many clients at once over sockets, and servers that are killed: nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirror import ImageApi

pytestmark = [pytest.mark.slow]

WATCHERS, CHANGES = 200, 5000
WRITERS, STEPS = 64, 4
KILLS = 20
STREAMS = "/apis/image.openshift.io/v1/namespaces/demo/imagestreams"


@asynccontextmanager
async def serving(store: str, folder: Path) -> AsyncIterator[tuple[ImageApi, aiohttp.ClientSession]]:
    """An API in clear text, its state in memory or in a file, and a client of it."""
    state = folder / "state.db" if store == "sqlite" else None
    if state is not None:
        pytest.importorskip("sqlalchemy")
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        ImageApi(http=True, state=state, controllers=False) as api,
        aiohttp.ClientSession(api.url, connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        yield api, session


async def post(session: aiohttp.ClientSession, name: str, **labels: str) -> dict[str, Any]:
    """Creates a stream."""
    async with session.post(STREAMS, json={"metadata": {"name": name, "labels": labels}}) as answer:
        assert answer.status == 201
        created: dict[str, Any] = await answer.json()
        return created


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_every_watcher_sees_every_change_once_and_in_order(store: str, tmp_path: Path) -> None:
    async with serving(store, tmp_path) as (_, session):
        version = int((await post(session, "first"))["metadata"]["resourceVersion"])
        ready = asyncio.Barrier(WATCHERS + 1)

        async def watch() -> list[tuple[bytes, int]]:
            seen = []
            async with session.get(f"{STREAMS}?watch=true&resourceVersion={version}") as answer:
                assert answer.status == 200
                await ready.wait()
                async for line in answer.content:
                    head, _, rest = line.partition(b'"resourceVersion":"')
                    kind = head[len(b'{"type":"') :].partition(b'"')[0]
                    seen.append((kind, int(rest.partition(b'"')[0])))
                    if len(seen) == CHANGES:
                        break
            return seen

        async def write() -> list[tuple[bytes, int]]:
            """A third of the changes creates, a third changes, a third deletes."""
            made: list[tuple[bytes, int]] = []
            await ready.wait()
            for number in range(-(-CHANGES // 3)):
                name = f"s{number}"
                stream = await post(session, name)
                made.append((b"ADDED", int(stream["metadata"]["resourceVersion"])))
                stream["metadata"]["labels"] = {"changed": "yes"}
                async with session.put(f"{STREAMS}/{name}", json=stream) as answer:
                    assert answer.status == 200
                    made.append((b"MODIFIED", int((await answer.json())["metadata"]["resourceVersion"])))
                async with session.delete(f"{STREAMS}/{name}") as answer:
                    assert answer.status == 200
                    made.append((b"DELETED", made[-1][1] + 1))
            return made[:CHANGES]

        made, *watched = await asyncio.gather(write(), *(watch() for _ in range(WATCHERS)))
    assert [change for _, change in made] == list(range(version + 1, version + 1 + CHANGES))
    assert all(seen == made for seen in watched)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_writers_that_try_again_lose_no_update(store: str, tmp_path: Path) -> None:
    async with serving(store, tmp_path) as (_, session):
        await post(session, "contended")
        url = f"{STREAMS}/contended"
        conflicts = 0

        async def write(writer: int) -> None:
            nonlocal conflicts
            for step in range(STEPS):
                while True:
                    async with session.get(url) as answer:
                        stream = await answer.json()
                    annotations = stream["metadata"].setdefault("annotations", {})
                    annotations[f"writer-{writer}"] = str(int(annotations.get(f"writer-{writer}", 0)) + 1)
                    annotations["sum"] = str(int(annotations.get("sum", 0)) + 1)
                    async with session.put(url, json=stream) as answer:
                        if answer.status == 200:
                            break
                        assert answer.status == 409, await answer.text()
                        conflicts += 1
                assert int(annotations[f"writer-{writer}"]) == step + 1

        await asyncio.gather(*map(write, range(WRITERS)))
        async with session.get(url) as answer:
            stream = await answer.json()
    wanted = {f"writer-{writer}": str(STEPS) for writer in range(WRITERS)} | {"sum": str(WRITERS * STEPS)}
    assert stream["metadata"]["annotations"] == wanted
    assert conflicts > 0


class Server:
    """``ismirror serve`` in a process of its own, its state in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        arguments = ["--registry", "127.0.0.1:0", "--api", "127.0.0.1:0", "--http", "--no-controllers"]
        arguments += ["--kubeconfig", str(folder / "kubeconfig"), "--state", str(folder / "state.db")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mirror.cli.main", "serve", "--data", str(folder / "tree"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        """Returns when it answers."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("API listening on "):
                self.url = line.removeprefix("API listening on ").rstrip()
            if line.startswith("use it with"):
                return
        raise AssertionError(self.process.communicate())


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    with server.process as process:
        try:
            server.wait()
            yield server
        finally:
            process.kill()


async def write_until_killed(server: Server, run: int, after: int) -> dict[str, tuple[int, int]]:
    """The last step that was acknowledged of each stream, and its version; kills the server after so many."""
    acknowledged: dict[str, tuple[int, int]] = {}
    count = 0

    async def write(session: aiohttp.ClientSession, name: str) -> None:
        nonlocal count
        stream = await post(session, name, step="0")
        for step in range(1, 10_000):
            acknowledged[name] = step - 1, int(stream["metadata"]["resourceVersion"])
            count += 1
            if count == after:
                server.process.send_signal(signal.SIGKILL)
            stream["metadata"]["labels"] = {"step": str(step)}
            async with session.put(f"{STREAMS}/{name}", json=stream) as answer:
                assert answer.status == 200
                stream = await answer.json()

    async with aiohttp.ClientSession(server.url) as session:
        names = [f"s{run}-{number}" for number in range(8)]
        ended = await asyncio.gather(*(write(session, name) for name in names), return_exceptions=True)
    assert all(isinstance(one, aiohttp.ClientError | OSError) for one in ended), ended
    return acknowledged


async def test_a_server_that_is_killed_twenty_times_has_every_acknowledged_write(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    random_numbers = random.Random(20)
    acknowledged: dict[str, tuple[int, int]] = {}
    settled: dict[str, str] = {}

    async def check(server: Server) -> None:
        async with aiohttp.ClientSession(server.url) as session, session.get(STREAMS) as answer:
            found = {item["metadata"]["name"]: item["metadata"] for item in json.loads(await answer.read())["items"]}
        for name, (step, version) in acknowledged.items():
            # the step after may have been written without anybody hearing of it
            assert found[name]["labels"]["step"] in (str(step), str(step + 1))
            assert int(found[name]["resourceVersion"]) >= version
        for name, seen in settled.items():
            assert found[name]["resourceVersion"] == seen, "what was read once stays"
        settled.update({name: meta["resourceVersion"] for name, meta in found.items()})

    for run in range(KILLS):
        with started(tmp_path) as server:
            await check(server)
            acknowledged |= await write_until_killed(server, run, random_numbers.randrange(1, 200))
        assert server.process.returncode == -signal.SIGKILL
    with started(tmp_path) as server:
        await check(server)
    assert len(acknowledged) >= KILLS
