from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.registry import HOST, image, index, put_image
from support.seeding import Silent, upstream

from fake_registry.config import Auth, BlobRedirects, Fault, FaultAction, FaultMatch, Host, Route, TooManyRequests
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from fake_registry.simple_signing import kept_signature
from mirror.seed.copy_options import CopyOptions
from mirror.seed.copying import copy_images
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.patience import Patience
from mirror.seed.sources import parse_destination, parse_source
from mirror.seed.tag_filters import TagFilter

LARGE = bytes(range(256)) * 12_000  # three times what is read at once


@pytest.fixture
def origin(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_image(tree, "app", "1.0", b'{"os":"linux"}', [b"base", b"one", LARGE])
    put_image(tree, "app", "2.0", b'{"os":"linux","v":2}', [b"base", b"two", LARGE])
    children = [image(b'{"a":1}', [b"x"]), image(b'{"a":2}', [b"y"])]
    for child, blobs in zip(children, ((b'{"a":1}', b"x"), (b'{"a":2}', b"y")), strict=True):
        for blob in blobs:
            tree.put_blob(blob)
        tree.put_blob(child)
    tree.put_manifest(HOST, "app", index(*children), OCI_INDEX, "multi")
    return tree


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in verify(Tree.open(path))]


def tags_of(tree: Tree, name: str = "app") -> dict[str, str]:
    snapshot = tree.snapshot(HOST, name)
    assert snapshot is not None
    return {tag: descriptor.digest for tag, descriptor in snapshot.tags.items()}


async def test_a_repository_arrives_whole(origin: Tree, tmp_path: Path) -> None:
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        summary = await registry.copy(target, f"{HOST}/app")
        assert (summary.copied, summary.failed) == (3, 0)
        assert summary.requests == len(registry.journal)
        blobs = registry.asked("blob")
        assert len(blobs) == len(set(blobs))
    assert tags_of(Tree.open(target)) == tags_of(origin)
    assert problems(target) == []
    names = [path.name for path in (target / "blobs/sha256").iterdir()]
    assert sorted(names) == sorted(path.name for path in (Path(origin.root) / "blobs/sha256").iterdir())


async def test_what_is_there_is_asked_for_by_one_head_a_tag(origin: Tree, tmp_path: Path) -> None:
    async with upstream(origin) as registry:
        await registry.copy(tmp_path / "target", f"{HOST}/app")
        before = len(registry.journal)
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app")
        asked = [(entry.kind, entry.method) for entry in registry.journal[before:]]
    assert (summary.copied, summary.unchanged) == (0, 3)
    assert sorted(asked) == [("manifest", "HEAD")] * 3 + [("tags", "GET")]


async def test_what_is_there_is_not_asked_for_by_digest(origin: Tree, tmp_path: Path) -> None:
    specs = [f"{HOST}/app:{tag}@{digest}" for tag, digest in tags_of(origin).items()]
    async with upstream(origin) as registry:
        first = await registry.copy(tmp_path / "target", *specs)
        before = len(registry.journal)
        second = await registry.copy(tmp_path / "target", *specs)
        assert len(registry.journal) == before
    assert (first.copied, second.unchanged) == (3, 3)
    assert tags_of(Tree.open(tmp_path / "target")) == tags_of(origin)


async def test_metadata_is_enough_for_a_look(origin: Tree, tmp_path: Path) -> None:
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        await registry.copy(target, f"{HOST}/app", metadata_only=True)
        before = len(registry.journal)
        again = await registry.copy(target, f"{HOST}/app", metadata_only=True)
        assert len(registry.journal) == before + 4
        assert again.unchanged == 3
        assert compute_digest(LARGE) not in registry.asked("blob")
        full = await registry.copy(target, f"{HOST}/app:1.0")
    assert full.images[0].bytes == len(LARGE) + len(b"baseone")
    assert problems(target) == []


async def test_one_failure_does_not_stop_the_others(origin: Tree, tmp_path: Path) -> None:
    fault = Fault(match=FaultMatch(kind="blob", digest=compute_digest(b"two")), action=FaultAction(status=404))
    async with upstream(origin, [fault]) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app", f"{HOST}/none:1")
    failed = {one.image: one.reason for one in summary.images if one.status == "failed"}
    assert failed == {
        f"{HOST}/app:2.0": f"GET https://quay.io/v2/app/blobs/{compute_digest(b'two')}: "
        "404 BLOB_UNKNOWN: blob unknown to registry",
        f"{HOST}/none:1": "GET https://quay.io/v2/none/manifests/1: "
        "404 NAME_UNKNOWN: repository name not known to registry",
    }
    assert sorted(tags_of(Tree.open(tmp_path / "target"))) == ["1.0", "multi"]


def met_by_each(origin: Tree, action: FaultAction, tries: int) -> list[Fault]:
    """The first so many tries of whatever is asked for, each counted apart: it does not matter who comes between."""
    blobs = (Path(origin.root) / "blobs/sha256").iterdir()
    names = [*tags_of(origin), *(f"sha256:{path.name}" for path in blobs)]
    nth = list(range(1, tries + 1))
    faults = [Fault(match=FaultMatch(method="GET", reference=name, nth=nth), action=action) for name in names]
    return [*faults, Fault(match=FaultMatch(kind="tags", nth=nth), action=action)]


@pytest.mark.parametrize(
    "action",
    [
        FaultAction(status=503),
        FaultAction(status=500),
        FaultAction(too_many_requests=TooManyRequests(retry_after=7)),
        FaultAction(reset="before"),
        FaultAction(cut=9),
        FaultAction(reset=9),
        FaultAction(corrupt=5),
        FaultAction(body="{"),
    ],
    ids=lambda action: "-".join(
        f for f in ("status", "too_many_requests", "reset", "cut", "corrupt", "body") if getattr(action, f) is not None
    ),
)
@pytest.mark.parametrize("tries", [1, 6])
async def test_faults_are_overcome(origin: Tree, tmp_path: Path, action: FaultAction, tries: int) -> None:
    async with upstream(origin, met_by_each(origin, action, tries)) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app")
        assert [one.reason for one in summary.images if one.reason] == []
        waits = [entry.time for entry in registry.journal if entry.status == 429]
        times = [entry.time for entry in registry.journal]
        for wait in waits:
            assert not [time for time in times if wait < time < wait + 7]
        assert sum(account.fired for account in registry.core.faults) > 0
    assert tags_of(Tree.open(tmp_path / "target")) == tags_of(origin)
    assert problems(tmp_path / "target") == []


async def test_a_blob_goes_on_where_it_was_cut(origin: Tree, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    match = FaultMatch(kind="blob", digest=digest, nth=[1, 2])
    async with upstream(origin, [Fault(match=match, action=FaultAction(cut=1_000_000))]) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        assert summary.copied == 1
        statuses = [entry.status for entry in registry.journal if entry.target.endswith(digest)]
    assert statuses == [200, 206, 206]
    assert problems(tmp_path / "target") == []


CDN = "cdn01.quay.io"


def behind_a_cdn(*faults: Fault, **redirects: Any) -> dict[str, Host]:
    """quay.io, whose blobs are at a host with faults."""
    return {HOST: Host(blob_redirects=BlobRedirects(host=CDN, **redirects)), CDN: Host(faults=list(faults))}


async def test_blobs_that_are_elsewhere(origin: Tree, tmp_path: Path) -> None:
    password = Auth(type="bearer", username="me", password="secret")
    hosts = behind_a_cdn(min_size=4)
    hosts[HOST] = msgspec.structs.replace(hosts[HOST], auth=password)
    async with upstream(origin, hosts=hosts) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app", logins={HOST: Login("me", "secret")})
        assert (summary.copied, summary.failed) == (3, 0)
        found = [one for one in registry.journal if one.kind == "blob"]
        elsewhere = [one for one in found if one.host == CDN]
        assert len(elsewhere) == len([one for one in found if one.status == 307]) == 6
        assert {one.authorization for one in elsewhere} == {""}
    assert tags_of(Tree.open(tmp_path / "target")) == tags_of(origin)
    assert problems(tmp_path / "target") == []


async def test_a_blob_goes_on_by_a_new_link(origin: Tree, tmp_path: Path) -> None:
    match = FaultMatch(digest=compute_digest(LARGE), nth=[1, 2])
    hosts = behind_a_cdn(Fault(match=match, action=FaultAction(cut=1_000_000)), expires="1s")
    async with upstream(origin, hosts=hosts) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0", reach={"patience": Patience(first=8.0)})
        assert (summary.copied, summary.failed) == (1, 0)
        asked = [(one.host, one.status, one.target) for one in registry.journal if compute_digest(LARGE) in one.target]
    assert [one[:2] for one in asked] == [(HOST, 307), (CDN, 200), (HOST, 307), (CDN, 206), (HOST, 307), (CDN, 206)]
    assert len({target for host, _, target in asked if host == CDN}) == 3  # the first link has long expired
    assert problems(tmp_path / "target") == []


async def test_links_that_have_expired(origin: Tree, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    fault = Fault(match=FaultMatch(digest=digest, nth=1), action=FaultAction(status=403))
    async with upstream(origin, hosts=behind_a_cdn(fault)) as registry:
        assert (await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")).copied == 1
    async with upstream(origin, hosts=behind_a_cdn(expires=0)) as registry:
        summary = await registry.copy(tmp_path / "other", f"{HOST}/app:1.0", reach={"patience": Patience(attempts=2)})
        refused = Counter(one.target.partition("?")[0] for one in registry.journal if one.status == 403)
        assert max(refused.values()) == 2  # whoever gives up has asked for another link
    where = "GET https://quay.io/v2/app/blobs/"
    assert summary.images[0].reason.startswith(where)
    assert summary.images[0].reason.endswith(" (by a redirect to https://cdn01.quay.io): 403 Forbidden")


async def test_a_password_buys_a_token(origin: Tree, tmp_path: Path) -> None:
    auth = Auth(type="bearer", username="me", password="secret")
    expired = Fault(match=FaultMatch(kind="manifest", nth=2), action=FaultAction(token="expired"))
    host = Host(auth=auth, faults=[expired])
    async with upstream(origin, hosts={HOST: host}) as registry:
        good = await registry.copy(tmp_path / "target", f"{HOST}/app", logins={HOST: Login("me", "secret")})
        bad = await registry.copy(tmp_path / "other", f"{HOST}/app:1.0", logins={HOST: Login("me", "wrong")})
        none = await registry.copy(tmp_path / "other", f"{HOST}/app:1.0")
        tokens = registry.asked("token")
    assert (good.copied, bad.failed, none.failed) == (3, 1, 1)
    assert "incorrect username or password" in bad.images[0].reason
    assert len([one for one in tokens if "account=me" in one]) <= 4
    assert "secret" not in str(tokens)


async def test_a_password_will_do(origin: Tree, tmp_path: Path) -> None:
    host = Host(auth=Auth(type="basic", username="me", password="secret"))
    async with upstream(origin, hosts={HOST: host}) as registry:
        good = await registry.copy(tmp_path / "target", f"{HOST}/app", logins={HOST: Login("me", "secret")})
        none = await registry.copy(tmp_path / "other", f"{HOST}/app:1.0")
    assert (good.copied, none.failed) == (3, 1)


async def test_nothing_is_written_in_a_dry_run(origin: Tree, tmp_path: Path) -> None:
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        plan = await registry.copy(target, f"{HOST}/app", dry_run=True)
        assert compute_digest(LARGE) not in registry.asked("blob")
        assert Tree.open(target).hosts() == []
        real = await registry.copy(target, f"{HOST}/app")
    assert (plan.planned, plan.bytes, plan.blobs) == (3, real.bytes, real.blobs)


ELSEWHERE = "mirror.example.com/team/app"


def names_in(tree: Path) -> dict[str, dict[str, str]]:
    """The tags of each repository of a tree, with their digests."""
    found = Tree.open(tree)
    places = [(host, repository) for host in found.hosts() for repository in found.repositories(host)]
    snapshots = {f"{host}/{name}": found.snapshot(host, name) for host, name in places}
    return {name: {tag: one.digest for tag, one in shot.tags.items()} for name, shot in snapshots.items() if shot}


@pytest.mark.parametrize(
    ("source", "destination", "tags"),
    [
        ("app:1.0", ELSEWHERE, {"1.0": "1.0"}),
        ("app:1.0", f"{ELSEWHERE}:stable", {"stable": "1.0"}),
        ("app@1.0", ELSEWHERE, {}),
        ("app@1.0", f"{ELSEWHERE}:stable", {"stable": "1.0"}),
        ("app", ELSEWHERE, {"1.0": "1.0", "2.0": "2.0", "multi": "multi"}),
    ],
)
@pytest.mark.parametrize("metadata_only", [False, True])
async def test_images_go_to_another_repository(
    origin: Tree, tmp_path: Path, source: str, destination: str, tags: dict[str, str], metadata_only: bool
) -> None:
    digests = tags_of(origin)
    target, name = tmp_path / "target", f"{HOST}/{source.replace('@1.0', '@' + digests['1.0'])}"
    options = {"destination": parse_destination(destination), "metadata_only": metadata_only}
    async with upstream(origin) as registry:
        plan = await registry.copy(target, name, dry_run=True, **options)
        assert Tree.open(target).hosts() == []
        done = await registry.copy(target, name, **options)
        before = len(registry.journal)
        again = await registry.copy(target, name, **options)
        asked = registry.journal[before:]
    assert (plan.planned, plan.blobs, plan.bytes) == (done.copied, done.blobs, done.bytes)
    assert [one.target for one in plan.images] == [one.target for one in done.images]
    assert all(one.image.startswith(f"{HOST}/app") and one.target.startswith(ELSEWHERE) for one in done.images)
    assert (again.unchanged, again.copied) == (done.copied, 0)
    assert {entry.method for entry in asked if entry.kind == "manifest"} <= {"HEAD"}
    assert names_in(target) == {ELSEWHERE: {tag: digests[of] for tag, of in tags.items()}}
    assert problems(target) == []
    snapshot = Tree.open(target).snapshot("mirror.example.com", "team/app")
    assert snapshot is not None
    assert digests["1.0"] in snapshot.listed
    assert bool(snapshot.find_blob(compute_digest(LARGE))) != metadata_only


async def test_what_the_tree_has_elsewhere_only_gets_a_name(origin: Tree, tmp_path: Path) -> None:
    """What refers to an image comes along to the other repository, too, though all of its content is there."""
    snapshot = origin.snapshot(HOST, "app")
    assert snapshot is not None
    signature = snapshot.tags["1.0"].digest.replace(":", "-") + ".sig"
    put_image(origin, "app", signature, b'{"sig":1}', [b"payload"])
    origin.put_blob(b'{"sbom":1}')
    sbom = image(b'{"sbom":1}', [], subject=snapshot.tags["1.0"])
    origin.put_manifest(HOST, "app", sbom, OCI_MANIFEST)
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        first = await registry.copy(target, f"{HOST}/app:1.0")
        second = await registry.copy(target, f"{HOST}/app:1.0", destination=parse_destination(ELSEWHERE))
        third = await registry.copy(target, f"{HOST}/app:1.0", destination=parse_destination(ELSEWHERE), refresh=True)
    assert [(one.images[0].status, one.images[0].referrers) for one in (first, second, third)] == [
        ("copied", 2),
        ("copied", 2),
        ("unchanged", 0),
    ]
    assert (second.blobs, second.bytes) == (0, 0)
    assert names_in(target)[ELSEWHERE] == names_in(target)[f"{HOST}/app"]
    copied = Tree.open(target).snapshot("mirror.example.com", "team/app")
    assert copied is not None
    assert [one.descriptor.digest for one in copied.referrers(snapshot.tags["1.0"].digest)] == [compute_digest(sbom)]


async def test_a_copy_to_another_repository_goes_on_where_it_stopped(origin: Tree, tmp_path: Path) -> None:
    lost = Fault(match=FaultMatch(kind="manifest", reference="2.0"), action=FaultAction(status=404))
    options = {"destination": parse_destination(ELSEWHERE)}
    async with upstream(origin, [lost]) as registry:
        first = await registry.copy(tmp_path / "target", f"{HOST}/app", **options)
    assert {one.target for one in first.images if one.status == "failed"} == {f"{ELSEWHERE}:2.0"}
    async with upstream(origin) as registry:
        second = await registry.copy(tmp_path / "target", f"{HOST}/app", **options)
        assert compute_digest(LARGE) not in registry.asked("blob")
    assert (first.copied, second.copied, second.unchanged) == (2, 1, 2)
    assert names_in(tmp_path / "target") == {ELSEWHERE: tags_of(origin)}
    assert problems(tmp_path / "target") == []


async def test_tags_are_chosen_and_signatures_come_along(origin: Tree, tmp_path: Path) -> None:
    first = tags_of(origin)["1.0"]
    signature = first.replace(":", "-") + ".sig"
    put_image(origin, "app", signature, b'{"sig":1}', [b"payload"])
    put_image(origin, "app", "sha256-" + "0" * 64 + ".sig", b'{"sig":2}', [b"of another"])
    snapshot = origin.snapshot(HOST, "app")
    assert snapshot is not None
    subject = snapshot.tags["1.0"]
    origin.put_blob(b'{"sbom":1}')
    origin.put_blob(b"parts")
    sbom = image(b'{"sbom":1}', [b"parts"], subject=subject)
    origin.put_manifest(HOST, "app", sbom, OCI_MANIFEST)
    async with upstream(origin) as registry:
        tags = TagFilter(include=["1.*"])
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app", tags=tags, metadata_only=True)
        assert summary.images[0].referrers == 2
        none = await registry.copy(tmp_path / "none", f"{HOST}/app", tags=tags, referrers="none")
        assert none.images[0].referrers == 0
    tree = Tree.open(tmp_path / "target")
    assert sorted(tags_of(tree)) == ["1.0", signature]
    copied = tree.snapshot(HOST, "app")
    assert copied is not None
    assert [one.descriptor.digest for one in copied.referrers(first)] == [compute_digest(sbom)]
    assert copied.find_blob(compute_digest(b"payload"))
    assert not copied.find_blob(compute_digest(LARGE))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (FaultAction(corrupt=5), 1),
        (FaultAction(status=503), 1),
        (FaultAction(status=404), 0),
        (FaultAction(body="<html></html>", content_type="text/html"), 0),
    ],
    ids=["damaged", "503", "404", "something else"],
)
async def test_lists_of_referrers_come_again(origin: Tree, tmp_path: Path, action: FaultAction, expected: int) -> None:
    snapshot = origin.snapshot(HOST, "app")
    assert snapshot is not None
    for blob in (b'{"sbom":1}', b"parts"):
        origin.put_blob(blob)
    origin.put_manifest(HOST, "app", image(b'{"sbom":1}', [b"parts"], subject=snapshot.tags["1.0"]), OCI_MANIFEST)
    fault = Fault(match=FaultMatch(kind="referrers"), action=action, times=1)
    async with upstream(origin, [fault]) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
    assert [(one.status, one.referrers) for one in summary.images] == [("copied", expected)]


async def test_what_refers_to_platforms_comes_along(origin: Tree, tmp_path: Path) -> None:
    """By a subject and by a tag, each asked for once however many tags an index has."""
    snapshot = origin.snapshot(HOST, "app")
    assert snapshot is not None
    child = snapshot.manifest(compute_digest(image(b'{"a":1}', [b"x"])))
    assert child is not None
    data = snapshot.read_manifest(snapshot.tags["multi"])
    assert data is not None
    origin.put_manifest(HOST, "app", data, OCI_INDEX, "latest")
    for blob in (b'{"sbom":1}', b"parts"):
        origin.put_blob(blob)
    sbom = image(b'{"sbom":1}', [b"parts"], subject=child)
    origin.put_manifest(HOST, "app", sbom, OCI_MANIFEST)
    signature = child.digest.replace(":", "-") + ".sig"
    put_image(origin, "app", signature, b'{"sig":1}', [b"payload"])
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        tags = TagFilter(include=["multi", "latest"])
        summary = await registry.copy(target, f"{HOST}/app", tags=tags, referrers="all")
        assert sum(one.referrers for one in summary.images) == 2
        asked = registry.asked("referrers")
        assert len(asked) == len(set(asked)) == 4  # index, two platforms, and what refers to one of them
        before = len(registry.journal)
        again = await registry.copy(target, f"{HOST}/app", tags=tags, referrers="all", refresh=True)
        assert (again.unchanged, len(registry.journal) - before) == (2, 1 + 2 + 1 + 4)
    tree = Tree.open(target)
    assert sorted(tags_of(tree)) == ["latest", "multi", signature]
    copied = tree.snapshot(HOST, "app")
    assert copied is not None
    assert [one.descriptor.digest for one in copied.referrers(child.digest)] == [compute_digest(sbom)]
    assert problems(target) == []


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (FaultAction(status=404, body="404 page not found\n", content_type="text/plain"), ["a", "b"]),
        (FaultAction(status=404), ["a", "b", "c"]),
        (FaultAction(status=405), ["a", "b", "c"]),
    ],
    ids=["a path that nobody knows", "an error of the registry", "another error"],
)
async def test_a_registry_without_lists_of_referrers_is_not_asked_for_each_image(
    origin: Tree, tmp_path: Path, action: FaultAction, expected: list[str]
) -> None:
    """One repository may lie elsewhere than the others, so that two have to say it, in words that are not theirs."""
    names = ("a", "b", "c")
    for name in names:
        put_image(origin, name, "1", b'{"of":"%s"}' % name.encode(), [b"x"])
        put_image(origin, name, "2", b'{"of":"%s, too"}' % name.encode(), [b"x"])
    fault = Fault(match=FaultMatch(kind="referrers"), action=action)
    specs = [f"{HOST}/{name}" for name in names]
    async with upstream(origin, [fault]) as registry:
        summary = await registry.copy(tmp_path / "target", *specs, concurrency=1)
        asked = [entry.repository for entry in registry.journal if entry.kind == "referrers"]
    assert (summary.copied, summary.failed) == (6, 0)
    assert asked == expected


async def test_many_images_at_once_ask_once_whether_there_are_lists_of_referrers(origin: Tree, tmp_path: Path) -> None:
    action = FaultAction(status=404, body="404 page not found\n", content_type="text/plain")
    async with upstream(origin, [Fault(match=FaultMatch(kind="referrers"), action=action)]) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app", concurrency=8)
        assert len(registry.asked("referrers")) == 1
    assert summary.copied == 3


async def test_an_image_is_there_with_all_that_belongs_to_it_or_not_at_all(origin: Tree, tmp_path: Path) -> None:
    fault = Fault(match=FaultMatch(kind="referrers"), action=FaultAction(status=403), times=1)
    async with upstream(origin, [fault]) as registry:
        first = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        assert Tree.open(tmp_path / "target").snapshot(HOST, "app") is None
        second = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        assert len(registry.asked("blob")) == 4
    assert (first.failed, second.copied) == (1, 1)


async def test_only_failures_are_kept_where_no_list_is_wanted(origin: Tree, tmp_path: Path) -> None:
    async with upstream(origin) as registry, registry.registries() as registries:
        sources = [parse_source(f"{HOST}/{name}") for name in ("app", "none:1")]
        summary = await copy_images(
            Tree.open(tmp_path / "target", create=True), registries, sources, CopyOptions(list_images=False), Silent()
        )
    assert (summary.copied, summary.failed, [one.image for one in summary.images]) == (3, 1, [f"{HOST}/none:1"])
    assert summary.blobs > 9


async def test_signatures_that_a_registry_keeps_beside_images(origin: Tree, tmp_path: Path) -> None:
    digest = tags_of(origin)["1.0"]
    listed = {
        "signatures": [
            {"schemaVersion": 2, "name": f"{digest}@one", "type": "atomic", "content": "kHNpZ25lZA=="},
            {"schemaVersion": 2, "name": "another image@one", "type": "atomic", "content": "kHNpZ25lZA=="},
            {"schemaVersion": 3, "name": f"{digest}@new", "type": "atomic", "content": "kHNpZ25lZA=="},
        ]
    }
    path = f"/extensions/v2/app/signatures/{digest}"
    routes = [Route(path=path, body=json.dumps(listed)), Route(path=f"/v2/app/referrers/{digest}", status=404)]
    target = tmp_path / "target"
    async with upstream(origin, hosts={HOST: Host(signatures=True, routes=routes)}) as registry:
        planned = await registry.copy(tmp_path / "planned", f"{HOST}/app:1.0", dry_run=True)
        without = await registry.copy(tmp_path / "without", f"{HOST}/app:1.0", referrers="none")
        assert [one.images[0].referrers for one in (planned, without)] == [1, 0]
        assert [entry.target for entry in registry.journal].count(path) == 1
        summary = await registry.copy(target, f"{HOST}/app:1.0", metadata_only=True)
        assert (summary.copied, summary.images[0].referrers) == (1, 1)
        again = await registry.copy(target, f"{HOST}/app:1.0", metadata_only=True, refresh=True)
        assert (again.unchanged, again.images[0].referrers) == (1, 0)
    assert problems(target) == []
    snapshot = Tree.open(target).snapshot(HOST, "app")
    assert snapshot is not None
    (referrer,) = snapshot.referrers(digest)
    known = kept_signature(referrer.links)
    assert known is not None
    assert (known.image, known.name, snapshot.read_blob(known.layer)) == (digest, f"{digest}@one", b"\x90signed")


@pytest.mark.parametrize("answer", ["[]", '{"signatures": 1}', "no JSON"])
async def test_lists_of_signatures_that_are_none(origin: Tree, tmp_path: Path, answer: str) -> None:
    path = f"/extensions/v2/app/signatures/{tags_of(origin)['1.0']}"
    hosts = {HOST: Host(signatures=True, routes=[Route(path=path, body=answer)])}
    async with upstream(origin, hosts=hosts) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
    assert [one.status for one in summary.images] == ["failed"]
    assert summary.images[0].reason.endswith("the list of signatures is none")
