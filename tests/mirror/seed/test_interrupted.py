"""Copies that are killed at any moment, and copies while one request in ten goes wrong."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest
from support.command import ROOT
from support.registry import HOST, put_image
from support.seeding import AUTHORITY, Upstream, upstream

from fake_registry.config import Fault, FaultAction, FaultMatch, TooManyRequests
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import compute_digest
from mirror.seed.remote.patience import Patience

KILLS = 20
PASSING = [
    FaultAction(too_many_requests=TooManyRequests(retry_after=7)),
    FaultAction(status=503),
    FaultAction(reset="before"),
    FaultAction(cut=9),
    FaultAction(corrupt=5),
]


def filled(path: Path, images: int, large: int) -> Tree:
    """A repository of images that share some layers and have some of their own."""
    tree = Tree.open(path, create=True)
    source = random.Random(1)
    shared = [source.randbytes(large) for _ in range(3)]
    for number in range(images):
        own = [source.randbytes(source.choice([100, large // 2, large])) for _ in range(2)]
        config = b'{"os":"linux","number":%d}' % number
        put_image(tree, "app", f"v{number}", config, [shared[number % 3], *own])
    return tree


def tags_of(tree: Tree) -> dict[str, str]:
    snapshot = tree.snapshot(HOST, "app")
    return {} if snapshot is None else {tag: one.digest for tag, one in snapshot.tags.items()}


def finished(tree: Path) -> set[str]:
    """The blobs that a tree has whole, in their place or on the way to it."""
    blobs = tree / "blobs"
    found = [*blobs.glob("sha256/[0-9a-f]*"), *blobs.glob(".uploads/batch.*/sha256.*")]
    return {digest for path in found if (digest := compute_digest(path.read_bytes())).endswith(path.name[-64:])}


async def start(registry: Upstream, target: Path, ca: Path) -> asyncio.subprocess.Process:
    address = "{}:{}".format(*registry.address)
    command = ["seed", "copy", f"{HOST}/app", "--data", str(target), "--connect", address, "--ca", str(ca), "-q"]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mirror.cli.main", *command),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("images", "large", "most"), [(60, 3_000_000, 25), (1500, 2_000, 400)], ids=["large", "small"])
async def test_killed_twenty_times_it_ends_complete(tmp_path: Path, images: int, large: int, most: int) -> None:
    """Each time after at most so many requests."""
    origin, target, ca = filled(tmp_path / "origin", images, large), tmp_path / "target", tmp_path / "ca.pem"
    ca.write_bytes(AUTHORITY.ca_pem)
    source = random.Random()
    async with upstream(origin) as registry:
        for _ in range(KILLS):
            done = finished(target)
            before = registry.core.journal.total
            process = await start(registry, target, ca)
            wanted = before + source.randrange(1, most)
            while registry.core.journal.total < wanted and process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the journal tells nobody; the loop serves the requests meanwhile
            if process.returncode is None:
                process.kill()
            assert await process.wait() in {-9, 0}
            assert_not_asked_again(registry, done, before)
            Tree.open(target, create=True)
            assert [str(one) for one in verify(Tree.open(target)) if not one.harmless] == []
        done = finished(target)
        before = registry.core.journal.total
        process = await start(registry, target, ca)
        _, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        assert_not_asked_again(registry, done, before)
    assert tags_of(Tree.open(target)) == tags_of(origin)
    assert [str(one) for one in verify(Tree.open(target), complete=True) if not one.harmless] == []


def assert_not_asked_again(registry: Upstream, done: set[str], before: int) -> None:
    since = registry.core.journal.total - before
    asked = [entry.target.rpartition("/")[2] for entry in registry.journal[-since:] if since and entry.kind == "blob"]
    again = [digest for digest in asked if digest in done]
    assert again == []


@pytest.mark.parametrize("first", range(len(PASSING)))
async def test_one_request_in_ten_goes_wrong(tmp_path: Path, first: int) -> None:
    origin, target = filled(tmp_path / "origin", 30, 20_000), tmp_path / "target"
    actions = PASSING[first:] + PASSING[:first]
    faults = [
        Fault(match=FaultMatch(method="GET", every=10 * len(actions), after=10 * place), action=action)
        for place, action in enumerate(actions)
    ]
    async with upstream(origin, faults) as registry:
        # Whoever meets a fault with every try needs that many: no order in which requests come is left to chance.
        reach = {"patience": Patience(attempts=40)}
        summary = await registry.copy(target, f"{HOST}/app", reach=reach)
        fired = sum(account.fired for account in registry.core.faults)
        asked = [entry for entry in registry.journal if entry.method == "GET"]
        assert fired >= len(asked) // 10 - len(actions)
        assert fired <= 40
        for wait in [entry.time for entry in registry.journal if entry.status == 429]:
            assert not [entry for entry in registry.journal if wait < entry.time < wait + 7]
    assert [one.reason for one in summary.images if one.reason] == []
    assert tags_of(Tree.open(target)) == tags_of(origin)
    assert [str(one) for one in verify(Tree.open(target), complete=True)] == []
