from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.registry import HOST, image, index, put_image, signed_schema1, write_index

from fake_registry.errors import DigestError, TreeError
from fake_registry.fixtures import Tree
from fake_registry.oci import (
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    TAG_ANNOTATION,
    compute_digest,
    manifest_digest,
)


def repository_directory(tree: Tree, name: str = "app") -> Path:
    return tree.root / "registries" / HOST / name


def index_text(tree: Tree, name: str = "app") -> str:
    return (repository_directory(tree, name) / "index.json").read_text()


def tags_and_digests(tree: Tree) -> list[tuple[str | None, str]]:
    entries = json.loads(index_text(tree))["manifests"]
    return [(entry.get("annotations", {}).get(TAG_ANNOTATION), entry["digest"]) for entry in entries]


def states(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of every file of a tree."""
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in root.rglob("*")}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree")


def test_layout_of_a_new_repository(tree: Tree) -> None:
    descriptor = put_image(tree, "team/app", "v1")
    directory = repository_directory(tree, "team/app")
    assert sorted(path.name for path in directory.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert json.loads((directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert (directory / "blobs").readlink() == Path("../../../../blobs")
    assert (directory / "blobs" / "sha256" / descriptor.digest.partition(":")[2]).read_bytes() == image()
    assert index_text(tree, "team/app") == (
        "{\n"
        '  "manifests": [\n'
        "    {\n"
        '      "annotations": {\n'
        '        "org.opencontainers.image.ref.name": "v1"\n'
        "      },\n"
        f'      "digest": "{descriptor.digest}",\n'
        f'      "mediaType": "{OCI_MANIFEST}",\n'
        f'      "size": {descriptor.size}\n'
        "    }\n"
        "  ],\n"
        f'  "mediaType": "{OCI_INDEX}",\n'
        '  "schemaVersion": 2\n'
        "}\n"
    )


def test_host_with_port_and_names_of_docker_hub(tree: Tree) -> None:
    for host in ("plain.example.com:5000", "index.docker.io"):
        tree.put_manifest(host, "app", image(), OCI_MANIFEST, "v1")
    assert sorted(path.name for path in (tree.root / "registries").iterdir()) == ["docker.io", "plain.example.com_5000"]


def test_files_can_be_read_by_others(tree: Tree) -> None:
    put_image(tree, "app", "v1")
    mask = os.umask(0)
    os.umask(mask)
    for path in tree.root.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_nothing_is_rewritten_that_has_not_changed(tree: Tree) -> None:
    put_image(tree, "app", "v1")
    blobs = tree.root / "blobs"
    before = {path: item for path, item in states(tree.root).items() if not path.startswith(str(blobs))}
    contents = {path: path.stat().st_ino for path in blobs.rglob("*")}
    put_image(tree, "app", "v1")
    assert before == {path: item for path, item in states(tree.root).items() if not path.startswith(str(blobs))}
    assert contents == {path: path.stat().st_ino for path in blobs.rglob("*")}


def test_a_tag_moves_and_its_manifest_stays(tree: Tree) -> None:
    first, second = put_image(tree, "app", "v1", b"1"), put_image(tree, "app", "v1", b"2")
    assert tags_and_digests(tree) == [("v1", second.digest), (None, first.digest)]
    put_image(tree, "app", "v1", b"1")
    assert tags_and_digests(tree) == [("v1", first.digest), (None, second.digest)]


def test_entries_are_sorted_by_tag(tree: Tree) -> None:
    for tag in ("b", "a", "C", "latest"):
        put_image(tree, "app", tag)
    assert [tag for tag, _ in tags_and_digests(tree)] == ["C", "a", "b", "latest"]


def test_untagged_manifest_gets_one_entry_until_it_is_tagged(tree: Tree) -> None:
    descriptor = put_image(tree, "app")
    assert tags_and_digests(tree) == [(None, descriptor.digest)]
    put_image(tree, "app", "v1")
    assert tags_and_digests(tree) == [("v1", descriptor.digest)]
    put_image(tree, "app")
    assert tags_and_digests(tree) == [("v1", descriptor.digest)]


def test_several_tags_at_once(tree: Tree) -> None:
    descriptor = tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, ["b", "a"])
    assert tags_and_digests(tree) == [("a", descriptor.digest), ("b", descriptor.digest)]
    tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, [])
    assert tags_and_digests(tree) == [("a", descriptor.digest), ("b", descriptor.digest)]


def test_a_tag_that_is_twice_in_the_index_is_once_afterwards(tree: Tree) -> None:
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": compute_digest(data), "size": 1, "annotations": {TAG_ANNOTATION: "v1"}}
        for data in (b"other", image())
    ]
    write_index(tree.root, "app", entries)
    tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, "v1")
    assert tags_and_digests(tree) == [("v1", compute_digest(image())), (None, compute_digest(b"other"))]


def test_what_others_wrote_into_the_index_stays(tree: Tree) -> None:
    entry: dict[str, Any] = {
        "mediaType": OCI_MANIFEST,
        "digest": compute_digest(b"other"),
        "size": 5,
        "annotations": {"mine": "x", TAG_ANNOTATION: "old"},
        "platform": {"os": "linux", "architecture": "arm64"},
        "unknown": [1],
    }
    write_index(tree.root, "app", [entry], annotations={"k": "v"}, unknown={"x": None})
    put_image(tree, "app", "new")
    document = json.loads(index_text(tree))
    assert document["annotations"] == {"k": "v"}
    assert document["unknown"] == {"x": None}
    assert document["manifests"][1] == entry
    tree.delete_tag(HOST, "app", "old")
    del entry["annotations"][TAG_ANNOTATION]
    assert json.loads(index_text(tree))["manifests"][1] == entry


def test_existing_layout_is_left_alone(tree: Tree) -> None:
    path = write_index(tree.root, "app", [])
    (path.parent / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (path.parent / "blobs").write_text("../../../blobs")
    put_image(tree, "app", "v1")
    assert (path.parent / "oci-layout").read_text() == '{"imageLayoutVersion": "1.0.0"}'
    assert (path.parent / "blobs").read_text() == "../../../blobs"


def test_schema_1_is_named_by_its_payload(tree: Tree) -> None:
    data = signed_schema1([compute_digest(b"layer")])
    descriptor = tree.put_manifest(HOST, "app", data, DOCKER_SCHEMA1_SIGNED, "old")
    assert descriptor.digest == manifest_digest(data, DOCKER_SCHEMA1_SIGNED) != compute_digest(data)
    assert Path(tree.store.path(descriptor.digest)).read_bytes() == data


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_algorithms(tree: Tree, algorithm: str) -> None:
    digest = tree.put_blob(b"x", algorithm=algorithm)
    assert digest == compute_digest(b"x", algorithm)
    assert tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, algorithm=algorithm).digest.startswith(algorithm)
    assert tree.store.read_blob(digest) == b"x"


def test_content_that_does_not_match(tree: Tree) -> None:
    wrong = compute_digest(b"y")
    with pytest.raises(DigestError, match=f"content has the digest {compute_digest(b'x')}; expected {wrong}"):
        tree.put_blob(b"x", wrong)
    with tree.blob_writer() as writer, pytest.raises(DigestError):
        writer.write(b"x")
        writer.commit(wrong)
    assert not [path for path in tree.root.rglob("*") if path.is_file()]


def test_blob_in_pieces(tree: Tree) -> None:
    with tree.blob_writer("sha512") as writer:
        for piece in (b"a", b"", b"bc"):
            writer.write(piece)
        assert writer.size == 3
        assert writer.commit(compute_digest(b"abc", "sha512")) == writer.digest
    assert tree.store.read_blob(compute_digest(b"abc", "sha512")) == b"abc"
    assert [path.name for path in (tree.root / "blobs" / "sha512").iterdir()] == [writer.digest.partition(":")[2]]


def test_damaged_blob_is_replaced(tree: Tree) -> None:
    for put_again in (tree.put_blob, lambda data: write_in_pieces(tree, data)):
        digest = tree.put_blob(b"good")
        Path(tree.store.path(digest)).write_bytes(b"evil")
        put_again(b"good")
        assert Path(tree.store.path(digest)).read_bytes() == b"good"


def write_in_pieces(tree: Tree, data: bytes) -> str:
    with tree.blob_writer() as writer:
        writer.write(data)
        return writer.commit()


def test_sizes_are_merged(tree: Tree) -> None:
    one, two = compute_digest(b"1"), compute_digest(b"2")
    tree.put_sizes({one: 1})
    tree.put_sizes({two: 2})
    text = (tree.root / "blobs" / "sizes.json").read_text()
    assert json.loads(text) == {one: 1, two: 2}
    assert text == json.dumps({one: 1, two: 2}, indent=2, sort_keys=True) + "\n"
    with pytest.raises(DigestError):
        tree.put_sizes({"x": 1})
    with pytest.raises(TreeError, match="expected a number of bytes"):
        tree.put_sizes({one: -1})


class TestDeletion:
    def test_tag(self, tree: Tree) -> None:
        descriptor = put_image(tree, "app", "v1")
        put_image(tree, "app", "v2")
        assert tree.delete_tag(HOST, "app", "v1")
        assert tags_and_digests(tree) == [("v2", descriptor.digest)]
        assert tree.delete_tag(HOST, "app", "v2")
        assert tags_and_digests(tree) == [(None, descriptor.digest)]
        assert not tree.delete_tag(HOST, "app", "v2")
        assert not tree.delete_tag(HOST, "other", "v2")

    def test_manifest_with_all_its_tags(self, tree: Tree) -> None:
        descriptor = put_image(tree, "app", "v1")
        put_image(tree, "app", "v2")
        assert tree.delete_manifest(HOST, "app", descriptor.digest)
        assert tags_and_digests(tree) == []
        assert not tree.delete_manifest(HOST, "app", descriptor.digest)
        assert not tree.delete_manifest(HOST, "other", descriptor.digest)
        assert not (repository_directory(tree) / ".repository.json").exists()

    def test_child_is_hidden_until_it_comes_again(self, tree: Tree) -> None:
        tree.put_blob(image())
        tree.put_manifest(HOST, "app", index(image()), OCI_INDEX, "v1")
        child = compute_digest(image())
        assert tree.delete_manifest(HOST, "app", child)
        repository = tree.repository(HOST, "app")
        assert repository is not None
        assert repository.resolve(child) is None
        assert not tree.delete_manifest(HOST, "app", child)
        put_image(tree, "app")
        assert repository.resolve(child) is not None
        assert not (repository_directory(tree) / ".repository.json").exists()

    def test_blob_is_hidden_here_only(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        put_image(tree, "other", "v1")
        digest = compute_digest(b"layer")
        assert tree.delete_blob(HOST, "app", digest)
        assert not tree.delete_blob(HOST, "app", digest)
        for name, there in (("app", False), ("other", True)):
            snapshot = tree.snapshot(HOST, name)
            assert snapshot is not None
            assert (snapshot.blob(digest) is not None) == there
        assert tree.store.find(digest) is not None

    def test_deleted_blob_that_is_uploaded_again(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        digest = compute_digest(b"layer")
        tree.delete_blob(HOST, "app", digest)
        tree.remember_blob(HOST, "app", digest)
        snapshot = tree.snapshot(HOST, "app")
        assert snapshot is not None
        assert snapshot.blob(digest) is not None

    def test_uploaded_blob_is_forgotten_when_a_manifest_names_it(self, tree: Tree) -> None:
        digest = tree.put_blob(b"layer")
        tree.remember_blob(HOST, "app", digest)
        memory = repository_directory(tree) / ".repository.json"
        assert json.loads(memory.read_bytes()) == {"uploaded": [digest]}
        put_image(tree, "app", "v1")
        assert not memory.exists()

    def test_absent_blob_cannot_be_remembered(self, tree: Tree) -> None:
        with pytest.raises(TreeError, match="expected it to be in the tree before a repository serves it"):
            tree.remember_blob(HOST, "app", compute_digest(b"absent"))


class TestRefusals:
    @pytest.mark.parametrize("name", ["", "UPPER", "a/../b", "blobs", "a/blobs", "index.json", "oci-layout/x"])
    def test_repositories(self, tree: Tree, name: str) -> None:
        with pytest.raises(TreeError, match=r"repository .*: expected lower-case letters and digits"):
            tree.put_manifest(HOST, name, image(), OCI_MANIFEST)

    @pytest.mark.parametrize("host", ["", "..", "a/b", "x y"])
    def test_hosts(self, tree: Tree, host: str) -> None:
        with pytest.raises(TreeError, match=r"host .*: expected a DNS name or address"):
            tree.put_manifest(host, "app", image(), OCI_MANIFEST)

    @pytest.mark.parametrize("tag", ["", "a+b", "-x", "a" * 129])
    def test_tags(self, tree: Tree, tag: str) -> None:
        with pytest.raises(TreeError, match=r"tag .*: expected a letter, digit or _"):
            tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, tag)

    @pytest.mark.parametrize("text", ["{broken", '{"manifests":[],"unknown":1e999}'])
    def test_broken_index_is_not_overwritten(self, tree: Tree, text: str) -> None:
        path = write_index(tree.root, "app", [])
        path.write_text(text)
        with pytest.raises(TreeError, match=r"app/index\.json: "):
            put_image(tree, "app", "v1")
        assert path.read_text() == text

    @pytest.mark.parametrize(
        "linked", ["blobs", "blobs/sha256", "registries", "registries/quay.io", "registries/quay.io/app"]
    )
    def test_links_out_of_the_tree(self, tmp_path: Path, tree: Tree, linked: str) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        link = tree.root / linked
        link.parent.mkdir(parents=True)
        link.symlink_to(outside)
        with pytest.raises(TreeError, match="a link out of the tree; expected a directory of the tree"):
            put_image(tree, "app", "v1")
        assert list(outside.rglob("*")) == []

    def test_file_in_place_of_a_directory(self, tree: Tree) -> None:
        (tree.root / "registries" / HOST).mkdir(parents=True)
        (tree.root / "registries" / HOST / "app").touch()
        with pytest.raises(TreeError, match=r"^registries/quay\.io/app: .*; expected a directory"):
            put_image(tree, "app", "v1")

    def test_no_space(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        put_image(tree, "app", "v1")
        before = states(tree.root / "registries")

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(TreeError, match="No space left on device; expected to be able to write there"):
            put_image(tree, "app", "v2", b"other")
        assert states(tree.root / "registries") == before
        assert not list(tree.root.rglob("*.tmp"))


def put_many(root: Path, worker: int) -> None:
    tree = Tree.open(root)
    for number in range(8):
        put_image(tree, "app", f"tag-{worker}-{number}", f"{worker} {number}".encode())


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_writers_lose_nothing(tree: Tree, pool: str) -> None:
    if pool == "threads":
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(lambda worker: put_many(tree.root, worker), range(4)))
    else:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=put_many, args=(tree.root, worker)) for worker in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
    count = 4 if pool == "threads" else 2
    snapshot = tree.snapshot(HOST, "app")
    assert snapshot is not None
    assert len(snapshot.tag_names) == count * 8
    assert all(snapshot.read_manifest(descriptor) is not None for descriptor in snapshot.tags.values())
