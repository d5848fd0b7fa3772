"""Archives in and out: our own, and those of other tools, written here as their documentation has them."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.archives import CHILDREN, MULTI, OLD, distribution_tree, entry, layout, mirror_tree
from support.command import ismirror
from support.registry import HOST, image, index, put_image, signed_schema1
from typer.testing import CliRunner

from fake_registry.fixtures import Batch, Tree, verify
from fake_registry.oci import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    compute_digest,
    manifest_digest,
)
from mirror.cli import data, seed
from mirror.errors import InputError
from mirror.seed.archives.closure import closure_of, converted
from mirror.seed.selection import selected


def tar_of(names: dict[str, bytes]) -> bytes:
    """A tar with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


LAYERS = [tar_of({"etc/os-release": b"ID=test\n"}), tar_of({"usr/bin/app": bytes(range(256)) * 8000})]
PACKED = [gzip.compress(layer, mtime=0) for layer in LAYERS]
DIFF_IDS = [compute_digest(layer) for layer in LAYERS]
CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": DIFF_IDS}}
).encode()


def docker_image() -> bytes:
    """The image as Docker's schema 2."""

    def described(content: bytes, media_type: str) -> Descriptor:
        return Descriptor(media_type=media_type, digest=compute_digest(content), size=len(content))

    layers = [described(layer, DOCKER_LAYER) for layer in PACKED]
    config = described(CONFIG, DOCKER_CONFIG)
    return msgspec.json.encode(Manifest(schema_version=2, media_type=DOCKER_MANIFEST, config=config, layers=layers))


@pytest.fixture
def origin(tmp_path: Path) -> Tree:
    """``app`` has images of all kinds."""
    tree = Tree.open(tmp_path / "origin", create=True)
    put_image(tree, "app", "oci", CONFIG, PACKED)
    tree.put_manifest(HOST, "app", docker_image(), DOCKER_MANIFEST, "docker")
    children = [image(b'{"a":1}', [b"x"]), image(b'{"a":2}', [b"y"])]
    for child, blobs in zip(children, ((b'{"a":1}', b"x"), (b'{"a":2}', b"y")), strict=True):
        for blob in (*blobs, child):
            tree.put_blob(blob)
    tree.put_manifest(HOST, "app", index(*children), OCI_INDEX, "multi")
    old = signed_schema1([compute_digest(PACKED[1]), compute_digest(PACKED[0])])
    tree.put_manifest(HOST, "app", old, DOCKER_SCHEMA1_SIGNED, "old")
    return tree


def call(app: Any, *arguments: str) -> str:
    """Runs a command; what it prints."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def imported(tmp_path: Path, archive: Path, *options: str) -> Tree:
    target = tmp_path / f"from-{archive.name}"
    call(seed.app, "archive", str(archive), "--data", str(target), *options)
    return Tree.open(target)


def tags(tree: Tree, repository: str = "app", host: str = HOST) -> dict[str, tuple[str, str]]:
    snapshot = tree.snapshot(host, repository)
    assert snapshot is not None
    return {tag: (one.digest, one.media_type) for tag, one in snapshot.tags.items()}


def problems(tree: Tree) -> list[str]:
    return [str(one) for one in verify(tree, complete=True)]


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_layouts_hold_everything(origin: Tree, tmp_path: Path, form: str) -> None:
    path = tmp_path / "archive"
    call(data.app, "export", f"{HOST}/app", "--repository", "--to", f"{form}:{path}", "--data", str(origin.root))
    target = imported(tmp_path, path, "--as", f"{HOST}/app")
    assert tags(target) == tags(origin)
    assert problems(target) == []


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_layouts_of_several_repositories_say_their_names(origin: Tree, tmp_path: Path, form: str) -> None:
    put_image(origin, "team/web", "1", CONFIG, PACKED)
    path = tmp_path / "archive"
    names = (f"{HOST}/app", f"{HOST}/team/web")
    call(data.app, "export", *names, "--repository", "--to", f"{form}:{path}", "--data", str(origin.root))
    target = imported(tmp_path, path)
    assert tags(target) == tags(origin)
    assert tags(target, "team/web") == tags(origin, "team/web")


@pytest.mark.parametrize("tag", ["oci", "docker", "multi", "old"])
def test_a_directory_of_skopeo_holds_one_image(origin: Tree, tmp_path: Path, tag: str) -> None:
    path = tmp_path / "directory"
    call(data.app, "export", f"{HOST}/app:{tag}", "--to", f"dir:{path}", "--data", str(origin.root))
    target = imported(tmp_path, path, "--as", f"{HOST}/app:{tag}")
    assert tags(target) == {tag: tags(origin)[tag]}
    assert problems(target) == []


@pytest.mark.parametrize("tag", ["oci", "docker"])
def test_a_docker_archive_keeps_the_image(origin: Tree, tmp_path: Path, tag: str) -> None:
    path = tmp_path / "archive.tar"
    call(data.app, "export", f"{HOST}/app:{tag}", "--to", f"docker-archive:{path}", "--data", str(origin.root))
    with tarfile.open(path) as archive:
        (entry,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert entry["RepoTags"] == [f"{HOST}/app:{tag}"]
        assert entry["Config"] == compute_digest(CONFIG).partition(":")[2] + ".json"
        layers = [archive.extractfile(name).read() for name in entry["Layers"]]  # type: ignore[union-attr]
    assert layers == LAYERS
    target = imported(tmp_path, path)
    snapshot = target.snapshot(HOST, "app")
    assert snapshot is not None
    config = next(blob for blob in snapshot.blobs() if blob.role == "config")
    assert config.descriptor.digest == compute_digest(CONFIG)  # the image's ID
    assert tags(target)[tag] != tags(origin)[tag]
    assert problems(target) == []


def test_metadata_only_leaves_layers_out_and_the_rest_as_it_is(origin: Tree, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    call(data.app, "export", f"{HOST}/app", "--repository", "--to", f"oci:{path}", "--data", str(origin.root))
    target = imported(tmp_path, path, "--as", f"{HOST}/app", "--metadata-only")
    assert tags(target) == tags(origin)
    assert [str(one) for one in verify(target)] == []
    assert target.store.find(compute_digest(PACKED[0])) is None
    with pytest.raises(InputError, match="not in the tree, which has metadata; see --metadata-only"):
        call(data.app, "export", f"{HOST}/app:oci", "--to", f"oci:{tmp_path / 'x'}", "--data", str(target.root))
    assert not (tmp_path / "x").exists()
    again = tmp_path / "again"
    call(
        *(data.app, "export", f"{HOST}/app", "--repository", "--metadata-only"),
        *("--to", f"oci:{again}", "--data", str(target.root)),
    )
    assert tags(imported(tmp_path, again, "--as", f"{HOST}/app")) == tags(origin)


def test_one_platform_of_an_index(origin: Tree, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"app:multi: no manifest for linux/amd64"):
        call(
            *(data.app, "export", f"{HOST}/app:multi", "--platform", "linux/amd64"),
            *("--to", f"dir:{tmp_path / 'x'}", "--data", str(origin.root)),
        )


def test_conversion_gives_media_types_of_oci(origin: Tree, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    call(data.app, "export", f"{HOST}/app:docker", "--convert", "--to", f"oci:{path}", "--data", str(origin.root))
    target = imported(tmp_path, path, "--as", f"{HOST}/app")
    digest, media_type = tags(target)["docker"]
    assert media_type == OCI_MANIFEST
    data_of = json.loads((target.root / "blobs" / Path(*digest.split(":"))).read_bytes())
    assert data_of["layers"][0]["digest"] == compute_digest(PACKED[0])
    assert {one["mediaType"] for one in data_of["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert problems(target) == []


def test_conversion_leaves_alone_what_is_no_digest(tmp_path: Path) -> None:
    odd = b'{"schemaVersion":2,"config":{"digest":[1],"mediaType":{}},"layers":[{"digest":null}]}'
    tree = Tree.open(tmp_path / "tree", create=True)
    with Batch(tree) as batch:
        batch.put_manifest(HOST, "app", odd, OCI_MANIFEST, "odd")
    assert converted(closure_of(selected(tree, f"{HOST}/app:odd"))).root.data == odd


# What others write

FOREIGN: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "v2 with links": (lambda path: mirror_tree(path, ":", links=True), {"multi", "old"}),
    "v2 with copies": (lambda path: mirror_tree(path, "-", links=False), {"multi", "old"}),
    "distribution": (lambda path: distribution_tree(path, "docker/registry/v2"), {"multi"}),
    "distribution of oc-mirror": (lambda path: distribution_tree(path, "v2"), {"multi"}),
    "distribution by its top": (lambda path: distribution_tree(path, "."), {"multi"}),
}


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "tar"])
@pytest.mark.parametrize("name", FOREIGN)
def test_trees_of_many_repositories(tmp_path: Path, name: str, packed: bool) -> None:
    write, expected = FOREIGN[name]
    path = tmp_path / "foreign"
    path.mkdir()
    write(path)
    if packed:
        with tarfile.open(tmp_path / "foreign.tar.gz", "w:gz") as archive:
            archive.add(path, ".")
        path = tmp_path / "foreign.tar.gz"
    target = imported(tmp_path, path, "--as", f"{HOST}/mirrored")
    for repository in ("mirrored/team/app", "mirrored/team/app/part"):
        found = tags(target, repository)
        assert set(found) == expected
        assert found["multi"] == (compute_digest(MULTI), OCI_INDEX)
        if "old" in expected:
            assert found["old"] == (manifest_digest(OLD, DOCKER_SCHEMA1_SIGNED), DOCKER_SCHEMA1_SIGNED)
    assert problems(target) == []
    with pytest.raises(InputError, match=r"does not say on which registry team/app:multi lies; say it with --as HOST"):
        imported(tmp_path / "else", path)


@pytest.mark.parametrize(
    ("annotations", "name", "expected"),
    [
        ({"ref": "1.0"}, f"{HOST}/app", ("app", "1.0")),
        ({"ref": "1.0"}, f"{HOST}/app:2.0", ("app", "2.0")),
        ({"ref": f"{HOST}/team/app:1.0"}, "", ("team/app", "1.0")),
        ({"ref": "1.0", "containerd": f"{HOST}/team/app:3"}, "", ("team/app", "3")),
        ({}, f"{HOST}/app:4", ("app", "4")),
    ],
)
def test_what_layouts_call_their_images(
    tmp_path: Path, annotations: dict[str, str], name: str, expected: tuple[str, str]
) -> None:
    path = layout(tmp_path / "layout", entry(**annotations))
    target = imported(tmp_path, path, *(("--as", name) if name else ()))
    repository, tag = expected
    assert set(tags(target, repository)) == {tag}


@pytest.mark.parametrize(
    ("entries", "name", "problem"),
    [
        ([entry(ref="1.0")], "", r"does not say on which registry 1.0 lies; say it with --as HOST/REPOSITORY"),
        ([entry(ref="1"), entry(ref="2")], f"{HOST}/app:1", "holds 2 images; leave the tag away"),
        (
            [entry(ref="1"), entry(CHILDREN[0], OCI_MANIFEST, ref="1")],
            f"{HOST}/app",
            f"two images are {HOST}/app:1; expected one",
        ),
        ([entry(b"{}", ref="1")], f"{HOST}/app", f"the manifest of {HOST}/app:1 is not there"),
        ([entry(ref="1")], f"{HOST}/UPPER", "--as quay.io/UPPER: "),
        ([entry(ref="1")], f"{HOST}/app@{compute_digest(b'')}", "expected HOST/REPOSITORY"),
    ],
)
def test_images_without_a_place(tmp_path: Path, entries: list[dict[str, Any]], name: str, problem: str) -> None:
    path = layout(tmp_path / "layout", *entries)
    with pytest.raises(InputError, match=problem):
        imported(tmp_path, path, *(("--as", name) if name else ()))
    assert Tree.open(tmp_path / "from-layout").hosts() == []


@pytest.mark.parametrize(("content", "wrong"), [(b"x", b"xx"), (b"x", b"z"), (b'{"a":1}', b"{}")])
def test_damaged_content_changes_nothing(tmp_path: Path, content: bytes, wrong: bytes) -> None:
    path = layout(tmp_path / "layout", entry(ref="1"))
    (path / "blobs" / Path(*compute_digest(content).split(":"))).write_bytes(wrong)
    with pytest.raises(InputError, match=r"layout: (content of )?quay.io/app:1, manifest sha256:[0-9a-f]{64}: "):
        imported(tmp_path, path, "--as", f"{HOST}/app")
    assert Tree.open(tmp_path / "from-layout").hosts() == []


def test_a_sparse_index_is_taken_as_it_is(tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", entry(ref="1"))
    (path / "blobs" / Path(*compute_digest(CHILDREN[1]).split(":"))).unlink()
    target = imported(tmp_path, path, "--as", f"{HOST}/app")
    assert tags(target)["1"][0] == compute_digest(MULTI)
    assert [str(one) for one in verify(target)] == []


def docker_tar(path: Path, *, config: bytes = CONFIG, layers: list[bytes] = LAYERS, **more: Any) -> Path:
    """What ``docker save`` writes."""
    digits = hashlib.sha256(config).hexdigest()
    names = [f"{hashlib.sha256(layer).hexdigest()}/layer.tar" for layer in layers]
    document = [{"Config": f"{digits}.json", "RepoTags": ["app:1"], "Layers": names} | more]
    files = {"manifest.json": json.dumps(document).encode(), f"{digits}.json": config}
    path.write_bytes(tar_of(files | dict(zip(names, layers, strict=True))))
    return path


def test_what_docker_saves(tmp_path: Path) -> None:
    path = docker_tar(tmp_path / "saved.tar", RepoTags=["app:1", "quay.io/app:2"])
    target = imported(tmp_path, path)
    assert set(tags(target, "library/app", "docker.io")) == {"1"}
    assert set(tags(target)) == {"2"}
    assert problems(target) == []
    done = ismirror("seed", "archive", str(path), "--data", str(tmp_path / "said"))
    assert f"{path}: holds no registry manifests; the digests below are new, image IDs are not" in done.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"Config": "none.json"}, "names the config 'none.json', which is not there"),
        ({"Layers": ["none.tar", "none.tar"]}, "names the layer 'none.tar', which is not there"),
        ({"Layers": []}, "names 0 layers, and the config"),
        ({"RepoTags": ["UPPER:1"]}, "manifest.json: RepoTags: 'UPPER:1'"),
        ({"Config": 3}, "manifest.json: Expected `str`"),
    ],
)
def test_docker_archives_that_are_broken(tmp_path: Path, more: dict[str, Any], problem: str) -> None:
    path = docker_tar(tmp_path / "saved.tar", **more)
    with pytest.raises(InputError, match=problem):
        imported(tmp_path, path)


def test_a_layer_that_the_config_does_not_know_is_refused(tmp_path: Path) -> None:
    path = docker_tar(tmp_path / "saved.tar", layers=[LAYERS[1], LAYERS[0]])
    with pytest.raises(InputError, match=f"; its config says {DIFF_IDS[0]}"):
        imported(tmp_path, path)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "holds nothing; expected one of a haul, an OCI image layout, a docker-archive"),
        ({"a.txt": b""}, "holds a.txt; expected one of a haul, an OCI image layout"),
        ({"bundle.json": b""}, "a bundle; ismirror bundle apply takes it"),
        ({"registries/x": b""}, "a fixture tree; ismirror bundle create --data"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, files: dict[str, bytes], problem: str) -> None:
    path = tmp_path / "thing"
    path.mkdir()
    for name, content in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        imported(tmp_path, path)
    with pytest.raises(InputError, match=r"holds .*; expected a docker-archive|bundle|fixture tree"):
        imported(tmp_path, path, "--format", "docker-archive")


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("nothing", "--to: 'nothing': expected one of oci:PATH, oci-archive:PATH, docker-archive:PATH, dir:PATH"),
        ("oci:", "expected one of oci:PATH"),
        ("dir:x", "dir: holds one image, and these are 4; name one, or take oci or oci-archive"),
    ],
)
def test_exports_that_cannot_be(origin: Tree, tmp_path: Path, to: str, problem: str) -> None:
    to = to.replace("x", str(tmp_path / "x"))
    with pytest.raises(InputError, match=problem):
        call(data.app, "export", f"{HOST}/app", "--repository", "--to", to, "--data", str(origin.root))
    assert not (tmp_path / "x").exists()


def test_an_export_replaces_nothing(origin: Tree, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(InputError, match="there"):
        call(data.app, "export", f"{HOST}/app:oci", "--to", f"oci:{tmp_path / 'there'}", "--data", str(origin.root))
    assert (tmp_path / "there").read_text() == "mine"


def test_a_damaged_layer_is_not_exported(origin: Tree, tmp_path: Path) -> None:
    (origin.root / "blobs" / Path(*compute_digest(PACKED[0]).split(":"))).write_bytes(bytes(len(PACKED[0])))
    with pytest.raises(InputError, match="is damaged in the tree; ismirror data verify says more"):
        call(data.app, "export", f"{HOST}/app:oci", "--to", f"oci:{tmp_path / 'x'}", "--data", str(origin.root))
    assert [path.name for path in tmp_path.iterdir()] == ["origin"]


@pytest.mark.parametrize("form", ["oci", "oci-archive", "dir", "docker-archive"])
def test_a_disk_that_is_full_is_named_and_nothing_left(
    origin: Tree, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mirror.seed.archives.sinks._write", full)
    to = tmp_path / "x"
    with pytest.raises(InputError, match=rf"^{to}: No space left on device; expected to be able to write {to}$"):
        call(data.app, "export", f"{HOST}/app:oci", "--to", f"{form}:{to}", "--data", str(origin.root))
    assert [path.name for path in tmp_path.iterdir()] == ["origin"]
