"""Trees filled from Debian's docker-registry and from what skopeo and buildah write, and the other way round."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.command import ismirror
from support.docker_registry import Peer, docker_registry
from support.registry import HOST, image, index, put_image
from support.seeding import Silent
from support.shapes import SHAPES, put_shapes

from fake_registry import FakeRegistry
from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, compute_digest, manifest_digest, manifest_links
from mirror.seed.pushing import push_images
from mirror.seed.remote.credentials import Logins
from mirror.seed.remote.network import Network
from mirror.seed.remote.registries import Registries
from mirror.seed.targets import parse_target, shipments
from mirror.seed.uploads import Upload

PROGRAMS = ("docker-registry", "skopeo", "buildah")
MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

BUSYBOX = Path("/bin/busybox")
LOGIN = "me:secret"


def run(*command: str) -> str:
    """Runs a client to its end; what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, check=False, env=environment | {"BUILDAH_ISOLATION": "chroot"}, capture_output=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()[-2000:]}"
    return done.stdout.decode()


def skopeo(*command: str) -> str:
    """skopeo without certificates, with the password."""
    sides = {"copy": ("src-", "dest-"), "sync": ("src-", "dest-")}.get(command[0], ("",))
    options = [option for side in sides for option in (f"--{side}tls-verify=false", f"--{side}creds={LOGIN}")]
    return run("skopeo", "--insecure-policy", command[0], *options, *command[1:])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with images of all kinds: ``oci``, ``multi``, ``docker``, and ``built`` by buildah if it can."""
    folder = tmp_path_factory.mktemp("images")
    options = ("--real-layers", "--data", str(folder / "tree"))
    synth = ("seed", "synth", "--image", "quay.io/app:multi", *options)
    assert ismirror(*synth).exit_code == 0
    one = ("--platform", "linux/amd64")
    assert ismirror("seed", "synth", "--image", "quay.io/app:oci", *one, *options).exit_code == 0
    done = ismirror("data", "export", "quay.io/app", "--repository", "--to", f"oci:{folder / 'oci'}", *options[1:])
    assert done.exit_code == 0, done.stderr
    root = ("--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
    if BUSYBOX.exists() and os.geteuid() == 0:
        container = run("buildah", *root, "from", "scratch").strip()
        run("buildah", *root, "copy", container, str(BUSYBOX), "/bin/busybox")
        run(
            "buildah",
            *root,
            "commit",
            "--format",
            "docker",
            container,
            f"docker-archive:{folder / 'built.tar'}:built:1",
        )
    return folder


def fill(peer: Peer, images: Path) -> dict[str, str]:
    """Puts everything into a repository of a registry; the digests by tag, as skopeo sees them."""
    source = f"oci:{images / 'oci'}"
    place = f"docker://{peer.address}/team/app"
    skopeo("copy", "--all", "--preserve-digests", f"{source}:multi", f"{place}:multi")
    skopeo("copy", "--all", "--preserve-digests", f"{source}:oci", f"{place}:oci")
    skopeo("copy", "--format", "v2s2", "--override-arch", "amd64", f"{source}:multi", f"{place}:docker")
    skopeo("copy", "--all", "--format", "v2s2", f"{source}:multi", f"{place}:list")
    skopeo("copy", "--format", "v2s1", "--override-arch", "amd64", f"{source}:multi", f"{place}:old")
    if (images / "built.tar").exists():
        skopeo("copy", f"docker-archive:{images / 'built.tar'}", f"{place}:built")
    return digests(peer, "team/app")


def digests(peer: Peer, repository: str) -> dict[str, str]:
    """The digest of each tag, from the bytes that skopeo gets."""
    tags = json.loads(skopeo("list-tags", f"docker://{peer.address}/{repository}"))["Tags"]
    found = {}
    for tag in tags:
        data = skopeo("inspect", "--raw", f"docker://{peer.address}/{repository}:{tag}").encode()
        found[tag] = manifest_digest(data, manifest_links(data).media_type or _schema1(data))
    return found


def _schema1(data: bytes) -> str:
    old = json.loads(data).get("schemaVersion") == 1
    return "application/vnd.docker.distribution.manifest.v1+prettyjws" if old else ""


def tags_of(tree: Path, host: str, repository: str) -> dict[str, str]:
    snapshot = Tree.open(tree).snapshot(host, repository)
    assert snapshot is not None
    return {tag: one.digest for tag, one in snapshot.tags.items()}


@pytest.mark.parametrize("password", [False, True], ids=["open", "password"])
def test_copy_and_push_keep_everything(images: Path, tmp_path: Path, password: bool) -> None:
    tree = tmp_path / "tree"
    login = ("--creds", LOGIN) if password else ()
    with docker_registry(tmp_path / "one", password=password) as peer:
        expected = fill(peer, images)
        assert len(expected) >= 5
        if password:
            wrong = ismirror("seed", "copy", f"{peer.address}/team/app", "--insecure", "--data", str(tree))
            assert (wrong.exit_code, "401 UNAUTHORIZED: authentication required" in wrong.stderr) == (1, True)
        copy = ("seed", "copy", f"{peer.address}/team/app", "--insecure", *login, "--data", str(tree), "-o", "json")
        done = ismirror(*copy)
        assert done.exit_code == 0, done.stderr
        assert done.json["copied"] == len(expected)
        again = ismirror(*copy)
        assert (again.json["unchanged"], again.json["blobs"]) == (len(expected), 0)
        # one for each tag, one for their list, and what finding out costs that there is no TLS, and a password
        assert again.json["requests"] <= len(expected) + 1 + 4
    assert tags_of(tree, peer.address, "team/app") == expected
    assert [str(one) for one in verify(Tree.open(tree), complete=True) if not one.harmless] == []
    with docker_registry(tmp_path / "two", password=password) as other:
        push = ("seed", "push", str(tree), f"{other.address}/copies", "--insecure", *login, "-o", "json")
        done = ismirror(*push)
        assert done.exit_code == 0, done.stderr
        assert digests(other, "copies/team/app") == expected
        again = ismirror(*push)
        assert (again.json["unchanged"], again.json["failed"]) == (len(expected), 0)
        assert again.json["mirrorSets"][0]["spec"]["imageDigestMirrors"] == [
            {"mirrors": [f"{other.address}/copies/team/app"], "source": f"{peer.address}/team/app"}
        ]


def test_mounts_across_repositories_of_a_real_registry(images: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("quay.io/one:1", "quay.io/two:1"):
        done = ismirror("seed", "archive", str(images / "oci"), "--as", name.rpartition(":")[0], "--data", str(tree))
        assert done.exit_code == 0, done.stderr
    with docker_registry(tmp_path / "peer") as peer:
        done = ismirror("seed", "push", str(tree), peer.address, "--insecure", "-o", "json")
        assert done.exit_code == 0, done.stderr
        blobs = {path.name for path in (tree / "blobs" / "sha256").iterdir()}
        assert done.json["mounted"] > 0
        assert digests(peer, "one") == digests(peer, "two") == tags_of(tree, "quay.io", "one")
        uploaded = {path.parent.name for path in peer.storage.rglob("data")}
        assert uploaded == blobs


@pytest.mark.parametrize("form", ["oci", "oci-archive", "dir", "docker-archive"])
def test_archives_that_skopeo_writes(images: Path, tmp_path: Path, form: str) -> None:
    archive, tree = tmp_path / "archive", tmp_path / "tree"
    name = f"{archive}:quay.io/copied/app:1" if form != "dir" else str(archive)
    everything = ("--all", "--preserve-digests") if form != "docker-archive" else ("--override-arch", "amd64")
    run("skopeo", "--insecure-policy", "copy", *everything, f"oci:{images / 'oci'}:multi", f"{form}:{name}")
    place = ("--as", "quay.io/copied/app:1") if form == "dir" else ()
    done = ismirror("seed", "archive", str(archive), *place, "--data", str(tree))
    assert done.exit_code == 0, done.stderr
    tree_of_images = images / "tree"
    found = tags_of(tree, "quay.io", "copied/app")
    if form != "docker-archive":
        assert found == {"1": tags_of(tree_of_images, "quay.io", "app")["multi"]}
    assert list(found) == ["1"]
    assert [str(one) for one in verify(Tree.open(tree), complete=True) if not one.harmless] == []


@pytest.mark.parametrize("form", ["oci", "oci-archive", "dir", "docker-archive"])
def test_archives_that_skopeo_reads(images: Path, tmp_path: Path, form: str) -> None:
    archive = tmp_path / "archive"
    done = ismirror("data", "export", "quay.io/app:multi", "--to", f"{form}:{archive}", "--data", str(images / "tree"))
    assert done.exit_code == 0, done.stderr
    name = {"oci": f"{archive}:multi", "oci-archive": f"{archive}:multi"}.get(form, str(archive))
    back = tmp_path / "back"
    everything = ("--all", "--preserve-digests") if form != "docker-archive" else ()
    run("skopeo", "--insecure-policy", "copy", *everything, f"{form}:{name}", f"dir:{back}")
    if form != "docker-archive":
        digest = tags_of(images / "tree", "quay.io", "app")["multi"]
        assert compute_digest((back / "manifest.json").read_bytes()) == digest


def test_what_skopeo_syncs_and_the_registry_stores(images: Path, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "peer") as peer:
        expected = fill(peer, images)
        skopeo("sync", "--all", "--preserve-digests", "--scoped", "--src", "docker", "--dest", "dir",
               f"{peer.address}/team/app", str(tmp_path / "synced"))  # fmt: skip
    synced, stored = tmp_path / "from-sync", tmp_path / "from-storage"
    done = ismirror("seed", "archive", str(tmp_path / "synced"), "--data", str(synced))
    assert done.exit_code == 0, done.stderr
    done = ismirror("seed", "archive", str(peer.storage), "--as", peer.address, "--data", str(stored))
    assert done.exit_code == 0, done.stderr
    for tree in (synced, stored):
        assert tags_of(tree, peer.address, "team/app") == expected
        assert [str(one) for one in verify(Tree.open(tree), complete=True) if not one.harmless] == []
    assert ismirror("data", "diff", str(synced), str(stored)).exit_code == 0


def content_of(synced: Path) -> tuple[set[str], set[str]]:
    """The digests of the manifests and of the blobs that ``skopeo sync`` left, by their bytes."""
    manifests, blobs = set(), set()
    for path in synced.rglob("*"):
        if path.is_file() and path.name != "version":
            (manifests if path.name.endswith("manifest.json") else blobs).add(compute_digest(path.read_bytes()))
    return manifests, blobs


def test_the_same_as_skopeo_syncs_with_fewer_requests(tmp_path: Path) -> None:
    """Indexes and images with layers that they share, by both programs, from our own registry that keeps a journal."""
    origin, tree, synced, certs = (tmp_path / name for name in ("origin", "tree", "synced", "certs"))
    filled = Tree.open(origin, create=True)
    shared = [bytes([number]) * 50_000 for number in range(3)]
    for tag in ("v1", "v2"):
        layers = {arch: [*shared, f"{tag} {arch}".encode()] for arch in ("amd64", "arm64")}
        configs = {arch: json.dumps({"os": "linux", "architecture": arch, "tag": tag}).encode() for arch in layers}
        children = [image(configs[arch], layers[arch]) for arch in layers]
        for blob in (*configs.values(), *(layer for some in layers.values() for layer in some), *children):
            filled.put_blob(blob)
        filled.put_manifest(HOST, "team/app", index(*children), OCI_INDEX, tag)
    put_image(filled, "team/app", "one", b'{"os":"linux","architecture":"amd64"}', [*shared, b"one"])
    certs.mkdir()
    with FakeRegistry(origin) as registry:
        (certs / "ca.crt").write_bytes(registry.ca_pem)
        source = registry.pull_spec(f"{HOST}/team/app")
        took = []
        for more, target in ((("--no-referrers",), tree), ((), tmp_path / "with referrers")):
            before = registry.journal.total
            done = ismirror("seed", "copy", source, "--ca", str(certs / "ca.crt"), "--data", str(target), *more)
            assert done.exit_code == 0, done.stderr
            took.append(registry.journal.total - before)
        before = registry.journal.total
        options = ("--all", "--preserve-digests", "--src-cert-dir", str(certs), "--src", "docker", "--dest", "dir")
        run("skopeo", "--insecure-policy", "sync", *options, source, str(synced))
        theirs = registry.journal.total - before
    assert took[0] < theirs
    assert took[1] < theirs
    manifests, blobs = content_of(synced)
    ours = {f"sha256:{path.name}": path for path in (tree / "blobs" / "sha256").iterdir()}
    assert set(ours) == manifests | blobs
    assert all(compute_digest(path.read_bytes()) == digest for digest, path in ours.items())
    host, _, name = source.partition("/")
    snapshot = Tree.open(tree).snapshot(host, name.partition(":")[0])
    assert snapshot is not None
    assert {one.digest for one in snapshot.manifests()} == manifests


def synced(source: str, target: Path, *login: str) -> None:
    """Copies a repository in clear text, by ``skopeo sync``."""
    options = ("--all", "--preserve-digests", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", *login)
    run("skopeo", "--insecure-policy", "sync", *options, source, str(target))


def ours(source: str, target: Path, *login: str) -> None:
    """Copies a repository in clear text, by ``ismirror seed copy``."""
    done = ismirror("seed", "copy", source, "--insecure", "--data", str(target), *login)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("auth", [None, "anonymous", "bearer"])
def test_fewer_requests_than_skopeo_whatever_the_shape(tmp_path: Path, auth: str | None) -> None:
    """Signatures and attestations included, which skopeo leaves behind: by default, with as many answers as it gets."""
    put_shapes(Tree.open(tmp_path / "origin", create=True), SHAPES)
    user = {"username": "me", "password": "secret"}
    tokens = {"auth": {"type": "bearer", "anonymous": auth == "anonymous", **user}}
    login = ("--creds", LOGIN) if auth == "bearer" else ()
    with FakeRegistry(tmp_path / "origin", hosts={HOST: {"scheme": "http"} | (tokens if auth else {})}) as registry:
        for name in SHAPES:
            source = registry.pull_spec(f"{HOST}/{name}").partition(":latest")[0]
            counts = [registry.journal.total]
            ours(source, tmp_path / "tree", *login)
            counts.append(registry.journal.total)
            synced(source, tmp_path / "synced" / name, *(one.replace("--", "--src-") for one in login))
            counts.append(registry.journal.total)
            assert counts[1] - counts[0] < counts[2] - counts[1], name
    manifests, blobs = content_of(tmp_path / "synced")
    assert {f"sha256:{path.name}" for path in (tmp_path / "tree/blobs/sha256").iterdir()} == manifests | blobs


def test_fewer_requests_than_skopeo_where_there_are_no_lists_of_referrers(tmp_path: Path) -> None:
    """Debian's docker-registry, whose log counts; it takes no schema 1 without a signature."""
    shapes = {name: shape for name, shape in SHAPES.items() if name != "schema-1"}
    put_shapes(Tree.open(tmp_path / "origin", create=True), shapes)
    with docker_registry(tmp_path / "peer") as peer:
        done = ismirror("seed", "push", str(tmp_path / "origin"), peer.address, "--insecure")
        assert done.exit_code == 0, done.stderr
        for name in shapes:
            counts = [asked(tmp_path / "peer" / "log")]
            ours(f"{peer.address}/{name}", tmp_path / "tree")
            counts.append(asked(tmp_path / "peer" / "log"))
            synced(f"{peer.address}/{name}", tmp_path / "synced" / name)
            counts.append(asked(tmp_path / "peer" / "log"))
            assert counts[1] - counts[0] < counts[2] - counts[1], name


def asked(log: Path) -> int:
    """How many requests a docker-registry has written into its log: a line each, with the method in quotes."""
    return sum('"GET /v2/' in line or '"HEAD /v2/' in line for line in log.read_text().splitlines())


async def test_a_push_that_stops_between_chunks_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "large", "1", b"{}", [random.Random(1).randbytes(80 << 20)])
    pieces = Upload.pieces

    def stopping(upload: Upload, start: int, stop: int) -> AsyncIterator[bytes]:
        if start >= 64 << 20:
            raise TreeError("stopped")
        return pieces(upload, start, stop)

    with docker_registry(tmp_path / "peer") as peer:
        target = parse_target(peer.address)
        monkeypatch.setattr(Upload, "pieces", stopping)
        async with Network() as network:
            registries = Registries(network, Logins([], {}), insecure=True)
            first = await push_images(shipments(tree, target, ()), target, registries, Silent())
        assert [one.reason for one in first.images] == ["stopped"]
        done = ismirror("seed", "push", str(tmp_path / "tree"), peer.address, "--insecure")
        assert done.exit_code == 0, done.stderr
        assert patches(tmp_path / "peer" / "log") == 3
        assert digests(peer, "large") == tags_of(tmp_path / "tree", HOST, "large")


def patches(log: Path) -> int:
    """How many chunks a registry was sent, by its access log."""
    return log.read_text().count('"PATCH /v2/')


def test_a_push_that_is_killed_ends_complete(tmp_path: Path) -> None:
    """Within a chunk docker-registry does not know how far it got: it is sent the blob anew."""
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "large", "1", b"{}", [random.Random(1).randbytes(80 << 20)])
    with docker_registry(tmp_path / "peer") as peer:
        push = ("seed", "push", str(tmp_path / "tree"), peer.address, "--insecure")
        with subprocess.Popen((sys.executable, "-m", "mirror.cli.main", *push), stderr=subprocess.DEVNULL) as process:
            while sum(path.stat().st_size for path in peer.storage.glob("**/_uploads/*/data")) < 40 << 20:
                assert process.poll() is None
                time.sleep(0.001)  # another program: nothing of ours tells how far it is
            process.kill()
        done = ismirror(*push)
        assert done.exit_code == 0, done.stderr
        assert digests(peer, "large") == tags_of(tmp_path / "tree", HOST, "large")
        assert list((tmp_path / "tree").glob("blobs/.uploads/push.*")) == []


def test_a_large_layer_is_pushed_in_chunks(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "large", "1", b"{}", [random.Random(1).randbytes(40 << 20)])
    with docker_registry(tmp_path / "peer") as peer:
        done = ismirror("seed", "push", str(tmp_path / "tree"), peer.address, "--insecure", "-o", "json")
        assert (done.exit_code, done.json["pushed"]) == (0, 1), done.stderr
        assert digests(peer, "large") == tags_of(tmp_path / "tree", HOST, "large")
