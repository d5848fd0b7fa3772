"""Verifying trees, and collecting their garbage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.registry import HOST, describe, image, index, put_image, signed_schema1, write_index
from support.vectors import VECTORS

from fake_registry.errors import TreeError
from fake_registry.fixtures import Garbage, Problem, Tree, Uploads, collect_garbage, needed_digests, verify
from fake_registry.oci import (
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    TAG_ANNOTATION,
    compute_digest,
)

APP = f"registries/{HOST}/app"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree", create=True)


def kinds_and_files(tree: Tree) -> list[tuple[str, str]]:
    return [(problem.kind, problem.file) for problem in verify(tree)]


def only(tree: Tree) -> Problem:
    problems = list(verify(tree))
    assert len(problems) == 1, problems
    return problems[0]


def digits(digest: str) -> str:
    return digest.partition(":")[2]


class TestVerification:
    def test_good_tree(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        tree.put_manifest(HOST, "app/old", signed_schema1([compute_digest(b"x")]), DOCKER_SCHEMA1_SIGNED, "old")
        tree.put_manifest("plain.example.com:5000", "app", index(), OCI_INDEX, "empty", algorithm="sha512")
        tree.put_sizes({compute_digest(b"x"): 1})
        tree.remember_blob(HOST, "app", tree.put_blob(b"uploaded"))
        assert list(verify(tree)) == []

    def test_empty_tree(self, tmp_path: Path) -> None:
        assert list(verify(Tree.open(tmp_path))) == []
        assert list(verify(Tree.open(tmp_path / "absent"))) == []

    def test_absent_layers_are_no_problem(self, tree: Tree) -> None:
        tree.put_blob(b"{}")
        tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, "v1")
        assert list(verify(tree)) == []

    def test_progress(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        told: list[tuple[int, int]] = []
        list(verify(tree, lambda done, total: told.append((done, total))))
        assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]

    def test_digest(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        digest = compute_digest(b"layer")
        Path(tree.store.path(digest)).write_bytes(b"other")
        assert only(tree) == Problem(
            kind="digest",
            file=f"blobs/sha256/{digits(digest)}",
            what="content does not match the digest in its name",
            expected=f"content of {digest}",
            digest=digest,
        )

    def test_damaged_manifest_is_reported_once(self, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        Path(tree.store.path(digest)).write_bytes(b"other")
        assert kinds_and_files(tree) == [("digest", f"blobs/sha256/{digits(digest)}")]

    @pytest.mark.parametrize("name", ["config", "layer"])
    def test_size(self, tree: Tree, name: str) -> None:
        for blob in (b"{}", b"layer"):
            tree.put_blob(blob)
        right = f'"size":{2 if name == "config" else 5}}}'.encode()
        data = image().replace(right, b'"size":7}')
        digest = tree.put_manifest(HOST, "app", data, OCI_MANIFEST, "v1").digest
        blob = compute_digest(b"{}" if name == "config" else b"layer")
        assert str(only(tree)) == (
            f"{APP}/index.json: manifest {digest} (tag v1): {name} {blob}: 7 bytes; "
            f"expected {2 if name == 'config' else 5}"
        )

    def test_size_of_a_manifest(self, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        path = tree.root / APP / "index.json"
        path.write_text(path.read_text().replace(f'"size": {len(image())}', '"size": 7'))
        assert str(only(tree)) == (f"{APP}/index.json: manifest {digest} (tag v1): 7 bytes; expected {len(image())}")

    def test_missing(self, tree: Tree) -> None:
        data = index(image(b"absent config"), image(b"b"))
        tree.put_blob(image(b"absent config"))
        tree.put_manifest(HOST, "app", data, OCI_INDEX, "v1")
        child, config = compute_digest(image(b"absent config")), compute_digest(b"absent config")
        missing = [("missing", f"manifest {child}: config {config} is not in the tree")]
        assert [(problem.kind, problem.what) for problem in verify(tree)] == missing
        other = compute_digest(image(b"b"))
        assert [(problem.kind, problem.what, problem.digest) for problem in verify(tree, complete=True)] == [
            (*missing[0], config),
            (
                "missing",
                f"manifest {child}: layer {compute_digest(b'layer')} is not in the tree",
                compute_digest(b"layer"),
            ),
            ("missing", f"manifest {other} is not in the tree", other),
        ]

    def test_an_index_leads_to_something(self, tree: Tree) -> None:
        data = index(image(b"a"), image(b"b"))
        digest = tree.put_manifest(HOST, "app", data, OCI_INDEX, "v1").digest
        assert [(problem.kind, problem.what, problem.repository) for problem in verify(tree)] == [
            (
                "missing",
                f"manifest {digest} (tag v1): manifest {compute_digest(image(config))} is not in the tree",
                f"{HOST}/app",
            )
            for config in (b"a", b"b")
        ]

    def test_listed_manifest_is_missing(self, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        Path(tree.store.path(digest)).unlink()
        assert only(tree).what == f"manifest {digest} (tag v1) is not in the tree"

    @pytest.mark.parametrize(
        ("data", "media_type", "what"),
        [
            (b"garbage", OCI_MANIFEST, "JSON is malformed"),
            (b"{}", OCI_MANIFEST, "missing required field `schemaVersion`"),
            (b'{"schemaVersion":2,"layers":[]}', OCI_MANIFEST, "no config"),
            (b'{"schemaVersion":2,"manifests":{}}', OCI_INDEX, "Expected `array`, got `object`"),
            (image(), DOCKER_MANIFEST, f"says that it is {OCI_MANIFEST}"),
        ],
    )
    def test_manifests_that_clients_do_not_understand(
        self, tree: Tree, data: bytes, media_type: str, what: str
    ) -> None:
        tree.put_blob(b"{}")
        tree.put_manifest(HOST, "app", data, media_type, "v1")
        problem = only(tree)
        assert (problem.kind, problem.file) == ("manifest", f"{APP}/index.json")
        assert what in problem.what

    @pytest.mark.parametrize("text", ["{", "[]", '{"manifests":[{"digest":"x"}]}'])
    def test_broken_index(self, tree: Tree, text: str) -> None:
        put_image(tree, "app", "v1")
        (tree.root / APP / "index.json").write_text(text)
        problem = only(tree)
        assert (problem.kind, problem.file) == ("unreadable", f"{APP}/index.json")
        assert problem.expected
        assert not problem.what.startswith(APP)

    def test_broken_memory(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        (tree.root / APP / ".repository.json").write_text("[]")
        os.utime(tree.root / APP / "index.json", (1, 1))
        assert kinds_and_files(tree) == [("unreadable", f"{APP}/.repository.json")]

    def test_broken_sizes(self, tree: Tree) -> None:
        (tree.root / "blobs" / "sizes.json").write_text("[]")
        assert kinds_and_files(tree) == [("unreadable", "blobs/sizes.json")]

    @pytest.mark.parametrize("text", [None, "{}", "x", "[]", '{"imageLayoutVersion":"2.0.0"}'])
    def test_marker_of_a_layout(self, tree: Tree, text: str | None) -> None:
        put_image(tree, "app", "v1")
        path = tree.root / APP / "oci-layout"
        path.unlink() if text is None else path.write_text(text)
        assert kinds_and_files(tree) == [("layout", f"{APP}/oci-layout")]

    def test_layout_without_index(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        (tree.root / APP / "index.json").unlink()
        assert kinds_and_files(tree) == [("layout", f"{APP}/index.json")]

    def test_tags(self, tree: Tree) -> None:
        put_image(tree, "app")
        tags = ["a+b", "v1", "v1"]
        entry = describe(image(), OCI_MANIFEST)
        write_index(
            tree.root,
            "app",
            [
                {
                    "digest": entry.digest,
                    "size": entry.size,
                    "annotations": {TAG_ANNOTATION: tag},
                    "mediaType": OCI_MANIFEST,
                }
                for tag in tags
            ],
        )
        assert [(problem.kind, problem.what) for problem in verify(tree)] == [
            ("tag", "tag 'a+b'"),
            ("tag", "tag 'v1' twice"),
        ]

    def test_own_blobs(self, tree: Tree) -> None:
        path = write_index(tree.root, "app", [])
        (path.parent / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        own = path.parent / "blobs" / "sha256"
        own.mkdir(parents=True)
        (own / digits(compute_digest(b"good"))).write_bytes(b"good")
        (own / digits(compute_digest(b"bad"))).write_bytes(b"damaged")
        (own / "note").touch()
        assert sorted(kinds_and_files(tree)) == [
            ("digest", f"{APP}/blobs/sha256/{digits(compute_digest(b'bad'))}"),
            ("stray", f"{APP}/blobs/sha256/note"),
        ]

    def test_strays(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        for name in (
            ".gitignore",
            "README.md",
            "blobs/note",
            "blobs/sha256/note",
            "blobs/sha256/.incoming.0.tmp",
            "registries/note",
            f"registries/{HOST}/note",
            f"{APP}/note",
            f"{APP}/.hidden",
        ):
            (tree.root / name).touch()
            os.utime(tree.root / name, (1, 1))
        for name in (f"{APP}/.index.json.1.tmp", "blobs/sha256/.incoming.1.tmp"):
            (tree.root / name).touch()  # somebody may be at it
        Uploads(tree.store).begin(HOST, "app").__exit__(None, None, None)
        for name in ("other", "blobs/md5", "registries/index.docker.io", "registries/Upper", f"{APP}/UPPER"):
            (tree.root / name).mkdir()
        problems = list(verify(tree))
        assert {problem.kind for problem in problems} == {"stray"}
        assert all(problem.harmless for problem in problems)
        assert sorted(problem.file for problem in problems) == sorted(
            [
                ".gitignore",
                "README.md",
                "other",
                "blobs/note",
                "blobs/md5",
                "blobs/sha256/note",
                "blobs/sha256/.incoming.0.tmp",
                "registries/note",
                "registries/index.docker.io",
                "registries/Upper",
                f"registries/{HOST}/note",
                f"{APP}/note",
                f"{APP}/.hidden",
                f"{APP}/UPPER",
            ]
        )

    def test_a_link_that_git_made_a_file_is_none(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        link = tree.root / APP / "blobs"
        link.unlink()
        link.write_text("../../../blobs")
        assert list(verify(tree)) == []
        link.write_text("../../blobs")
        assert kinds_and_files(tree) == [("stray", f"{APP}/blobs")]

    def test_links_out_of_the_tree(self, tmp_path: Path, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").touch()
        digest = compute_digest(b"layer")
        Path(tree.store.path(digest)).unlink()
        links = {
            f"blobs/sha256/{digits(digest)}": outside / "file",
            "blobs/sha512": outside,
            "registries/other.example.com": outside,
            f"registries/{HOST}/other": outside,
            f"{APP}/blobs": outside,
        }
        for name, target in links.items():
            (tree.root / name).unlink(missing_ok=True)
            (tree.root / name).symlink_to(target)
        assert sorted(kinds_and_files(tree)) == sorted(("link", name) for name in links)

    def test_the_reference_tree(self) -> None:
        """What is odd in it is odd on purpose."""
        problems = list(verify(Tree.open(VECTORS / "tree")))
        repositories = {
            problem.file.removeprefix(f"registries/{HOST}/").removesuffix("/index.json") for problem in problems
        }
        assert repositories == {"app/broken", "app/many", "app/partly"}
        assert {problem.kind for problem in problems} == {"missing", "manifest", "tag"}


class TestGarbage:
    def test_what_nobody_leads_to_goes(self, tree: Tree) -> None:
        kept = put_image(tree, "app", "v1", b"config", [b"layer"])
        uploaded = tree.put_blob(b"uploaded")
        tree.remember_blob(HOST, "app", uploaded)
        lost = tree.put_blob(b"lost"), tree.put_blob(b"lost", algorithm="sha512")
        expected = sorted(Garbage(f"blobs/{digest.replace(':', '/')}", 4) for digest in lost)
        assert sorted(collect_garbage(tree, grace=0, dry_run=True)) == expected
        assert all(tree.store.find(digest) for digest in lost)
        assert sorted(collect_garbage(tree, grace=0)) == expected
        assert not any(tree.store.find(digest) for digest in lost)
        for digest in (kept.digest, uploaded, compute_digest(b"config"), compute_digest(b"layer")):
            assert tree.store.find(digest) is not None
        assert list(collect_garbage(tree, grace=0)) == []

    def test_deleted_content_goes(self, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        put_image(tree, "other", "v1", b"other", [b"layer"])
        tree.delete_manifest(HOST, "app", digest)
        gone = {garbage.file for garbage in collect_garbage(tree, grace=0)}
        assert gone == {f"blobs/sha256/{digits(item)}" for item in (digest, compute_digest(b"{}"))}

    def test_deleted_blob_stays_while_another_repository_leads_to_it(self, tree: Tree) -> None:
        for name in ("app", "other"):
            put_image(tree, name, "v1")
        digest = compute_digest(b"layer")
        for name, count in (("app", 0), ("other", 1)):
            tree.delete_blob(HOST, name, digest)
            assert len(list(collect_garbage(tree, grace=0))) == count

    def test_the_young_stay(self, tree: Tree) -> None:
        digest = tree.put_blob(b"young")
        path = Path(tree.store.path(digest))
        assert list(collect_garbage(tree)) == []
        os.utime(path, (1, 1))
        tree.put_blob(b"young")  # somebody is about to name it
        assert list(collect_garbage(tree)) == []
        os.utime(path, (1, 1))
        assert len(list(collect_garbage(tree))) == 1

    def test_leftovers_of_writers(self, tree: Tree) -> None:
        left = tree.root / "blobs" / "sha256" / ".incoming.0123.tmp"
        left.write_bytes(b"123")
        (left.parent / "note").touch()
        assert list(collect_garbage(tree, grace=0)) == [Garbage("blobs/sha256/.incoming.0123.tmp", 3)]
        assert (left.parent / "note").exists()

    def test_leftovers_in_repositories_and_abandoned_uploads(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        left = tree.root / APP / ".index.json.0123.tmp"
        left.write_bytes(b"1234")
        with Uploads(tree.store).begin(HOST, "app") as upload:
            upload.write(b"12345")
        assert list(collect_garbage(tree)) == []
        os.utime(left, (1, 1))
        assert list(collect_garbage(tree)) == [Garbage(f"{APP}/.index.json.0123.tmp", 4)]
        (file,) = (tree.root / "blobs" / ".uploads").iterdir()
        expected = [Garbage(f"blobs/.uploads/{file.name}", 5)]
        assert list(collect_garbage(tree, abandoned=0, dry_run=True)) == expected
        assert list(collect_garbage(tree, abandoned=0)) == expected
        assert not file.exists()

    def test_nothing_goes_while_something_cannot_be_read(self, tree: Tree) -> None:
        lost = tree.put_blob(b"lost")
        digest = put_image(tree, "app", "v1").digest
        Path(tree.store.path(digest)).write_bytes(b"damaged")
        with pytest.raises(TreeError, match=rf"{APP}: content of {digest} does not match its digest; expected"):
            list(collect_garbage(tree, grace=0))
        tree.put_manifest(HOST, "app", image(), OCI_MANIFEST)
        path = tree.root / APP / "index.json"
        text = path.read_text()
        path.write_text("{")
        with pytest.raises(TreeError, match=r"app/index\.json"):
            list(collect_garbage(tree, grace=0))
        assert tree.store.find(lost) is not None
        path.write_text(text)
        assert len(list(collect_garbage(tree, grace=0))) == 1

    def test_content_of_what_is_out_of_reach_stays(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        (tree.root / APP / "index.json").rename(tree.root.parent / "index.json")
        (tree.root / APP / "index.json").symlink_to("../../../../index.json")
        with pytest.raises(TreeError, match=rf"{APP}/index\.json: no file of the tree; expected to be able to read"):
            list(collect_garbage(tree, grace=0))
        (tree.root / "registries").rename(tree.root.parent / "registries")
        (tree.root / "registries").write_text("something else")
        with pytest.raises(TreeError, match="registries: Not a directory; expected a readable directory"):
            list(collect_garbage(tree, grace=0))

    def test_content_of_a_manifest_that_is_not_there_stays(self, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        Path(tree.store.path(digest)).unlink()
        with pytest.raises(
            TreeError, match=rf"{APP}: manifest {digest} is not in the tree; expected to be able to read"
        ):
            list(collect_garbage(tree, grace=0))

    def test_needed(self, tree: Tree) -> None:
        leaf = image(b"config", [b"absent"])
        tree.put_blob(leaf)
        digest = tree.put_manifest(HOST, "app", index(leaf), OCI_INDEX, "v1").digest
        assert needed_digests(tree) == {digest, *(compute_digest(data) for data in (leaf, b"config", b"absent"))}

    def test_descriptors_survive(self, tree: Tree) -> None:
        config = json.dumps({"a": 1}).encode()
        put_image(tree, "app", "v1", config)
        list(collect_garbage(tree, grace=0))
        snapshot = tree.snapshot(HOST, "app")
        assert snapshot is not None
        blob = snapshot.blob(compute_digest(config))
        assert blob is not None
        assert blob.descriptor == describe(config, OCI_CONFIG)
