"""Recording as a cache: what is known is not asked again, and is given when nobody answers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.pushing import Reply
from support.recording import Session, Studio, ask, significant

from fake_registry import FakeRegistry
from fake_registry.fixtures import Tree
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest

LAYER = bytes(range(256)) * 2000
APP = "quay.io/team/app"
OTHER = "registry.example.com"


class Watch:
    """A clock that stands still until it is set."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[FakeRegistry]:
    hosts: dict[str, Any] = {"quay.io": {"auth": {"type": "bearer", "username": "me", "password": "secret"}, "page": 2}}
    hosts["quay.io"]["auth"]["anonymous"] = True
    async with FakeRegistry(hosts=hosts) as registry:
        for tag in ("1.0", "1.1", "latest"):
            registry.push_image(f"{APP}:{tag}", layers=[LAYER + tag.encode()])
        registry.push_artifact(APP, subject="1.0", artifact_type="application/test")
        registry.push_image(f"{OTHER}/app:1")
        yield registry


@pytest.fixture
def studio(upstream: FakeRegistry, tmp_path: Path) -> Studio:
    return Studio(upstream, Tree.open(tmp_path / "kept", create=True), tmp_path / "recorded.yaml")


def layer(studio: Studio, tag: str) -> str:
    digest: str = json.loads(studio.upstream.manifest(f"{APP}:{tag}"))["layers"][0]["digest"]
    return digest


Questions = list[tuple[str, str, Mapping[str, str]]]


def questions(studio: Studio) -> Questions:
    one, blob = studio.upstream.digest(f"{APP}:1.0"), layer(studio, "1.0")
    return [
        ("GET", "/v2/", {}),
        ("GET", "/v2/team/app/tags/list", {}),
        ("GET", "/v2/team/app/tags/list?last=1.1&n=2", {}),
        ("HEAD", "/v2/team/app/manifests/latest", {}),
        ("GET", "/v2/team/app/manifests/1.0", {"Accept": OCI_MANIFEST}),
        ("HEAD", "/v2/team/app/manifests/1.0", {"Accept": OCI_MANIFEST}),
        ("GET", f"/v2/team/app/manifests/{one}", {}),
        ("GET", "/v2/team/app/manifests/none", {}),
        ("GET", f"/v2/team/app/referrers/{one}", {}),
        ("GET", f"/v2/team/app/referrers/{one}?artifactType=no/such", {}),
        ("GET", f"/v2/team/app/blobs/{blob}", {}),
        ("HEAD", f"/v2/team/app/blobs/{blob}", {}),
        ("GET", f"/v2/team/app/blobs/{blob}", {"Range": "bytes=10-19"}),
        ("GET", f"/v2/team/app/blobs/{blob}", {"Range": "bytes=-5"}),
        ("GET", "/v2/no/where/tags/list", {}),
    ]


async def asked(session: Session, asking: Questions) -> list[Reply]:
    return [await ask(session.core, method, target, headers=sent) for method, target, sent in asking]


def told(replies: list[Reply]) -> list[tuple[int, dict[str, str], bytes]]:
    return [significant(reply, ("content-range",)) for reply in replies]


def requests(studio: Studio, target: str = "") -> int:
    """How many requests came to the real registry, besides those for tokens."""
    return sum(target in entry.target and entry.status != 401 for entry in studio.upstream.journal.entries(kind=None))


async def test_what_was_asked_is_not_asked_again(studio: Studio) -> None:
    asking = questions(studio)
    async with studio.session(anonymous=True, missing=True) as session:
        first = await asked(session, asking)
        assert [reply.status for reply in first] == [200] * 7 + [404] + [200] * 4 + [206, 206, 404]
        count = studio.upstream.journal.total
        assert told(await asked(session, asking)) == told(first)
        assert (studio.upstream.journal.total, session.said) == (count, [])
    async with studio.session(anonymous=True, missing=True) as session:  # another process
        assert told(await asked(session, asking)) == told(first)
        assert studio.upstream.journal.total == count
        another = await ask(session.core, "GET", "/v2/team/app/manifests/1.1")
        assert (another.status, requests(studio, "manifests/1.1")) == (200, 1)
    replay = studio.replay()
    for (method, target, sent), reply in zip(asking, first, strict=True):
        assert significant(await ask(replay, method, target, headers=sent)) == significant(reply), (method, target)


async def test_a_tree_that_was_filled_otherwise(studio: Studio) -> None:
    with FakeRegistry(studio.tree.root) as registry:
        digest = registry.push_image(f"{APP}:mine")
    async with studio.session(missing=True) as session:
        reply = await ask(session.core, "GET", "/v2/team/app/manifests/mine")
        assert (reply.status, reply.header("docker-content-digest")) == (200, digest)
    assert studio.upstream.journal.total == 0


async def test_tags_are_asked_again_when_they_are_old_and_content_never(studio: Studio) -> None:
    watch, path = Watch(), "/v2/team/app/manifests/latest"

    async def digest(session: Session, method: str = "GET", accept: str = OCI_MANIFEST) -> str:
        return (await ask(session.core, method, path, headers={"Accept": accept})).header("docker-content-digest")

    async with studio.session(anonymous=True, missing=True, refresh=60, clock=watch) as session:
        old = await digest(session)
        blob = f"/v2/team/app/blobs/{layer(studio, 'latest')}"
        assert (await ask(session.core, "GET", blob)).status == 200
        tags = (await ask(session.core, "GET", "/v2/team/app/tags/list?n=9")).body
        new = studio.upstream.push_image(f"{APP}:latest", layers=[b"new"])
        studio.upstream.push_image(f"{APP}:zero")
        watch.time += 59
        assert [await digest(session, *how) for how in ((), ("HEAD",), ("HEAD", OCI_INDEX))] == [old] * 3
        assert (await ask(session.core, "GET", "/v2/team/app/tags/list?n=9")).body == tags
        watch.time += 2
        assert [await digest(session, *how) for how in (("HEAD",), (), ("HEAD", OCI_INDEX), ())] == [new] * 4
        assert b'"zero"' in (await ask(session.core, "GET", "/v2/team/app/tags/list?n=9")).body
        assert (await ask(session.core, "GET", blob)).body == LAYER + b"latest"
    assert requests(studio, path) == 3  # GET, then HEAD that knew nothing of a new manifest, then GET
    assert requests(studio, blob) == 1
    async with studio.session(anonymous=True, missing=True, refresh=60, clock=watch) as session:
        assert await digest(session) == new  # nobody knows how old the recording is
    assert requests(studio, path) == 4
    assert [entry.method for entry in studio.upstream.journal.entries(target=path)][-1] == "HEAD"  # it has not moved
    studio.upstream.push_image(f"{APP}:latest", layers=[b"newer"])
    async with studio.session(anonymous=True, missing=True, refresh=60, clock=watch) as session:
        assert await digest(session) == studio.upstream.digest(f"{APP}:latest")
    assert [entry.method for entry in studio.upstream.journal.entries(target=path)][-2:] == ["HEAD", "GET"]


@pytest.mark.parametrize("refresh", [None, 0.0])
async def test_a_registry_that_is_gone(studio: Studio, refresh: float | None) -> None:
    asking = questions(studio)
    async with studio.session(anonymous=True, missing=True) as session:
        first = await asked(session, asking)
    uncached, size = layer(studio, "1.1"), len(LAYER) + 3
    async with studio.session(anonymous=True, missing=True) as session:
        assert (await ask(session.core, "GET", "/v2/team/app/manifests/1.1")).status == 200
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))  # it does not listen: who connects is refused
    connect = nobody.getsockname()
    with nobody:
        async with studio.session(anonymous=True, missing=True, refresh=refresh, connect=connect) as session:
            assert told(await asked(session, asking)) == told(first)
            assert bool(session.said) == (refresh is not None)
            head = await ask(session.core, "HEAD", f"/v2/team/app/blobs/{uncached}")
            assert (head.status, head.header("content-length")) == (200, str(size))  # as the manifest has it
            for target in (
                f"/v2/team/app/blobs/{uncached}",
                "/v2/team/app/manifests/2.0",
                "/v2/team/app/tags/list?n=1",
            ):
                reply = await ask(session.core, "GET", target)
                assert (reply.status, b"quay.io" in reply.body) == (502, True), target
    assert session.said[0].startswith("quay.io: ")


@pytest.mark.parametrize(
    "action",
    [{"status": 503}, {"tooManyRequests": {"retryAfter": 9}}, {"reset": "before"}],
    ids=["503", "429", "reset"],
)
async def test_a_registry_that_fails(studio: Studio, action: dict[str, Any]) -> None:
    """What is known is given, and stays what is recorded."""
    path = "/v2/team/app/manifests/1.0"
    async with studio.session(anonymous=True, missing=True, refresh=0) as session:
        first = await ask(session.core, "GET", path)
        studio.upstream.faults.add(host="quay.io", match={"kind": "manifest"}, action=action)
        assert told([await ask(session.core, "GET", path)]) == told([first])
        assert len(session.said) == 1
        unknown = await ask(session.core, "GET", "/v2/team/app/manifests/1.1")
        assert unknown.status == {"status": 503, "tooManyRequests": 429, "reset": 0}[next(iter(action))]
        studio.upstream.faults.clear()
        assert (await ask(session.core, "GET", "/v2/team/app/manifests/1.1")).status == 200
    assert told([await ask(studio.replay(), "GET", path)]) == told([first])
    assert "1.0" not in studio.text()


async def test_a_registry_that_names_no_digests(tmp_path: Path) -> None:
    """Only GET tells whether its tags have moved."""
    path = "/v2/app/manifests/1"
    old, new = (json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "n": n}) for n in (1, 2))
    route = {"method": "*", "path": path, "status": 200, "headers": {"Content-Type": OCI_INDEX}}
    hosts = {OTHER: {"routes": [{**route, "body": old, "times": 1}, {**route, "body": new}]}}
    async with FakeRegistry(hosts=hosts) as registry:
        studio = Studio(registry, Tree.open(tmp_path / "kept", create=True), tmp_path / "recorded.yaml")
        async with studio.session(OTHER, missing=True, refresh=0) as session:
            found = [(await ask(session.core, "GET", path, host=OTHER)).body.decode() for _ in range(3)]
    assert found == [old, new, new]


async def test_refusals_are_asked_again(studio: Studio) -> None:
    path = "/v2/team/app/manifests/1.0"
    async with studio.session(anonymous=True, missing=True) as session:
        rule = studio.upstream.faults.add(host="quay.io", match={"kind": "manifest"}, action={"status": 403}, times=1)
        assert (await ask(session.core, "GET", path)).status == 403
        assert rule.met
        assert (await ask(session.core, "GET", path)).status == 200


async def test_a_part_of_a_blob_that_is_not_there_yet(studio: Studio) -> None:
    blob = f"/v2/team/app/blobs/{layer(studio, '1.0')}"
    async with studio.session(anonymous=True, missing=True) as session:
        head = await ask(session.core, "HEAD", blob)
        assert (head.status, head.header("content-length")) == (200, str(len(LAYER) + 3))
        part = await ask(session.core, "GET", blob, headers={"Range": "bytes=256-511"})
        size = len(LAYER) + 3
        assert (part.status, part.header("content-range"), part.body) == (206, f"bytes 256-511/{size}", LAYER[256:512])
    async with studio.session(anonymous=True, missing=True) as session:  # the whole of it has come
        count = studio.upstream.journal.total
        assert (await ask(session.core, "GET", blob)).body == LAYER + b"1.0"
        assert (await ask(session.core, "GET", blob, headers={"Range": "bytes=-3"})).body == b"1.0"
        assert studio.upstream.journal.total == count


async def test_who_asks_at_the_same_time_asks_once(studio: Studio) -> None:
    digest = studio.upstream.digest(f"{APP}:1.1")
    async with studio.session(anonymous=True, missing=True) as session:
        for target in ("/v2/team/app/manifests/1.0", f"/v2/team/app/manifests/{digest}", "/v2/team/app/tags/list"):
            replies = await asyncio.gather(*(ask(session.core, "GET", target) for _ in range(8)))
            assert {reply.status for reply in replies} == {200}
            assert requests(studio, target) == 1


async def test_several_registries_in_one_cache(studio: Studio) -> None:
    """Told apart by what clients call them: the query of containerd's mirrors, and the Host header."""
    async with studio.session("quay.io", OTHER, anonymous=True, missing=True) as session:
        for _ in range(2):
            for host, path in (("quay.io", "team/app/manifests/1.0"), (OTHER, "app/manifests/1")):
                one = await ask(session.core, "GET", f"/v2/{path}?ns={host}", "127.0.0.1:5000")
                two = await ask(session.core, "GET", f"/v2/{path}", host)
                name, _, tag = path.partition("/manifests/")
                assert compute_digest(one.body) == studio.upstream.digest(f"{host}/{name}:{tag}")
                assert (one.body, one.values("oci-namespace"), two.values("oci-namespace")) == (two.body, [host], [])
        assert [requests(studio, "app/manifests/1.0"), requests(studio, "/v2/app/manifests/1")] == [1, 1]
        unknown = await ask(session.core, "GET", "/v2/app/manifests/1?ns=docker.io", "127.0.0.1:5000")
        assert unknown.status == 404
    assert {entry.host for entry in studio.upstream.journal} == {"quay.io", OTHER}
