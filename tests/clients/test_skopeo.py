"""An image that buildah builds and skopeo writes into a tree imports, and skopeo reads it back over TLS."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import NOW, Served, ismirror, served_registry

from fake_registry.fixtures import Tree

BUSYBOX = Path("/bin/busybox")

MISSING = [program for program in ("buildah", "skopeo") if shutil.which(program) is None]
if not BUSYBOX.exists():
    MISSING.append("busybox-static")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0 and shutil.which("newuidmap") is None, reason="buildah needs root, or uidmap"),
]

REPOSITORY = "demo/busybox"


def run(folder: Path, *command: str) -> str:
    """Runs a client to its end; what it prints."""
    environment = os.environ | {"HOME": str(folder), "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
        environment.pop(name, None)
    environment |= {"NO_PROXY": "*", "no_proxy": "*"}
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive of an image with nothing but busybox in it."""
    folder = tmp_path_factory.mktemp("buildah")
    buildah = ("buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
    container = run(folder, *buildah, "from", "scratch").strip()
    run(folder, *buildah, "copy", container, str(BUSYBOX), "/bin/busybox")
    run(folder, *buildah, "config", "--cmd", '["/bin/busybox","sh"]', "--env", "GREETING=hello", container)
    run(folder, *buildah, "config", "--label", "org.example.made-by=buildah", container)
    run(folder, *buildah, "commit", "--format", "oci", container, f"oci-archive:{folder / 'image.tar'}:latest")
    return folder / "image.tar"


def put(tree: Path, host: str, archive: Path, tag: str) -> None:
    """Writes the image into a tree, as skopeo's own layout with the tree's blobs."""
    place = tree / "registries" / host / REPOSITORY
    (tree / "blobs").mkdir(parents=True, exist_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    blobs = ("--dest-shared-blob-dir", str(tree / "blobs"))
    run(tree, "skopeo", "--insecure-policy", "copy", *blobs, f"oci-archive:{archive}:latest", f"oci:{place}:{tag}")


@pytest.fixture(scope="module")
def tree(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that nobody but skopeo has written to."""
    path = tmp_path_factory.mktemp("skopeo") / "tree"
    path.mkdir()
    put(path, "quay.io", archive, "1.0")
    put(path, "quay.io", archive, "latest")
    return path


class Client:
    """skopeo against a registry that runs, under the address of that registry."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.folder = folder
        self.image = f"docker://{served.address}/{REPOSITORY}"
        certificates = folder / "certificates"
        certificates.mkdir()
        shutil.copy(served.ca, certificates / "ca.crt")
        self.certificates = str(certificates)

    def json(self, *arguments: str) -> Any:
        """What a command of skopeo prints."""
        certificates = ("--cert-dir", self.certificates)
        return json.loads(
            run(self.folder, "skopeo", "--insecure-policy", *arguments[:1], *certificates, *arguments[1:])
        )


@pytest.fixture
def client(tree: Path, archive: Path, tmp_path: Path) -> Iterator[Client]:
    """The image lies under the registry's own address, too, put there while it is served."""
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy, symlinks=True)
    with served_registry(copy, "--tls-dir", str(tmp_path / "tls")) as served:
        put(copy, f"127.0.0.1_{served.port}", archive, "latest")
        yield Client(tmp_path, served)


def test_the_tree_is_taken_as_it_comes(tree: Path) -> None:
    index = json.loads((tree / "registries" / "quay.io" / REPOSITORY / "index.json").read_text())
    assert "mediaType" not in index
    snapshot = Tree.open(tree).snapshot("quay.io", REPOSITORY)
    assert snapshot is not None
    assert snapshot.tag_names == ["1.0", "latest"]
    verified = ismirror("data", "verify", "--data", str(tree))
    assert verified.exit_code == 0, verified.stdout


@pytest.mark.parametrize("transport", ["embedded", "http"])
def test_it_imports(tree: Path, transport: str) -> None:
    arguments = ("--from", f"quay.io/{REPOSITORY}", "--all", "--data", str(tree), "--transport", transport)
    outcome = ismirror("import", *arguments, "--now", NOW, "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    images = outcome.json["status"]["repository"]["images"]
    assert [image["tag"] for image in images] == ["latest", "1.0"]
    for image in images:
        metadata = image["image"]["dockerImageMetadata"]
        assert metadata["Config"]["Cmd"] == ["/bin/busybox", "sh"]
        assert metadata["Config"]["Labels"]["org.example.made-by"] == "buildah"
        (layer,) = image["image"]["dockerImageLayers"]
        assert 0 < layer["size"] < metadata["Size"]


def test_skopeo_inspects_it(client: Client) -> None:
    found = client.json("inspect", client.image)
    assert found["Labels"]["org.example.made-by"] == "buildah"
    assert found["RepoTags"] == ["latest"]
    assert "GREETING=hello" in found["Env"]
    raw = run(
        client.folder,
        "skopeo",
        "--insecure-policy",
        "inspect",
        "--raw",
        "--cert-dir",
        client.certificates,
        client.image,
    )
    assert found["Digest"] == f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"
    by_digest = client.json("inspect", f"{client.image}@{found['Digest']}")
    assert by_digest["Layers"] == found["Layers"]
    assert client.json("list-tags", client.image)["Tags"] == ["latest"]


def test_skopeo_copies_it(client: Client) -> None:
    certificates = ("--src-cert-dir", client.certificates)
    run(client.folder, "skopeo", "--insecure-policy", "copy", *certificates, client.image, "dir:copied")
    copied = client.folder / "copied"
    manifest = json.loads((copied / "manifest.json").read_bytes())
    for part in (manifest["config"], *manifest["layers"]):
        content = (copied / part["digest"].partition(":")[2]).read_bytes()
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == part["digest"]
        assert len(content) == part["size"]


def test_skopeo_wants_our_authority(client: Client) -> None:
    with pytest.raises(AssertionError, match="certificate signed by unknown authority"):
        run(client.folder, "skopeo", "--insecure-policy", "inspect", client.image)


def test_it_imports_from_the_server(client: Client) -> None:
    address = client.image.removeprefix("docker://").partition("/")[0]
    ca = str(Path(client.certificates) / "ca.crt")
    outcome = ismirror("import", "--from", f"quay.io/{REPOSITORY}:1.0", "--connect", address, "--ca", ca)
    assert outcome.exit_code == 0, outcome.stdout
    assert "imported" in outcome.stdout
