from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.registry import HOST, describe, image, index, put_image, signed_schema1, write_index
from support.vectors import VECTORS

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import FoundFile, Snapshot, Tree
from fake_registry.fixtures.repository import Blob
from fake_registry.oci import (
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    OCTET_STREAM,
    TAG_ANNOTATION,
    Descriptor,
    compute_digest,
    manifest_digest,
)


def snapshot_of(tree: Tree, name: str, host: str = HOST) -> Snapshot:
    snapshot = tree.snapshot(host, name)
    assert snapshot is not None
    return snapshot


def entry(data: bytes, tag: str | None = None, media_type: str = OCI_MANIFEST) -> dict[str, object]:
    annotations = {} if tag is None else {"annotations": {TAG_ANNOTATION: tag}}
    return {"mediaType": media_type, "digest": compute_digest(data), "size": len(data), **annotations}


def put_raw(root: Path, data: bytes, name: str | None = None) -> Path:
    """Writes a blob behind the tree's back, under its digest or another name."""
    path = root / "blobs" / "sha256" / (name or compute_digest(data).partition(":")[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class TestOpen:
    def test_absent_is_new(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path / "tree")
        assert tree.hosts() == []
        assert not (tmp_path / "tree").exists()

    def test_create_makes_directories(self, tmp_path: Path) -> None:
        Tree.open(tmp_path / "tree", create=True)
        assert (tmp_path / "tree" / "registries").is_dir()
        assert (tmp_path / "tree" / "blobs" / "sha256").is_dir()
        assert Tree.open(tmp_path / "tree").hosts() == []

    def test_empty_is_new_also_with_hidden_files(self, tmp_path: Path) -> None:
        (tmp_path / ".gitkeep").touch()
        assert Tree.open(tmp_path).hosts() == []

    @pytest.mark.parametrize("names", [["registries"], ["blobs"], ["registries", "blobs", "README.md"]])
    def test_trees(self, tmp_path: Path, names: list[str]) -> None:
        for name in names:
            (tmp_path / name).mkdir()
        assert Tree.open(tmp_path).hosts() == []

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["README.md"], "neither empty nor a fixture tree (it holds README.md); expected the directories"),
            (["a", "b", "c", "d"], "(it holds a, b, c, ...)"),
            (["blobs", "index.json", "oci-layout"], "a single OCI image layout, not a fixture tree"),
        ],
    )
    def test_other_directories_are_refused(self, tmp_path: Path, names: list[str], message: str) -> None:
        for name in names:
            (tmp_path / name).touch()
        with pytest.raises(TreeError) as caught:
            Tree.open(tmp_path)
        assert message in str(caught.value)
        assert str(caught.value).startswith(f"{tmp_path}: ")

    def test_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(TreeError, match="Not a directory; expected a directory, empty, absent or with a fixture"):
            Tree.open(tmp_path / "file")


class TestReferenceTree:
    @pytest.fixture
    def tree(self) -> Tree:
        return Tree.open(VECTORS / "tree")

    def test_hosts(self, tree: Tree) -> None:
        assert tree.hosts() == sorted(tree.hosts())
        assert {"docker.io", "mirror2.example.com:5000", "quay.io"} <= set(tree.hosts())

    def test_a_repository_below_another(self, tree: Tree) -> None:
        assert tree.repositories("mirror2.example.com:5000") == ["app", "app/web"]

    def test_names_of_docker_hub(self, tree: Tree) -> None:
        for host in ("docker.io", "index.docker.io", "Registry-1.Docker.io"):
            assert "library/nginx" in tree.repositories(host)
            assert tree.repository(host, "library/nginx") is not None

    def test_tags_in_byte_order(self, tree: Tree) -> None:
        repository = tree.repository(HOST, "app/many")
        assert repository is not None
        tags = repository.tags()
        assert tags == sorted(tags, key=str.encode)
        assert "1.2.3+build" in tags  # outside the grammar, and listed as it stands

    def test_every_listed_manifest_and_what_it_leads_to(self, tree: Tree) -> None:
        for host in tree.hosts():
            for name in tree.repositories(host):
                snapshot = snapshot_of(tree, name, host)
                for tag in snapshot.tag_names:
                    descriptor = snapshot.resolve(tag)
                    assert descriptor is not None
                    data = snapshot.read_manifest(descriptor)
                    assert data is not None
                    assert len(data) == descriptor.size
                    assert snapshot.resolve(descriptor.digest) is not None

    def test_children_of_an_index(self, tree: Tree) -> None:
        snapshot = snapshot_of(tree, "app/multi")
        descriptor = snapshot.tags["latest"]
        children = json.loads(snapshot.read_manifest(descriptor) or b"")["manifests"]
        for child in children:
            found = snapshot.manifest(child["digest"])
            assert found is not None
            assert found.media_type == child["mediaType"]

    def test_absent_layers_are_known(self, tree: Tree) -> None:
        snapshot = snapshot_of(tree, "app/shapes")
        absent = [blob for blob in snapshot.blobs() if snapshot.read_blob(blob.descriptor.digest) is None]
        assert {blob.role for blob in absent} == {"layer"}
        assert all(blob.descriptor.size > 0 for blob in absent)


class TestScope:
    """A repository serves what its index leads to, and nothing else of the tree."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Tree:
        return Tree.open(tmp_path)

    def test_image(self, tree: Tree) -> None:
        descriptor = put_image(tree, "app", "v1", b"config", [b"one", b"two"])
        snapshot = snapshot_of(tree, "app")
        assert snapshot.resolve("v1") == snapshot.resolve(descriptor.digest)
        assert snapshot.blob(compute_digest(b"config")) == Blob(describe(b"config", OCI_CONFIG), "config")
        assert snapshot.blob(compute_digest(b"two")) == Blob(describe(b"two", OCI_LAYER), "layer")
        assert snapshot.blob(descriptor.digest) is None
        assert snapshot.manifest(compute_digest(b"config")) is None

    def test_other_repositories_of_the_tree(self, tree: Tree) -> None:
        private = put_image(tree, "private", "v1", b"secret config", [b"secret"])
        put_image(tree, "public", "v1")
        snapshot = snapshot_of(tree, "public")
        assert snapshot.manifest(private.digest) is None
        assert snapshot.blob(compute_digest(b"secret")) is None

    def test_subject_is_not_led_to(self, tree: Tree) -> None:
        private = put_image(tree, "private", "v1")
        tree.put_manifest(HOST, "public", image(subject=private), OCI_MANIFEST)
        assert snapshot_of(tree, "public").manifest(private.digest) is None

    def test_nested_index(self, tree: Tree) -> None:
        leaf = image(b"leaf")
        inner = index(leaf)
        outer = json.dumps({"manifests": [entry(inner, media_type=OCI_INDEX)]}).encode()
        for data in (leaf, inner):
            tree.put_blob(data)
        tree.put_manifest(HOST, "app", outer, OCI_INDEX, "v1")
        snapshot = snapshot_of(tree, "app")
        assert snapshot.manifest(compute_digest(leaf)) is not None
        assert snapshot.blob(compute_digest(b"leaf")) is not None

    def test_circle(self, tmp_path: Path, tree: Tree) -> None:
        """Nobody can make two indexes that name each other's digest, but damaged files may look like it."""
        data = index(image())
        circular = json.dumps({"manifests": [entry(data, media_type=OCI_INDEX)]}).encode()
        put_raw(tmp_path, circular)
        put_raw(tmp_path, circular, compute_digest(data).partition(":")[2])
        write_index(tmp_path, "app", [entry(circular, "v1", OCI_INDEX)])
        assert snapshot_of(tree, "app").blob(compute_digest(b"x")) is None

    def test_index_of_other_content(self, tree: Tree) -> None:
        """BuildKit's caches are indexes of layers."""
        data = json.dumps(
            {"manifests": [entry(b"cache", media_type="application/vnd.oci.image.layer.v1.tar")]}
        ).encode()
        tree.put_blob(b"cache")
        tree.put_manifest(HOST, "cache", data, OCI_INDEX, "v1")
        assert snapshot_of(tree, "cache").read_blob(compute_digest(b"cache")) == b"cache"
        assert snapshot_of(tree, "cache").blob(compute_digest(b"cache")) is not None

    def test_uploaded_and_deleted_blobs(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        digest = tree.put_blob(b"uploaded")
        assert snapshot_of(tree, "app").blob(digest) is None
        tree.remember_blob(HOST, "app", digest)
        expected = Blob(Descriptor(media_type=OCTET_STREAM, digest=digest), "uploaded")
        assert snapshot_of(tree, "app").blob(digest) == expected
        assert list(snapshot_of(tree, "app").blobs())[-1] == expected
        tree.delete_blob(HOST, "app", digest)
        assert snapshot_of(tree, "app").blob(digest) is None

    def test_referrers(self, tree: Tree) -> None:
        subject = put_image(tree, "app", "v1")
        first = tree.put_manifest(HOST, "app", image(subject=subject, artifact_type="a/one"), OCI_MANIFEST)
        nested = image(subject=subject, artifact_type="a/two")
        tree.put_blob(nested)
        tree.put_manifest(HOST, "app", index(nested), OCI_INDEX, "list")
        snapshot = snapshot_of(tree, "app")
        assert {referrer.descriptor.digest for referrer in snapshot.referrers(subject.digest)} == {
            first.digest,
            compute_digest(nested),
        }
        assert snapshot.referrers(first.digest) == []

    def test_the_first_descriptor_counts_whatever_was_asked_before(self, tmp_path: Path, tree: Tree) -> None:
        one = image(b"one", [b"layer"])
        other = json.dumps({"layers": [{"mediaType": "other/type", "digest": compute_digest(b"layer")}]}).encode()
        for data in (one, other):
            put_raw(tmp_path, data)
        write_index(tmp_path, "app", [entry(one, "a"), entry(other, "b")])
        for first in ("a", "b"):
            snapshot = snapshot_of(Tree.open(tmp_path), "app")
            snapshot.read_manifest(snapshot.tags[first])
            blob = snapshot.blob(compute_digest(b"layer"))
            assert blob is not None
            assert blob.descriptor.media_type == OCI_LAYER


class TestOtherPeoplesTrees:
    def test_compact_index_without_media_type(self, tmp_path: Path) -> None:
        put_raw(tmp_path, image())
        write_index(tmp_path, "app", [entry(image(), "v1")])
        tree = Tree.open(tmp_path)
        assert tree.repositories(HOST) == ["app"]
        assert snapshot_of(tree, "app").tag_names == ["v1"]

    @pytest.mark.parametrize("manifests", [None, []])
    def test_no_manifests(self, tmp_path: Path, manifests: object) -> None:
        write_index(tmp_path, "app", manifests)
        assert snapshot_of(Tree.open(tmp_path), "app").tag_names == []

    def test_null_annotations_and_unknown_fields(self, tmp_path: Path) -> None:
        put_raw(tmp_path, image())
        write_index(tmp_path, "app", [{**entry(image()), "annotations": None, "x": 1}], y=2)
        assert snapshot_of(Tree.open(tmp_path), "app").manifest(compute_digest(image())) is not None

    def test_own_blobs_come_first_and_the_tree_s_after_them(self, tmp_path: Path) -> None:
        write_index(tmp_path, "app", [entry(image(), "v1")])
        own = tmp_path / "registries" / HOST / "app" / "blobs" / "sha256"
        own.mkdir(parents=True)
        (own / compute_digest(image()).partition(":")[2]).write_bytes(image())
        put_raw(tmp_path, b"layer")
        snapshot = snapshot_of(Tree.open(tmp_path), "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) == image()
        assert snapshot.read_blob(compute_digest(b"layer")) == b"layer"

    def test_damaged_own_copy_does_not_hide_a_good_one(self, tmp_path: Path) -> None:
        write_index(tmp_path, "app", [entry(image(), "v1")])
        own = tmp_path / "registries" / HOST / "app" / "blobs" / "sha256"
        own.mkdir(parents=True)
        (own / compute_digest(image()).partition(":")[2]).write_bytes(b"damaged")
        put_raw(tmp_path, image())
        snapshot = snapshot_of(Tree.open(tmp_path), "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) == image()

    def test_link_as_a_text_file(self, tmp_path: Path) -> None:
        put_raw(tmp_path, image())
        write_index(tmp_path, "app", [entry(image(), "v1")])
        (tmp_path / "registries" / HOST / "app" / "blobs").write_text("../../../blobs")
        snapshot = snapshot_of(Tree.open(tmp_path), "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) == image()

    def test_hidden_and_unknown_files(self, tmp_path: Path) -> None:
        write_index(tmp_path, "app", [])
        write_index(tmp_path, ".hidden", [])
        write_index(tmp_path, "UPPER", [])
        write_index(tmp_path, "x", [], host=".git")
        (tmp_path / "registries" / HOST / "notes.txt").touch()
        (tmp_path / "registries" / "file").touch()
        tree = Tree.open(tmp_path)
        assert tree.hosts() == [HOST]
        assert tree.repositories(HOST) == ["app"]
        assert tree.repository(HOST, "UPPER") is None

    def test_first_entry_of_a_tag_counts(self, tmp_path: Path) -> None:
        write_index(tmp_path, "app", [entry(image(b"a"), "v1"), entry(image(b"b"), "v1")])
        assert snapshot_of(Tree.open(tmp_path), "app").tags["v1"].digest == compute_digest(image(b"a"))

    def test_schema_1_by_its_payload(self, tmp_path: Path) -> None:
        data = signed_schema1([compute_digest(b"layer")])
        digest = manifest_digest(data, DOCKER_SCHEMA1_SIGNED)
        put_raw(tmp_path, data, digest.partition(":")[2])
        described = {"mediaType": DOCKER_SCHEMA1_SIGNED, "digest": digest, "size": len(data)}
        write_index(tmp_path, "app", [{**described, "annotations": {TAG_ANNOTATION: "old"}}])
        snapshot = snapshot_of(Tree.open(tmp_path), "app")
        for _ in range(2):
            assert snapshot.read_manifest(snapshot.tags["old"]) == data
        with pytest.raises(ContentError):
            snapshot.read_blob(digest)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "truncated"),
            ("{", "truncated"),
            ("[]", "expected object, got array; expected an OCI image index"),
            ('{"manifests": {}}', "manifests: expected array | null, got object"),
            ('{"manifests": [7]}', "manifests[0]: expected object, got int"),
            ('{"manifests": [{"mediaType": "a/b", "size": 1}]}', "manifests[0]: object missing required field digest"),
            ('{"manifests": [{"digest": 7}]}', "manifests[0].digest: expected str, got int"),
            (
                '{"manifests": [{"digest": "sha256:x"}]}',
                "manifests[0].digest: found 'sha256:x'; expected sha256: and 64",
            ),
            ('{"manifests": [{"digest": "../x", "size": 1}]}', "manifests[0].digest: found '../x'"),
            (
                '{"manifests": [{"digest": "a", "annotations": {"k": 1}}]}',
                "manifests[0].annotations[...]: expected str",
            ),
        ],
    )
    def test_broken_index(self, tmp_path: Path, text: str, message: str) -> None:
        path = write_index(tmp_path, "app", [])
        path.write_text(text)
        tree = Tree.open(tmp_path)
        assert tree.repositories(HOST) == ["app"]
        for _ in range(2):
            with pytest.raises(TreeError) as caught:
                tree.snapshot(HOST, "app")
            assert str(caught.value).startswith(f"registries/{HOST}/app/index.json: ")
            assert message in str(caught.value)

    def test_broken_memory(self, tmp_path: Path) -> None:
        path = write_index(tmp_path, "app", [])
        (path.parent / ".repository.json").write_text('{"uploaded": 7}')
        with pytest.raises(TreeError, match=r"app/\.repository\.json: uploaded: expected array, got int"):
            Tree.open(tmp_path).snapshot(HOST, "app")


class TestConfinement:
    """Links out of the tree are not followed."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        outside = tmp_path / "outside"
        put_raw(outside, image())
        write_index(outside, "app", [entry(image(), "v1")])
        return outside

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "tree"
        write_index(root, "app", [entry(image(), "v1")])
        return root

    def test_host(self, root: Path, outside: Path) -> None:
        (root / "registries" / "evil.example.com").symlink_to(outside / "registries" / HOST)
        tree = Tree.open(root)
        assert tree.hosts() == [HOST]
        assert not tree.has_host("evil.example.com")
        assert tree.repository("evil.example.com", "app") is None

    def test_repository(self, root: Path, outside: Path) -> None:
        (root / "registries" / HOST / "evil").symlink_to(outside / "registries" / HOST / "app")
        tree = Tree.open(root)
        assert tree.repositories(HOST) == ["app"]
        assert tree.repository(HOST, "evil") is None

    def test_index(self, root: Path, outside: Path) -> None:
        path = root / "registries" / HOST / "app" / "index.json"
        tree = Tree.open(root)
        assert tree.snapshot(HOST, "app") is not None
        path.unlink()
        path.symlink_to(outside / "registries" / HOST / "app" / "index.json")
        assert tree.snapshot(HOST, "app") is None

    @pytest.mark.parametrize("linked", ["blobs", "blobs/sha256", "blobs/sha256/{}", "registries/quay.io/app/blobs"])
    def test_blobs(self, root: Path, outside: Path, linked: str) -> None:
        digits = compute_digest(image()).partition(":")[2]
        link = root / linked.format(digits)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(
            outside / "blobs" / link.relative_to(root / "blobs") if "sha256" in linked else outside / "blobs"
        )
        snapshot = snapshot_of(Tree.open(root), "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) is None

    def test_links_inside_are_followed(self, root: Path) -> None:
        put_raw(root, image()).rename(root / "blobs" / "kept")
        digits = compute_digest(image()).partition(":")[2]
        (root / "blobs" / "sha256" / digits).symlink_to("../kept")
        (root / "registries" / "other.example.com").symlink_to(HOST)
        snapshot = snapshot_of(Tree.open(root), "app", "other.example.com")
        assert snapshot.read_manifest(snapshot.tags["v1"]) == image()

    def test_loops_of_links(self, root: Path) -> None:
        (root / "registries" / HOST / "loop").symlink_to(".")
        (root / "registries" / HOST / "app" / "up").symlink_to("..")
        (root / "registries" / HOST / "self").symlink_to("self")
        assert Tree.open(root).repositories(HOST) == ["app"]

    def test_pipes_do_not_hang(self, root: Path) -> None:
        path = root / "blobs" / "sha256" / compute_digest(image()).partition(":")[2]
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        snapshot = snapshot_of(Tree.open(root), "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) is None

    @pytest.mark.parametrize("name", ["../outside", "app/../app", "/etc", "app\x00", "", ".", "app/", "a" * 5000])
    def test_names_do_not_leave(self, root: Path, name: str) -> None:
        assert Tree.open(root).repository(HOST, name) is None
        assert Tree.open(root).repository(name, "app") is None


class TestChangesOnDisk:
    """Other processes change trees while they are served."""

    def test_new_tag_repository_and_host(self, tmp_path: Path) -> None:
        tree, other = Tree.open(tmp_path), Tree.open(tmp_path)
        assert tree.snapshot(HOST, "app") is None
        put_image(other, "app", "v1")
        assert snapshot_of(tree, "app").tag_names == ["v1"]
        put_image(other, "app", "v2", b'{"a":1}')
        assert snapshot_of(tree, "app").tag_names == ["v1", "v2"]
        assert tree.hosts() == [HOST]

    def test_same_size_within_one_tick_of_the_clock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_index(tmp_path, "app", [entry(image(), "v1")])
        written = path.stat().st_mtime_ns
        monkeypatch.setattr("fake_registry.fixtures.disk.time.time_ns", lambda: written + 1000)
        tree = Tree.open(tmp_path)
        for number in range(2, 10):
            assert snapshot_of(tree, "app").tag_names == [f"v{number - 1}"]
            path.write_text(path.read_text().replace(f"v{number - 1}", f"v{number}"))
            os.utime(path, ns=(written, written))
            assert snapshot_of(tree, "app").tag_names == [f"v{number}"]

    def test_unchanged_index_is_not_read_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_index(tmp_path, "app", [entry(image(), "v1")])
        os.utime(path, (1_000_000_000, 1_000_000_000))
        tree = Tree.open(tmp_path)
        first = snapshot_of(tree, "app")
        monkeypatch.setattr("fake_registry.fixtures.repository.read_file", None)
        assert snapshot_of(tree, "app") is first

    def test_removed_and_broken_and_mended(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        put_image(tree, "app", "v1")
        path = tmp_path / "registries" / HOST / "app" / "index.json"
        text = path.read_text()
        path.write_text("{")
        with pytest.raises(TreeError):
            tree.snapshot(HOST, "app")
        path.write_text(text)
        assert snapshot_of(tree, "app").tag_names == ["v1"]
        shutil.rmtree(path.parent)
        assert tree.snapshot(HOST, "app") is None
        assert tree.repositories(HOST) == []

    def test_content_that_comes_later(self, tmp_path: Path) -> None:
        write_index(tmp_path, "app", [entry(index(image()), "v1", OCI_INDEX)])
        tree = Tree.open(tmp_path)
        snapshot = snapshot_of(tree, "app")
        assert snapshot.read_manifest(snapshot.tags["v1"]) is None
        assert snapshot.blob(compute_digest(b"layer")) is None
        put_raw(tmp_path, index(image()))
        assert snapshot.manifest(compute_digest(image())) is not None
        assert snapshot.blob(compute_digest(b"layer")) is None
        put_raw(tmp_path, image())
        assert snapshot.blob(compute_digest(b"layer")) is not None
        assert snapshot.read_blob(compute_digest(b"layer")) is None
        put_raw(tmp_path, b"layer")
        assert snapshot.read_blob(compute_digest(b"layer")) == b"layer"

    def test_what_another_process_uploads_or_deletes(self, tmp_path: Path) -> None:
        tree, other = Tree.open(tmp_path), Tree.open(tmp_path)
        put_image(tree, "app", "v1")
        digest = tree.put_blob(b"more")
        assert snapshot_of(tree, "app").blob(digest) is None
        other.remember_blob(HOST, "app", digest)
        assert snapshot_of(tree, "app").blob(digest) is not None
        other.delete_blob(HOST, "app", compute_digest(b"layer"))
        assert snapshot_of(tree, "app").blob(compute_digest(b"layer")) is None


class TestContent:
    def test_damage_is_found(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        descriptor = put_image(tree, "app", "v1")
        digest = compute_digest(b"layer")
        for name in (descriptor.digest, digest):
            Path(tree.store.path(name)).write_bytes(b"damaged")
        snapshot = snapshot_of(tree, "app")
        with pytest.raises(ContentError, match=f"content of {descriptor.digest} does not match its digest"):
            snapshot.read_manifest(descriptor)
        with pytest.raises(ContentError, match=f"content of {digest} does not match its digest"):
            snapshot.read_blob(digest)

    def test_large_blob_is_a_file(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        data = b"x" * (1 << 20) + b"y"
        digest = tree.put_blob(data)
        found = tree.store.read_blob(digest)
        assert isinstance(found, FoundFile)
        assert found.size == len(data)
        assert tree.store.is_verified(found, digest) is None
        assert tree.store.verify(found, digest)
        assert tree.store.is_verified(found, digest)
        Path(found.path).write_bytes(data[:-1] + b"z")
        damaged = tree.store.find(digest)
        assert damaged is not None
        os.utime(damaged.path, (1, 1))
        damaged = tree.store.find(digest)
        assert damaged is not None
        assert tree.store.is_verified(damaged, digest) is None
        assert not tree.store.verify(damaged, digest)
        assert tree.store.is_verified(damaged, digest) is False

    def test_large_manifest_is_refused(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        data = b" " * ((8 << 20) + 1)
        put_raw(tmp_path, data)
        with pytest.raises(TreeError, match="more than 8388608 bytes; expected at most that many"):
            tree.store.read_manifest(compute_digest(data), OCI_MANIFEST)

    def test_sizes(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        digest = compute_digest(b"layer")
        assert tree.store.sizes() == {}
        tree.put_sizes({digest: 5})
        assert tree.store.sizes() == {digest: 5}

    @pytest.mark.parametrize("text", ["[]", '{"x": 1}', '{"sha256:' + "a" * 64 + '": -1}', '{"a": "b"}', "{"])
    def test_broken_sizes(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "blobs").mkdir()
        (tmp_path / "blobs" / "sizes.json").write_text(text)
        with pytest.raises(TreeError, match=r"^blobs/sizes\.json: .*; expected"):
            Tree.open(tmp_path).store.sizes()
