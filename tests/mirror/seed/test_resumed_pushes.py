"""Pushes that are interrupted, and go on with the uploads that an earlier one began."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import ROOT
from support.registry import HOST, put_image
from support.seeding import AUTHORITY, Upstream, upstream

from fake_registry.config import Auth, Fault, FaultAction, FaultMatch, Host
from fake_registry.fixtures import Tree, collect_garbage, verify
from fake_registry.fixtures.disk import try_lock
from fake_registry.oci import compute_digest
from mirror.seed.remote import blob_upload
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.patience import Patience
from mirror.seed.upload_sessions import UploadSession

TARGET = "mirror.example.com:5000"
OTHER = "other.example.com"
LARGE = bytes(range(256)) * 12_000
CHUNK = 1_000_000
IMPATIENT = {"patience": Patience(attempts=1)}
STOPPED = Fault(match=FaultMatch(method="PATCH", nth=3), action=FaultAction(reset="before"))


@pytest.fixture
def origin(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_image(tree, "large", "1", b"{}", [LARGE])
    return tree


@pytest.fixture
def target(tmp_path: Path) -> Tree:
    """Has the config: all that is uploaded is the large blob."""
    tree = Tree.open(tmp_path / "target", create=True)
    tree.remember_blob(TARGET, "large", tree.put_blob(b"{}"))
    return tree


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_upload, "CHUNK", CHUNK)


def sessions(tree: Tree) -> list[Path]:
    return sorted((tree.root / "blobs" / ".uploads").glob("push.*"))


def uploads(registry: Upstream, since: int = 0) -> list[str]:
    """What was asked about uploads."""
    return [one.method for one in registry.journal[since:] if one.kind == "upload"]


async def interrupted(registry: Upstream, origin: Tree, **reach: object) -> int:
    """A push that stops after two chunks; how many requests that took."""
    summary = await registry.push(origin, TARGET, concurrency=1, reach=IMPATIENT, **reach)
    assert (summary.pushed, summary.failed) == (0, 1)
    return len(registry.journal)


def assert_arrived(origin: Tree, target: Tree) -> None:
    snapshots = [tree.snapshot(host, "large") for tree, host in ((origin, HOST), (target, TARGET))]
    assert [one.tags["1"].digest for one in snapshots if one] == [snapshots[0].tags["1"].digest] * 2  # type: ignore[union-attr]
    assert [str(one) for one in verify(target, complete=True)] == []
    assert sessions(origin) == []


async def test_an_upload_goes_on_with_the_next_push(origin: Tree, target: Tree) -> None:
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED])}) as registry:
        since = await interrupted(registry, origin)
        [kept] = sessions(origin)
        assert kept.stat().st_mode & 0o777 == 0o600
        summary = await registry.push(origin, TARGET, concurrency=1)
        assert summary.pushed == 1
        assert uploads(registry, since) == ["GET", "PATCH", "PATCH", "PUT"]
    assert_arrived(origin, target)


async def test_an_upload_that_is_gone_begins_anew(origin: Tree, target: Tree) -> None:
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED])}) as registry:
        since = await interrupted(registry, origin)
        for path in (target.root / "blobs" / ".uploads").iterdir():
            path.unlink()
        assert (await registry.push(origin, TARGET, concurrency=1)).pushed == 1
        assert uploads(registry, since) == ["GET", "POST", *["PATCH"] * 4, "PUT"]
    assert_arrived(origin, target)


@pytest.mark.parametrize("status", [400, 403, 405, 416])
async def test_a_registry_that_does_not_say_how_far_it_is_gets_everything(
    status: int, origin: Tree, target: Tree
) -> None:
    unwilling = Fault(match=FaultMatch(method="GET", kind="upload"), action=FaultAction(status=status))
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED, unwilling])}) as registry:
        since = await interrupted(registry, origin)
        assert (await registry.push(origin, TARGET, concurrency=1)).pushed == 1
        assert uploads(registry, since) == ["GET", "POST", *["PATCH"] * 4, "PUT"]
    assert_arrived(origin, target)


async def test_an_upload_with_other_bytes_is_given_up(origin: Tree, target: Tree) -> None:
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED])}) as registry:
        await interrupted(registry, origin)
    [there] = (target.root / "blobs" / ".uploads").iterdir()
    there.write_bytes(b"?" * there.stat().st_size)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        assert (await registry.push(origin, TARGET, concurrency=1)).pushed == 1
        assert uploads(registry) == ["GET", "PATCH", "PATCH", "PUT", "POST", *["PATCH"] * 4, "PUT"]
    assert_arrived(origin, target)


async def test_what_never_becomes_the_blob_is_not_sent_for_ever(origin: Tree, target: Tree) -> None:
    faults = [
        Fault(match=FaultMatch(method="PATCH", nth=[2, 7, 12, 17]), action=FaultAction(reset="before")),
        Fault(
            match=FaultMatch(method="PUT", kind="upload", digest=compute_digest(LARGE)), action=FaultAction(status=400)
        ),
    ]
    async with upstream(target, hosts={TARGET: Host(faults=faults)}) as registry:
        summary = await registry.push(origin, TARGET, concurrency=1, reach={"patience": Patience(attempts=3)})
        assert summary.failed == 1
        assert uploads(registry).count("PUT") == 3
    assert sessions(origin) == []


def rewritten(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps(change(json.loads(data))).encode()


UNUSABLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "a part": lambda data: data[:-5],
    "a list": lambda data: b"[" * 100_000,
    "of another blob": rewritten(lambda found: found | {"digest": compute_digest(b"")}),
    "of another repository": rewritten(lambda found: found | {"repository": "other"}),
    "of another registry": rewritten(lambda found: found | {"host": OTHER}),
    "no URL": rewritten(lambda found: found | {"location": ".example.com/v2/large/blobs/uploads/1"}),
    "another scheme": rewritten(lambda found: found | {"location": "file:///etc/passwd"}),
    "a port out of range": rewritten(lambda found: found | {"location": "https://mirror.example.com:99999/"}),
}


@pytest.mark.parametrize("change", UNUSABLE.values(), ids=UNUSABLE)
async def test_what_is_no_session_is_passed_over(change: Callable[[bytes], bytes], origin: Tree, target: Tree) -> None:
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED])}) as registry:
        since = await interrupted(registry, origin)
        [kept] = sessions(origin)
        kept.write_bytes(change(kept.read_bytes()))
        assert (await registry.push(origin, TARGET, concurrency=1)).pushed == 1
        assert uploads(registry, since) == ["POST", *["PATCH"] * 4, "PUT"]
    assert_arrived(origin, target)


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (f"https://{OTHER}/v2/large/blobs/uploads/1", [(OTHER, 401, "")]),
        (f"http://{TARGET}/v2/large/blobs/uploads/1", []),
    ],
    ids=["another registry", "clear text"],
)
async def test_a_place_elsewhere_gets_no_credentials_and_one_in_clear_text_is_not_asked(
    location: str, asked: list[tuple[str, int, str]], origin: Tree, target: Tree
) -> None:
    login = {"logins": {TARGET: Login("me", "secret")}}
    auth = Auth(type="basic", username="me", password="secret")
    record = {"host": TARGET, "repository": "large", "digest": compute_digest(LARGE), "location": location}
    (await planted(origin)).write_bytes(json.dumps(record).encode())
    async with upstream(target, hosts={TARGET: Host(auth=auth), OTHER: Host(auth=auth)}) as registry:
        assert (await registry.push(origin, TARGET, concurrency=1, **login)).pushed == 1
        there = [one for one in registry.journal if one.target.endswith("/uploads/1")]
        assert [(one.host, one.status, one.authorization) for one in there] == asked
    assert_arrived(origin, target)


async def planted(origin: Tree) -> Path:
    """The file of a session that nobody has."""
    with UploadSession(origin.store, TARGET, "large", compute_digest(LARGE)) as session:
        await session.keep("https://mirror.example.com:5000/")
    [path] = sessions(origin)
    return path


async def test_only_one_goes_on_with_an_upload(origin: Tree) -> None:
    await planted(origin)
    sought = (origin.store, TARGET, "large", compute_digest(LARGE))
    with UploadSession(*sought) as one, UploadSession(*sought) as two:
        assert await one.location() == "https://mirror.example.com:5000/"
        assert await two.location() == ""
        await two.keep("https://mirror.example.com:5000/two")
        await one.keep("https://mirror.example.com:5000/one")
    with UploadSession(*sought) as again:
        assert await again.location() == "https://mirror.example.com:5000/one"
        await again.keep("")
    assert sessions(origin) == []


async def test_sessions_go_with_the_garbage(origin: Tree) -> None:
    path = await planted(origin)
    assert list(collect_garbage(origin)) == []
    os.utime(path, (0, 0))
    assert [one.file for one in collect_garbage(origin)] == [str(path.relative_to(origin.root))]


async def test_a_tree_that_cannot_be_written_is_pushed_all_the_same(origin: Tree, target: Tree) -> None:
    (origin.root / "blobs" / ".uploads").write_bytes(b"")
    async with upstream(target, hosts={TARGET: Host(faults=[STOPPED])}) as registry:
        since = await interrupted(registry, origin)
        assert (await registry.push(origin, TARGET, concurrency=1)).pushed == 1
        assert uploads(registry, since) == ["POST", *["PATCH"] * 4, "PUT"]
    assert_arrived(origin, target)


@pytest.mark.slow
async def test_a_push_that_is_killed_goes_on(target: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a chunk: what of it had come counts, too."""
    monkeypatch.undo()
    origin = Tree.open(tmp_path / "origin", create=True)
    data = random.Random(1).randbytes(80 << 20)
    put_image(origin, "large", "1", b"{}", [data])
    ca = tmp_path / "ca.pem"
    ca.write_bytes(AUTHORITY.ca_pem)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        address = "{}:{}".format(*registry.address)
        command = ["seed", "push", str(origin.root), TARGET, "--connect", address, "--ca", str(ca), "-q"]

        async def start() -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mirror.cli.main", *command),
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.DEVNULL,
            )

        def there() -> int:
            return max((path.stat().st_size for path in (target.root / "blobs" / ".uploads").glob("*")), default=0)

        process = await start()
        while there() < 40 << 20:
            assert process.returncode is None
            await asyncio.sleep(0.001)  # nothing tells how far it is; the loop takes the chunks meanwhile
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        [upload] = (target.root / "blobs" / ".uploads").iterdir()
        with upload.open("rb") as file:
            while not try_lock(file.fileno()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the registry takes what the killed one had sent
        since = len(registry.journal)
        process = await start()
        assert await process.wait() == 0
        asked = uploads(registry, since)
        assert (asked[0], asked[-1], "POST" in asked) == ("GET", "PUT", False)
        assert 1 <= asked.count("PATCH") <= 2  # of the 80 MiB 40 were there
    assert_arrived(origin, target)
