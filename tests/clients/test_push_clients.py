"""skopeo, buildah and podman push to the registry and pull from it, over TLS with its CA and with a password."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.pushing import CoreClient, push_blob, push_manifest

from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, verify
from fake_registry.listening import Address, bind
from fake_registry.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    compute_digest,
)
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

USER, PASSWORD = "me", "secret"
BUSYBOX = Path("/bin/busybox")

pytestmark = [pytest.mark.clients]


def needed(*programs: str) -> pytest.MarkDecorator:
    """Skips a test where a program that it needs is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@dataclass
class Registry:
    """A registry that runs, its tree, and how clients are told to trust it and to log in."""

    address: Address
    tree: Tree
    core: RegistryCore
    directory: Path
    runs: str
    """A directory with a short name, for what runs: podman refuses long ones."""

    @property
    def certificates(self) -> str:
        """The directory of certificates."""
        return str(self.directory / "certs")

    @property
    def authentication(self) -> str:
        """The file with the password."""
        return str(self.directory / "auth.json")

    def image(self, name: str) -> str:
        """The pull spec of an image of this registry."""
        return f"{self.address}/{name}"

    def digest(self, name: str) -> str:
        """The digest that a tag leads to."""
        repository, _, tag = name.partition(":")
        snapshot = self.tree.snapshot(str(self.address), repository)
        assert snapshot is not None
        return snapshot.tags[tag].digest

    def manifest(self, name: str) -> dict[str, Any]:
        """The manifest that a tag leads to."""
        found = self.tree.store.read_blob(self.digest(name))
        assert isinstance(found, bytes)
        document: dict[str, Any] = json.loads(found)
        return document

    def client(self) -> CoreClient:
        """Fills the registry without any client program."""
        return CoreClient(RegistryCore(self.tree), str(self.address))


@pytest.fixture(params=["bearer", "basic"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registry]:
    sockets = bind("127.0.0.1", 0)
    address = Address.of(sockets[0])
    tree = Tree.open(tmp_path / "tree")
    core = RegistryCore(tree, {str(address): Host(auth=Auth(type=request.param, username=USER, password=PASSWORD))})
    authority = CertificateAuthority.create()
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(authority.ca_pem)
    token = "bWU6c2VjcmV0"  # of user and password
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {str(address): {"auth": token}}}))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs:
        async with RegistryServer(core, authority) as server:
            await server.listen(sockets)
            yield Registry(address, tree, core, tmp_path, runs)
    assert list(verify(tree)) == []
    unexpected = [entry for entry in core.journal if entry.status >= 500]
    assert unexpected == []


async def run(*command: str, cwd: Path | None = None) -> str:
    """Runs a program to its end and returns what it printed; it has to succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment | {"LC_ALL": "C"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, f"{' '.join(command)}: {err.decode()[-3000:]}"
    return out.decode()


async def skopeo(registry: Registry, *command: str) -> str:
    """skopeo with the registry's CA and password, whichever side of a copy it is on."""
    sides = {"copy": ("src-", "dest-"), "sync": ("src-", "dest-")}.get(command[0], ("",))
    options = [f"--{side}cert-dir={registry.certificates}" for side in sides]
    options.append(f"--authfile={registry.authentication}")
    return await run("skopeo", "--insecure-policy", command[0], *options, *command[1:])


def layer(*files: tuple[str, bytes, int]) -> bytes:
    """A layer with some files, compressed, the same each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data, mode in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def config(architecture: str, *layers: bytes) -> bytes:
    """The config of an image with these layers."""
    digests = [f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}" for data in layers]
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created_by": "test"} for _ in digests],
    }
    return json.dumps(document).encode()


async def put_image(registry: Registry, name: str, layers: Sequence[bytes], architecture: str = "amd64") -> bytes:
    """Puts an image into the registry; returns its manifest."""
    client = registry.client()
    repository, _, reference = name.partition(":")
    described = config(architecture, *layers)
    for data in (described, *layers):
        await push_blob(client, repository, data)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": compute_digest(described), "size": len(described)},
        "layers": [{"mediaType": OCI_LAYER, "digest": compute_digest(data), "size": len(data)} for data in layers],
    }
    manifest = json.dumps(document, indent=3).encode()
    await push_manifest(client, repository, reference or compute_digest(manifest), manifest)
    return manifest


async def put_index(registry: Registry, name: str) -> bytes:
    """Puts an image for two architectures into the registry; returns its index."""
    repository, _, tag = name.partition(":")
    entries = []
    for architecture in ("amd64", "arm64"):
        data = await put_image(registry, repository, [layer(("arch", architecture.encode(), 0o644))], architecture)
        platform = {"architecture": architecture, "os": "linux"}
        entries.append(
            {"mediaType": OCI_MANIFEST, "digest": compute_digest(data), "size": len(data), "platform": platform}
        )
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    await push_manifest(registry.client(), repository, tag, data, OCI_INDEX)
    return data


async def put_base(registry: Registry) -> None:
    """Puts an image that has a shell."""
    await put_image(registry, "base:v1", [layer(("bin/sh", shell(), 0o755))])


def shell() -> bytes:
    """A program that needs no libraries, and is a shell if it is called so."""
    return BUSYBOX.read_bytes()


@needed("skopeo")
class TestSkopeo:
    @pytest.mark.parametrize("form", ["oci", "v2s2"])
    async def test_copy_both_ways(self, registry: Registry, tmp_path: Path, form: str) -> None:
        await put_image(registry, "app:v1", [layer(("a", b"1" * 100_000, 0o644)), layer(("b", b"2", 0o644))])
        source, there = f"docker://{registry.image('app:v1')}", f"docker://{registry.image('team/copy:v1')}"
        await skopeo(registry, "copy", "--format", form, source, there)
        assert registry.manifest("team/copy:v1")["mediaType"] == {"oci": OCI_MANIFEST, "v2s2": DOCKER_MANIFEST}[form]
        await skopeo(registry, "copy", there, f"dir:{tmp_path / 'out'}")
        await skopeo(registry, "copy", f"dir:{tmp_path / 'out'}", f"docker://{registry.image('back:v1')}")
        assert registry.digest("back:v1") == registry.digest("team/copy:v1")

    async def test_copies_between_repositories_are_mounted(self, registry: Registry) -> None:
        await put_image(registry, "app:v1", [layer(("a", str(registry.directory).encode(), 0o644))])
        source = f"docker://{registry.image('app:v1')}"
        for name in ("one:v1", "two:v1"):  # what skopeo has read once it knows where to mount from
            await skopeo(registry, "copy", source, f"docker://{registry.image(name)}")
        mounts = [entry for entry in registry.core.journal if "mount=" in entry.target]
        assert {entry.repository for entry in mounts if entry.status == 201} == {"two"}

    async def test_copy_of_all_architectures(self, registry: Registry, tmp_path: Path) -> None:
        data = await put_index(registry, "multi:v1")
        source = f"docker://{registry.image('multi:v1')}"
        there = f"docker://{registry.image('copy:v1')}"
        await skopeo(registry, "copy", "--all", "--preserve-digests", source, f"oci:{tmp_path / 'oci'}:v1")
        await skopeo(registry, "copy", "--all", "--preserve-digests", f"oci:{tmp_path / 'oci'}:v1", there)
        assert registry.digest("copy:v1") == compute_digest(data)
        await skopeo(registry, "copy", "--all", "--format", "v2s2", source, f"docker://{registry.image('list:v1')}")
        document = registry.manifest("list:v1")
        assert document["mediaType"] == DOCKER_LIST
        assert len(document["manifests"]) == 2

    async def test_sync(self, registry: Registry, tmp_path: Path) -> None:
        first = await put_image(registry, "app:v1", [layer(("a", b"1", 0o644))])
        await put_image(registry, "app:v2", [layer(("a", b"2", 0o644))])
        out = str(tmp_path / "out")
        await skopeo(registry, "sync", "--src", "docker", "--dest", "dir", registry.image("app"), out)
        await skopeo(registry, "sync", "--src", "dir", "--dest", "docker", out, registry.image("back"))
        assert (tmp_path / "out" / "app:v1" / "manifest.json").read_bytes() == first
        assert registry.digest("back/app:v1") == compute_digest(first)

    async def test_tags_and_deleting(self, registry: Registry) -> None:
        for tag in ("v1", "v2"):
            await put_image(registry, f"app:{tag}", [layer((tag, b"1", 0o644))])
        listed = await skopeo(registry, "list-tags", f"docker://{registry.image('app')}")
        assert json.loads(listed)["Tags"] == ["v1", "v2"]
        await skopeo(registry, "delete", f"docker://{registry.image('app:v1')}")
        listed = await skopeo(registry, "list-tags", f"docker://{registry.image('app')}")
        assert json.loads(listed)["Tags"] == ["v2"]

    async def test_inspect(self, registry: Registry) -> None:
        data = await put_image(registry, "app:v1", [layer(("a", b"1", 0o644))])
        found = json.loads(await skopeo(registry, "inspect", f"docker://{registry.image('app:v1')}"))
        assert (found["Digest"], found["RepoTags"]) == (compute_digest(data), ["v1"])


@needed("buildah", "busybox")
@pytest.mark.skipif(not BUSYBOX.exists(), reason=f"no {BUSYBOX}: install busybox-static")
class TestBuildah:
    async def buildah(self, registry: Registry, *command: str, logs_in: bool = False) -> str:
        options = ["--root", str(registry.directory / "storage"), "--runroot", registry.runs]
        trust = [f"--cert-dir={registry.certificates}", f"--authfile={registry.authentication}"] if logs_in else []
        return await run("buildah", *options, "--storage-driver", "vfs", command[0], *trust, *command[1:])

    async def test_build_from_it_and_push_to_it(self, registry: Registry, tmp_path: Path) -> None:
        await put_base(registry)
        (tmp_path / "context").mkdir()
        recipe = f"FROM {registry.image('base:v1')}\nRUN echo built > /built\nLABEL built=yes\n"
        (tmp_path / "context" / "Containerfile").write_text(recipe)
        target = registry.image("team/built:v1")
        context = str(tmp_path / "context")
        await self.buildah(registry, "bud", "--isolation", "chroot", "-t", target, context, logs_in=True)
        await self.buildah(registry, "push", target, f"docker://{target}", logs_in=True)
        document = registry.manifest("team/built:v1")
        assert document["mediaType"] == OCI_MANIFEST
        found = registry.tree.store.read_blob(document["config"]["digest"])
        assert isinstance(found, bytes)
        assert json.loads(found)["config"]["Labels"]["built"] == "yes"

    async def test_push_of_a_docker_image(self, registry: Registry) -> None:
        await put_base(registry)
        name = (await self.buildah(registry, "from", registry.image("base:v1"), logs_in=True)).strip()
        await self.buildah(registry, "config", "--label", "a=b", name)
        await self.buildah(registry, "commit", "--format", "docker", name, "made")
        await self.buildah(registry, "push", "made", f"docker://{registry.image('made:v1')}", logs_in=True)
        assert registry.manifest("made:v1")["mediaType"] == DOCKER_MANIFEST


@needed("podman", "busybox")
@pytest.mark.skipif(not BUSYBOX.exists(), reason=f"no {BUSYBOX}: install busybox-static")
class TestPodman:
    async def podman(self, registry: Registry, *command: str, logs_in: int = 0) -> str:
        """The options to log in come after the first `logs_in` words of the command."""
        options = ["--root", str(registry.directory / "storage"), "--runroot", registry.runs]
        trust = [f"--cert-dir={registry.certificates}", f"--authfile={registry.authentication}"] if logs_in else []
        return await run("podman", *options, "--storage-driver", "vfs", *command[:logs_in], *trust, *command[logs_in:])

    async def test_pull_and_push(self, registry: Registry) -> None:
        await put_base(registry)
        await self.podman(registry, "pull", "-q", registry.image("base:v1"), logs_in=1)
        await self.podman(registry, "tag", registry.image("base:v1"), registry.image("team/pushed:v1"))
        await self.podman(registry, "push", "-q", registry.image("team/pushed:v1"), logs_in=1)
        assert len(registry.manifest("team/pushed:v1")["layers"]) == 1

    async def test_manifest_push(self, registry: Registry) -> None:
        await put_index(registry, "multi:v1")
        for architecture in ("amd64", "arm64"):
            source = registry.image("multi:v1")
            await self.podman(registry, "pull", "-q", "--arch", architecture, source, logs_in=1)
            await self.podman(registry, "tag", source, f"localhost/{architecture}")
        await self.podman(registry, "manifest", "create", "all")
        for architecture in ("amd64", "arm64"):
            await self.podman(registry, "manifest", "add", "all", f"containers-storage:localhost/{architecture}")
        target = f"docker://{registry.image('all:v1')}"
        await self.podman(registry, "manifest", "push", "--all", "all", target, logs_in=2)
        document = registry.manifest("all:v1")
        assert [entry["platform"]["architecture"] for entry in document["manifests"]] == ["amd64", "arm64"]
        for entry in document["manifests"]:
            found = registry.tree.store.read_blob(entry["digest"])
            assert isinstance(found, bytes)

    async def test_login_and_search_for_what_is_not_there(self, registry: Registry) -> None:
        address = str(registry.address)
        await self.podman(registry, "login", "-u", USER, "-p", PASSWORD, address, logs_in=1)
        with pytest.raises(AssertionError, match="name unknown: repository name not known to registry"):
            await self.podman(registry, "pull", "-q", registry.image("no/where:v1"), logs_in=1)
