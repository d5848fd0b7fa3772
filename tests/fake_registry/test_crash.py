"""A server that is killed again and again loses nothing that it acknowledged, and shows nothing that is half there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.command import ROOT, ismirror
from support.pushing import Reply, SocketClient, with_query
from support.registry import image

from fake_registry.fixtures import Tree, verify
from fake_registry.listening import Address, bind
from fake_registry.oci import OCI_MANIFEST, compute_digest

IMAGES, KILLS, CLIENTS = 200, 20, 4
HOST = "quay.io"


class Server:
    """``ismirror registry`` on one port, killed and started again."""

    def __init__(self, tree: Path) -> None:
        with contextlib.ExitStack() as stack:
            for listener in bind("127.0.0.1", 0):
                stack.callback(listener.close)
                self.address = Address.of(listener)
        self._tree = tree
        self._process: asyncio.subprocess.Process | None = None
        self.kills = 0

    async def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, "-m", "mirror.cli.main", "registry"]
        command += ["--data", str(self._tree), "--registry", str(self.address)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._process = process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == f"registry listening on {self.address}\n".encode()

    async def kill(self) -> None:
        """As if the machine had lost the process: no handler of it runs."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self.kills += 1


@contextlib.asynccontextmanager
async def serving(tree: Path) -> AsyncIterator[Server]:
    server = Server(tree)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


class Pusher:
    """A client that pushes an image in all the ways there are, and begins anew where it is cut off."""

    def __init__(self, server: Server, seed: int) -> None:
        self._client = SocketClient(server.address, HOST)
        self._random = random.Random(seed)
        self.acknowledged: dict[str, tuple[bytes, bytes]] = {}
        self.interrupted = 0

    async def push(self, number: int) -> None:
        """Pushes one image; its content follows from its number."""
        layer = random.Random(number).randbytes(200_000 + number * 1000)
        config = json.dumps({"number": number}).encode()
        manifest = image(config, [layer, b"shared"])
        for data in (config, layer, b"shared"):
            await self._repeat(lambda data=data: self._push_blob(number, data))  # type: ignore[misc]
        target = f"/v2/app{number % 7}/manifests/v{number}"
        headers = {"Content-Type": OCI_MANIFEST}
        await self._repeat(lambda: self._client.ask("PUT", target, manifest, headers))
        self.acknowledged[f"app{number % 7}:v{number}"] = (manifest, layer)

    async def _repeat(self, attempt: object) -> None:
        assert callable(attempt)
        while True:
            with contextlib.suppress(OSError, AssertionError, TimeoutError):
                reply = await attempt()
                if isinstance(reply, Reply) and reply.status == 201:
                    return
            self.interrupted += 1
            await asyncio.sleep(0.002)  # the server may not be there again

    async def _push_blob(self, number: int, data: bytes) -> Reply:
        uploads, digest = f"/v2/app{number % 7}/blobs/uploads/", compute_digest(data)
        if self._random.random() < 0.3:
            return await self._client.ask("POST", f"{uploads}?digest={digest}", data)
        location = (await self._client.ask("POST", uploads)).header("Location")
        for _ in range(10):
            with contextlib.suppress(OSError, AssertionError):
                return await self._go_on(location, digest, data)
        return await self._go_on(location, digest, data)

    async def _go_on(self, location: str, digest: str, data: bytes) -> Reply:
        """Sends what is missing of a blob, in two pieces, after whatever came before a crash."""
        reply = await self._client.ask("GET", location)
        start = 0 if reply.header("Range") == "0-0" else int(reply.header("Range").removeprefix("0-")) + 1
        half = max(start, len(data) // 2)
        if start < half:
            sent = {"Content-Range": f"{start}-{half - 1}"}
            assert (await self._client.ask("PATCH", location, data[start:half], sent)).status == 202
        return await self._client.ask("PUT", with_query(location, f"digest={digest}"), data[half:])


@pytest.mark.slow
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    moments = random.Random(20260101)
    async with serving(tmp_path / "tree") as server:
        pushers = [Pusher(server, seed) for seed in range(CLIENTS)]
        left = iter(range(IMAGES))

        async def push_all(pusher: Pusher) -> None:
            for number in left:
                await pusher.push(number)

        async def kill_often() -> None:
            while server.kills < KILLS:
                pushed = sum(len(pusher.acknowledged) for pusher in pushers)
                if pushed >= IMAGES * server.kills // KILLS:  # all along the way
                    await asyncio.sleep(moments.uniform(0, 0.1))
                    await server.kill()
                    await server.start()
                await asyncio.sleep(0.001)

        await asyncio.gather(kill_often(), *(push_all(pusher) for pusher in pushers))
        assert server.kills == KILLS
        assert sum(pusher.interrupted for pusher in pushers) >= KILLS
    acknowledged = {name: data for pusher in pushers for name, data in pusher.acknowledged.items()}
    assert len(acknowledged) == IMAGES
    check_tree(Tree.open(tmp_path / "tree"), acknowledged)
    outcome = ismirror("data", "verify", "--data", str(tmp_path / "tree"))
    assert (outcome.exit_code, outcome.stdout) == (0, "")


def check_tree(tree: Tree, acknowledged: dict[str, tuple[bytes, bytes]]) -> None:
    """Everything that was acknowledged is there, and nothing that was not, or only in part."""
    assert list(verify(tree)) == []
    listed = set()
    for name in tree.repositories(HOST):
        snapshot = tree.snapshot(HOST, name)
        assert snapshot is not None
        listed |= {f"{name}:{tag}" for tag in snapshot.tag_names}
        for tag in snapshot.tag_names:
            manifest, layer = acknowledged[f"{name}:{tag}"]
            assert snapshot.read_manifest(snapshot.tags[tag]) == manifest
            assert snapshot.blob(compute_digest(layer)) is not None
            assert snapshot.read_blob(compute_digest(layer)) == layer
            assert snapshot.read_blob(compute_digest(b"shared")) == b"shared"
    assert listed == set(acknowledged)
