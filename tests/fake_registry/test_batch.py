from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest
from support.registry import HOST, image, index, put_image, signed_schema1

from fake_registry.errors import DigestError, TreeError
from fake_registry.fixtures import Batch, Tree, intake, verify
from fake_registry.fixtures.layout import IndexFile
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST, TAG_ANNOTATION, Descriptor, compute_digest


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree", create=True)


def files(tree: Tree) -> dict[str, bytes]:
    return {str(path.relative_to(tree.root)): path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}


def temporary_files(tree: Tree) -> list[Path]:
    return [path for path in tree.root.rglob("*") if path.name.endswith(".tmp") or path.name.startswith("batch.")]


def test_a_batch_writes_what_single_calls_write(tmp_path: Path) -> None:
    one, many = (Tree.open(tmp_path / name, create=True) for name in ("one", "many"))
    with Batch(many) as batch:
        for number in range(20):
            put_image(one, f"app{number % 3}", f"v{number}", str(number).encode())
            config = batch.put_blob(str(number).encode())
            assert config == compute_digest(str(number).encode())
            batch.put_blob(b"layer")
            batch.put_manifest(
                HOST, f"app{number % 3}", image(str(number).encode(), [b"layer"]), OCI_MANIFEST, f"v{number}"
            )
    assert files(one) == files(many)
    assert list(verify(many)) == []


def test_nothing_is_named_before_the_end(tree: Tree) -> None:
    with Batch(tree) as batch:
        batch.put_manifest(HOST, "app", image(), OCI_MANIFEST, ["a", "b"])
        batch.flush()
        assert tree.repositories(HOST) == []
    assert tree.snapshot(HOST, "app").tag_names == ["a", "b"]  # type: ignore[union-attr]


def test_an_exception_drops_everything(tree: Tree) -> None:
    def fill() -> None:
        with Batch(tree) as batch:
            batch.put_blob(b"x")
            batch.put_manifest(HOST, "app", image(), OCI_MANIFEST, "v1")
            raise KeyError

    with pytest.raises(KeyError):
        fill()
    assert files(tree) == {}
    assert temporary_files(tree) == []


def test_content_goes_to_the_disk_as_it_comes(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_FILES_AT_ONCE", 4)
    with Batch(tree) as batch:
        for number in range(10):
            batch.put_blob(str(number).encode())
        in_place = [path for path in (tree.root / "blobs" / "sha256").iterdir() if not path.name.startswith(".")]
        assert len(in_place) == 8
    assert len(files(tree)) == 10
    assert temporary_files(tree) == []


def test_without_the_call_for_all_files_each_is_synced(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_syncfs", lambda: None)
    with Batch(tree) as batch:
        for number in range(3):
            batch.put_blob(str(number).encode())
    assert len(files(tree)) == 3


def test_content_that_is_there_is_left_alone_and_damaged_content_replaced(tree: Tree) -> None:
    good, bad = tree.put_blob(b"good"), tree.put_blob(b"bad")
    Path(tree.store.path(bad)).write_bytes(b"BAD")
    before = Path(tree.store.path(good)).stat().st_ino
    with Batch(tree) as batch:
        batch.put_blob(b"good")
        batch.put_blob(b"good")
        batch.put_blob(b"bad")
    assert Path(tree.store.path(good)).stat().st_ino == before
    assert Path(tree.store.path(bad)).read_bytes() == b"bad"


def test_digests_are_held_against_the_content(tree: Tree) -> None:
    batch = Batch(tree)
    assert batch.put_blob(b"x", compute_digest(b"x", "sha512")) == compute_digest(b"x", "sha512")
    signed = signed_schema1([])
    payload = batch.put_manifest_content(signed, DOCKER_SCHEMA1_SIGNED)
    assert payload != compute_digest(signed)
    assert batch.put_manifest_content(signed, DOCKER_SCHEMA1_SIGNED, compute_digest(signed)) == compute_digest(signed)
    for call in (batch.put_blob, lambda data, digest: batch.put_manifest_content(data, OCI_MANIFEST, digest)):
        with pytest.raises(DigestError):
            call(b"x", compute_digest(b"y"))
    batch.drop()
    assert temporary_files(tree) == []


@pytest.mark.parametrize(("name", "tag"), [("App", "v1"), ("app", "no tag"), ("blobs", "v1")])
def test_names_are_checked_at_once(tree: Tree, name: str, tag: str) -> None:
    with pytest.raises(TreeError):
        Batch(tree).put_manifest(HOST, name, image(), OCI_MANIFEST, tag)
    assert files(tree) == {}


def test_children_need_no_entry_of_their_own(tree: Tree) -> None:
    child = image()
    with Batch(tree) as batch:
        batch.put_blob(b"{}")
        batch.put_blob(b"layer")
        batch.put_manifest_content(child, OCI_MANIFEST)
        batch.put_manifest(HOST, "app", index(child), OCI_INDEX, "v1")
    entries = json.loads((tree.root / "registries" / HOST / "app" / "index.json").read_text())["manifests"]
    assert [entry["annotations"] for entry in entries] == [{TAG_ANNOTATION: "v1"}]
    assert list(verify(tree)) == []


def seconds(count: int) -> float:
    file = IndexFile(None, "index.json")
    start = time.process_time()
    for number in range(count):
        for tag in (f"v{number}", "latest"):
            digest = compute_digest(str(number).encode())
            file.put(Descriptor(media_type=OCI_MANIFEST, digest=digest, size=number), tag)
    file.text()
    return time.process_time() - start


def test_an_index_takes_time_in_proportion_to_its_tags() -> None:
    seconds(100)
    assert seconds(16_000) < 60 * max(seconds(1_000), 0.005)


def test_an_entry_of_another_index_is_taken_with_all_its_fields() -> None:
    file = IndexFile(None, "index.json")
    digests = [compute_digest(text) for text in (b"1", b"2")]
    file.put(Descriptor(media_type=OCI_MANIFEST, digest=digests[0], size=1), "v1")
    annotations = {TAG_ANNOTATION: "v1", "org.example": "kept"}
    entry = {"digest": digests[1], "mediaType": OCI_MANIFEST, "size": 2, "annotations": annotations, "other": [1]}
    file.put_entry(entry)
    assert entry in file.entries()
    assert file.digest_of("v1") == digests[1]
    assert {one["digest"]: "annotations" in one for one in file.entries()} == {digests[0]: False, digests[1]: True}
    text = file.text()
    again = IndexFile(text, "index.json")
    again.put_entry(entry)
    again.put_entry({"digest": digests[1], "mediaType": OCI_MANIFEST, "size": 2})
    assert not again.changed


def test_an_index_becomes_another_byte_for_byte() -> None:
    entry = {"digest": compute_digest(b"1"), "mediaType": OCI_MANIFEST, "size": 1, "annotations": {TAG_ANNOTATION: "a"}}
    other = json.dumps({"schemaVersion": 2, "manifests": [entry], "org.example": 1}).encode()
    file = IndexFile(None, "index.json")
    file.become(other)
    assert (file.text(), file.changed, file.original) == (other, True, None)
    file.put(Descriptor(media_type=OCI_MANIFEST, digest=compute_digest(b"2"), size=2), "b")
    assert [one["annotations"][TAG_ANNOTATION] for one in json.loads(file.text())["manifests"]] == ["a", "b"]
    same = IndexFile(other, "index.json")
    same.become(other)
    assert not same.changed
    with pytest.raises(TreeError):
        same.become(b"[]")


@pytest.mark.parametrize("count", [3, 30], ids=["few", "many"])
def test_a_file_that_the_disk_does_not_take_is_reported(
    tree: Tree, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them it is, and whoever waits for it: nothing is put in place then."""
    last = compute_digest(b"%d" % (count - 1)).replace(":", ".")
    sync = os.fsync

    def failing(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().name == last:
            raise OSError(errno.EIO, "Input/output error")
        sync(handle)

    batch = Batch(tree)
    for number in range(count):
        batch.put_blob(b"%d" % number)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(TreeError, match="Input/output error; expected to be able to write there"):
        batch.flush()
    batch.drop()
    assert files(tree) == {}
