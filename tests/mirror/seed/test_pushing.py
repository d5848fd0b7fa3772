"""Pushing from a tree: to our own registry over sockets, with everything that can go wrong there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.registry import HOST, image, index, put_image
from support.seeding import Upstream, upstream

from fake_registry.config import Auth, Fault, FaultAction, FaultMatch, Host, TooManyRequests
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from fake_registry.simple_signing import Signature, kept
from mirror.errors import InputError
from mirror.importer.registries import RegistriesConfig, mirror_sets_of
from mirror.reference import parse_normalized_named
from mirror.seed.mirror_sets import mirror_sets
from mirror.seed.remote import blob_upload
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.patience import Patience
from mirror.seed.targets import parse_target, shipments

TARGET = "mirror.example.com:5000"
LARGE = bytes(range(256)) * 12_000
RESET = FaultAction(reset=0)


@pytest.fixture
def origin(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_image(tree, "team/app", "1.0", b'{"os":"linux"}', [b"base", b"one", LARGE])
    put_image(tree, "team/app", "1", b'{"os":"linux"}', [b"base", b"one", LARGE])
    put_image(tree, "team/web", "2.0", b'{"os":"linux","v":2}', [b"base", b"two", LARGE])
    children = [image(b'{"a":1}', [b"x"]), image(b'{"a":2}', [b"y"])]
    for child, blobs in zip(children, ((b'{"a":1}', b"x"), (b'{"a":2}', b"y")), strict=True):
        for blob in (*blobs, child):
            tree.put_blob(blob)
    tree.put_manifest("docker.io", "library/multi", index(*children), OCI_INDEX, "latest")
    return tree


def empty(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "target", create=True)


def tags(tree: Tree, repository: str, host: str = TARGET) -> dict[str, str]:
    snapshot = tree.snapshot(host, repository)
    return {} if snapshot is None else {tag: one.digest for tag, one in snapshot.tags.items()}


def asked(registry: Upstream, since: int = 0) -> Counter[tuple[str, str]]:
    return Counter((entry.method, entry.kind) for entry in registry.journal[since:])


async def test_everything_arrives_and_nothing_is_sent_twice(origin: Tree, tmp_path: Path) -> None:
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        summary = await registry.push(origin, f"{TARGET}/copies")
        assert (summary.pushed, summary.failed) == (4, 0)
        uploads = [entry.target for entry in registry.journal if (entry.method, entry.kind) == ("PUT", "upload")]
        sent = [target.partition("digest=")[2].replace("%3A", ":") for target in uploads]
        assert sorted(sent) == sorted(set(sent))
        assert len(sent) == 10
        assert summary.mounted == 2 == sum("mount=" in one.target and one.status == 201 for one in registry.journal)
        before = len(registry.journal)
        again = await registry.push(origin, f"{TARGET}/copies")
        assert (again.unchanged, again.requests) == (4, 4)
        assert asked(registry, before) == {("HEAD", "manifest"): 4}
    for host, repository in ((HOST, "team/app"), (HOST, "team/web"), ("docker.io", "library/multi")):
        assert tags(target, f"copies/{repository}") == tags(origin, repository, host) != {}
    assert [str(one) for one in verify(target)] == []


async def test_a_dry_run_says_the_same_and_pushes_nothing(origin: Tree, tmp_path: Path) -> None:
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        plan = await registry.push(origin, TARGET, dry_run=True)
        assert {method for method, _ in asked(registry)} == {"HEAD"}
        assert target.hosts() == []
        real = await registry.push(origin, TARGET)
    assert plan.planned == real.pushed == 4
    assert (plan.bytes, plan.mounted, plan.blobs) == (real.bytes, real.mounted, real.blobs)
    assert plan.mirror_sets == real.mirror_sets


async def test_some_images_with_what_refers_to_them(origin: Tree, tmp_path: Path) -> None:
    snapshot = origin.snapshot(HOST, "team/app")
    assert snapshot is not None
    subject = snapshot.tags["1.0"]
    for blob in (b'{"sbom":1}', b"parts"):
        origin.put_blob(blob)
    sbom = image(b'{"sbom":1}', [b"parts"], subject=subject)
    origin.put_manifest(HOST, "team/app", sbom, OCI_MANIFEST)
    signature = subject.digest.replace(":", "-") + ".sig"
    put_image(origin, "team/app", signature, b'{"sig":1}', [b"payload"])
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        summary = await registry.push(origin, TARGET, f"{HOST}/team/app:1.0")
        assert summary.pushed == 3
        assert asked(registry)["PUT", "manifest"] == 3
    assert sorted(tags(target, "team/app")) == ["1.0", signature]
    copied = target.snapshot(TARGET, "team/app")
    assert copied is not None
    assert [one.descriptor.digest for one in copied.referrers(subject.digest)] == [compute_digest(sbom)]


async def test_a_registry_without_referrers_gets_lists_of_them(origin: Tree, tmp_path: Path) -> None:
    snapshot = origin.snapshot(HOST, "team/app")
    assert snapshot is not None
    subject = snapshot.tags["1.0"]
    sboms = []
    for number in (b"1", b"2"):
        config = b'{"sbom":' + number + b"}"
        for blob in (config, b"parts"):
            origin.put_blob(blob)
        sboms.append(image(config, [b"parts"], subject=subject))
        origin.put_manifest(HOST, "team/app", sboms[-1], OCI_MANIFEST)
    silent = Fault(match=FaultMatch(method="PUT", kind="manifest"), action=FaultAction(headers={"OCI-Subject": ""}))
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host(faults=[silent])}) as registry:
        summary = await registry.push(origin, TARGET, f"{HOST}/team/app")
        assert (summary.pushed, summary.failed) == (4, 0)
        await registry.push(origin, TARGET, f"{HOST}/team/app")
    copied = target.snapshot(TARGET, "team/app")
    assert copied is not None
    listed = copied.tags[subject.digest.replace(":", "-")]
    data = copied.read_manifest(listed)
    assert data is not None
    found = copied.store.links(listed.digest, listed.media_type)
    assert found is not None
    assert {one.digest for one in found.children} == {compute_digest(sbom) for sbom in sboms}
    assert {one.artifact_type for one in found.children} == {"application/vnd.oci.image.config.v1+json"}


async def test_one_failure_does_not_stop_the_others(origin: Tree, tmp_path: Path) -> None:
    (Path(origin.root) / "blobs" / "sha256" / compute_digest(b"two").partition(":")[2]).unlink()
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        summary = await registry.push(origin, TARGET)
    assert (summary.pushed, summary.failed) == (3, 1)
    failed = next(one for one in summary.images if one.status == "failed")
    problem = f"{compute_digest(b'two')} is not in the tree, which may have metadata only"
    assert (failed.image, failed.reason) == (f"{HOST}/team/web:2.0", f"{HOST}/team/web:2.0: {problem}")
    assert tags(target, "team/web") == {}
    sources = [entry["source"] for entry in summary.mirror_sets[0]["spec"]["imageDigestMirrors"]]
    assert sources == ["docker.io/library/multi", f"{HOST}/team/app"]


async def test_layers_that_the_registry_has_need_not_be_in_the_tree(origin: Tree, tmp_path: Path) -> None:
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        await registry.push(origin, TARGET, f"{HOST}/team/app:1.0")
        (Path(origin.root) / "blobs" / "sha256" / compute_digest(LARGE).partition(":")[2]).unlink()
        target.delete_tag(TARGET, "team/app", "1.0")
        summary = await registry.push(origin, TARGET, f"{HOST}/team/app:1.0")
    assert (summary.pushed, summary.bytes) == (1, len(image(b'{"os":"linux"}', [b"base", b"one", LARGE])))


async def test_damage_is_not_spread(origin: Tree, tmp_path: Path) -> None:
    path = Path(origin.root) / "blobs" / "sha256" / compute_digest(b"two").partition(":")[2]
    path.write_bytes(b"twice")
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host()}) as registry:
        longer = await registry.push(origin, TARGET, f"{HOST}/team/web:2.0")
        path.write_bytes(b"owt")
        other = await registry.push(origin, TARGET, f"{HOST}/team/web:2.0")
    assert longer.images[0].reason.endswith(f"{compute_digest(b'two')} has 5 bytes; its manifest says 3")
    assert "400 DIGEST_INVALID" in other.images[0].reason
    assert tags(target, "team/web") == {}


@pytest.mark.parametrize(
    "action",
    [
        FaultAction(status=503),
        FaultAction(too_many_requests=TooManyRequests(retry_after=7)),
        FaultAction(reset="before"),
        FaultAction(reset=0),
    ],
    ids=["503", "429", "reset before", "reset after"],
)
async def test_faults_are_overcome(origin: Tree, tmp_path: Path, action: FaultAction) -> None:
    target = empty(tmp_path)
    faults = [
        Fault(match=FaultMatch(method=method, kind=["manifest", "blob", "upload"], nth=[1, 2, 3, 5, 8]), action=action)
        for method in ("HEAD", "POST", "PUT")
    ]
    async with upstream(target, hosts={TARGET: Host(faults=faults)}) as registry:
        # as many tries as there are faults: it does not matter who meets them
        summary = await registry.push(origin, TARGET, reach={"patience": Patience(attempts=16)})
        assert [one.reason for one in summary.images if one.reason] == []
        times = [entry.time for entry in registry.journal]
        for wait in [entry.time for entry in registry.journal if entry.status == 429]:
            assert not [time for time in times if wait < time < wait + 7]
        assert sum(account.fired for account in registry.core.faults) == 15
    assert tags(target, "team/app") == tags(origin, "team/app", HOST)
    assert [str(one) for one in verify(target)] == []


@pytest.mark.parametrize(
    ("faults", "chunks", "begun"),
    [
        ([], 4, 1),
        # the chunk is there, and nobody was told
        ([Fault(match=FaultMatch(method="PATCH", nth=2), action=FaultAction(reset=0))], 4, 1),
        # it is not
        ([Fault(match=FaultMatch(method="PATCH", nth=[2, 4]), action=FaultAction(reset="before"))], 6, 1),
        ([Fault(match=FaultMatch(method="PATCH", nth=[1, 3]), action=FaultAction(status=503))], 6, 1),
        # the upload itself is gone
        (
            [
                Fault(match=FaultMatch(method="PATCH", nth=3), action=FaultAction(reset="before")),
                Fault(match=FaultMatch(method="GET", kind="upload"), action=FaultAction(status=404)),
            ],
            3 + 4,
            2,
        ),
        # all of it was taken, and nobody was told
        (
            [
                Fault(match=FaultMatch(method="PUT", kind="upload", digest=compute_digest(LARGE)), action=RESET),
            ],
            4,
            1,
        ),
        # chunks are not known there
        ([Fault(match=FaultMatch(method="PATCH"), action=FaultAction(status=405))], 1, 2),
    ],
    ids=["no fault", "reset after", "reset before", "503", "gone", "told nothing at the end", "no chunks"],
)
async def test_large_blobs_go_on_where_they_were(
    faults: list[Fault], chunks: int, begun: int, origin: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_upload, "CHUNK", 1_000_000)
    target = empty(tmp_path)
    put_image(origin, "large", "1", b"{}", [LARGE])
    async with upstream(target, hosts={TARGET: Host(faults=faults)}) as registry:
        summary = await registry.push(origin, TARGET, f"{HOST}/large:1", concurrency=1)
        assert [one.reason for one in summary.images if one.reason] == []
        assert asked(registry)["PATCH", "upload"] == chunks
        assert asked(registry)["POST", "upload"] == begun + 1  # and one for the config
    assert tags(target, "large") == tags(origin, "large", HOST)
    assert [str(one) for one in verify(target)] == []


async def test_who_may_not_push_is_told_so(origin: Tree, tmp_path: Path) -> None:
    target = empty(tmp_path)
    auth = Auth(type="bearer", username="me", password="secret")
    async with upstream(target, hosts={TARGET: Host(auth=auth)}) as registry:
        none = await registry.push(origin, TARGET, f"{HOST}/team/app:1.0")
        good = await registry.push(origin, TARGET, logins={TARGET: Login("me", "secret")})
    hint = f"; no login for {TARGET} is known: podman login keeps one, --authfile says where"
    assert none.images[0].reason.endswith(f"401 UNAUTHORIZED: authentication required{hint}")
    assert (good.pushed, good.mounted) == (4, 2)


NAMES = [
    ("registry.example.com", False, "quay.io", "team/app", "registry.example.com/team/app"),
    ("registry.example.com:5000/mirror/", False, "quay.io", "app", "registry.example.com:5000/mirror/app"),
    ("r.example.com/a/b", True, "docker.io", "library/nginx", "r.example.com/a/b/docker.io/library/nginx"),
    ("docker://r.example.com", True, "plain.example.com:5000", "app", "r.example.com/plain.example.com_5000/app"),
    ("index.docker.io/me", False, "quay.io", "app", "docker.io/me/app"),
]


@pytest.mark.parametrize(("text", "keep", "host", "repository", "expected"), NAMES)
def test_names_of_targets(text: str, keep: bool, host: str, repository: str, expected: str) -> None:
    target = parse_target(text, keep_hosts=keep)
    assert f"{target.host}/{target.repository(host, repository)}" == expected


@pytest.mark.parametrize("text", ["", "/app", "registry.example.com/UPPER", "https://registry.example.com", "a b"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(InputError, match="expected a registry, with or without a path"):
        parse_target(text)


def test_two_images_are_not_put_under_one_name(origin: Tree) -> None:
    put_image(origin, "library/multi", "latest", b'{"other":1}', [b"base"])
    with pytest.raises(InputError) as raised:
        shipments(origin, parse_target(TARGET))
    assert str(raised.value) == (
        f"docker.io/library/multi:latest and {HOST}/library/multi:latest are different images, and both would be "
        f"{TARGET}/library/multi:latest; --keep-hosts keeps them apart"
    )
    assert len(shipments(origin, parse_target(TARGET, keep_hosts=True))) == 4
    assert len(shipments(origin, parse_target(TARGET), [f"{HOST}/library/multi"])) == 1


def test_a_cluster_finds_the_copies(origin: Tree) -> None:
    origin.put_manifest("docker.io", "library/untagged", image(b"{}", []), OCI_MANIFEST)
    digests, by_tag, policy = mirror_sets(shipments(origin, parse_target(f"{TARGET}/copies")), TARGET)
    assert [one["kind"] for one in (digests, by_tag, policy)] == [
        *("ImageDigestMirrorSet", "ImageTagMirrorSet", "ImageContentSourcePolicy")
    ]
    assert len(by_tag["spec"]["imageTagMirrors"]) == 3
    assert policy["spec"]["repositoryDigestMirrors"] == digests["spec"]["imageDigestMirrors"]
    digest = "sha256:" + "0" * 64
    for fields in ({"icsp": [policy]}, {"idms": [digests]}):
        assert sources(fields, f"{HOST}/team/app@{digest}") == (
            f"{TARGET}/copies/team/app@{digest}",
            f"{HOST}/team/app@{digest}",
        )
    assert sources({"itms": [by_tag]}, "docker.io/library/multi:latest")[0] == f"{TARGET}/copies/library/multi:latest"


def sources(objects: dict[str, list[dict[str, Any]]], pull_spec: str) -> tuple[str, ...]:
    """Where a cluster with these objects pulls from, as the importer has it."""
    sets = {name: [mirror_sets_of(one) for one in listed] for name, listed in objects.items()}
    return RegistriesConfig.merge(**sets).pull_sources(parse_normalized_named(pull_spec)).references


async def test_signatures_are_put_where_they_are_kept_beside_images(origin: Tree, tmp_path: Path) -> None:
    snapshot = origin.snapshot(HOST, "team/app")
    assert snapshot is not None
    image = snapshot.tags["1.0"]
    name = f"{image.digest}@one"
    artifact = kept(Signature(name=name, content=b"\x90signed"), image)
    for digest, data in artifact.blobs.items():
        origin.put_blob(data, digest)
    origin.put_manifest(HOST, "team/app", artifact.manifest, OCI_MANIFEST)
    target = empty(tmp_path)
    async with upstream(target, hosts={TARGET: Host(signatures=True)}) as registry:
        planned = await registry.push(origin, TARGET, dry_run=True)
        assert (planned.planned, planned.failed) == (5, 0)
        summary = await registry.push(origin, TARGET)
        assert (summary.pushed, summary.failed) == (5, 0)
        asked = [entry for entry in registry.journal if entry.target.startswith("/extensions/")]
        assert [(entry.method, entry.status) for entry in asked] == [("GET", 404), ("GET", 200), ("PUT", 201)]
        assert not any(entry.method == "PUT" and artifact.digest in entry.target for entry in registry.journal)
        again = await registry.push(origin, TARGET)
        assert (again.unchanged, again.requests) == (5, 5)
    there = target.snapshot(TARGET, "team/app")
    assert there is not None
    assert there.listed[artifact.digest].media_type == OCI_MANIFEST  # kept there as it was here
    assert list(verify(target)) == []
