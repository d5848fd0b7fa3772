"""Content of batches whose process is killed before it is in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.registry import signed_schema1

from fake_registry.errors import TreeError
from fake_registry.fixtures import Batch, Tree, collect_garbage
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, compute_digest

BLOBS = [b"%d" % number for number in range(5)]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree", create=True)


def killed(tree: Tree, *blobs: bytes) -> Path:
    """The directory that a batch leaves whose process is killed: what it wrote is there, and nobody has its lock."""
    batch = Batch(tree)
    for blob in blobs:
        batch.put_blob(blob)
    [directory] = (tree.root / "blobs" / ".uploads").glob("batch.*")
    left = directory.rename(directory.with_name("batch.killed"))
    directory.mkdir()
    for path in left.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    batch.drop()
    return left


def in_place(tree: Tree) -> list[str]:
    return sorted(path.name for path in (tree.root / "blobs" / "sha256").iterdir())


def names(*blobs: bytes) -> list[str]:
    return sorted(compute_digest(blob).partition(":")[2] for blob in blobs)


def take_over(tree: Tree) -> int:
    batch = Batch(tree)
    count = batch.take_over()
    batch.drop()
    return count


def test_what_a_killed_batch_took_is_taken_over(tree: Tree) -> None:
    left = killed(tree, *BLOBS)
    assert in_place(tree) == []
    assert take_over(tree) == 5
    assert in_place(tree) == names(*BLOBS)
    assert not left.exists()
    assert [Path(tree.store.path(compute_digest(blob))).read_bytes() for blob in BLOBS] == BLOBS


def test_the_next_batch_begins_with_what_was_left(tree: Tree) -> None:
    left = killed(tree, *BLOBS)
    with Batch(tree) as batch:
        assert in_place(tree) == names(*BLOBS)
        batch.put_blob(b"x")
    assert in_place(tree) == names(*BLOBS, b"x")
    assert not left.exists()


def test_what_was_not_written_to_its_end_is_not(tree: Tree) -> None:
    left = killed(tree, *BLOBS)
    files = sorted(left.iterdir())
    files[0].write_bytes(b"")
    files[1].write_bytes(files[1].read_bytes() + b"\0")
    assert take_over(tree) == 3
    assert in_place(tree) == [path.name.partition(".")[2] for path in files[2:]]
    assert not left.exists()


def test_a_signed_manifest_is_known_by_its_payload(tree: Tree) -> None:
    signed = signed_schema1([])
    batch = Batch(tree)
    digest = batch.put_manifest_content(signed, DOCKER_SCHEMA1_SIGNED)
    batch.drop()
    left = killed(tree, b"x")
    (left / digest.replace(":", ".")).write_bytes(signed)
    assert take_over(tree) == 2
    assert tree.store.read_manifest(digest, DOCKER_SCHEMA1_SIGNED) == signed


def test_what_somebody_is_still_at_stays_with_them(tree: Tree) -> None:
    with Batch(tree) as batch:
        batch.put_blob(b"x")
        assert take_over(tree) == 0
        assert list(collect_garbage(tree, abandoned=0)) == []
        assert in_place(tree) == []
    assert in_place(tree) == names(b"x")


def test_a_good_file_that_is_there_stays_and_a_damaged_one_is_replaced(tree: Tree) -> None:
    good, damaged = (Path(tree.store.path(tree.put_blob(blob))) for blob in BLOBS[:2])
    inode = good.stat().st_ino
    left = killed(tree, BLOBS[2])
    for blob in BLOBS[:2]:
        (left / compute_digest(blob).replace(":", ".")).write_bytes(blob)
    damaged.write_bytes(b"?")
    assert take_over(tree) == 2
    assert (good.stat().st_ino, damaged.read_bytes()) == (inode, BLOBS[1])


def test_what_is_not_of_an_intake_is_left_alone(tree: Tree, tmp_path: Path) -> None:
    left = killed(tree, BLOBS[0])
    (left / "notes.txt").write_bytes(b"mine")
    (left / compute_digest(BLOBS[1]).replace(":", ".")).symlink_to(left / "notes.txt")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / compute_digest(BLOBS[2]).replace(":", ".")).write_bytes(BLOBS[2])
    (left.parent / "batch.link").symlink_to(elsewhere)
    (left.parent / "batch.file").write_bytes(b"")
    assert take_over(tree) == 1
    assert in_place(tree) == names(BLOBS[0])
    assert sorted(path.name for path in left.iterdir()) == sorted(
        ["notes.txt", compute_digest(BLOBS[1]).replace(":", ".")]
    )
    assert len(list(elsewhere.iterdir())) == 1


def test_garbage_is_what_nobody_took_over_for_a_day(tree: Tree) -> None:
    left = killed(tree, *BLOBS)
    assert list(collect_garbage(tree)) == []
    os.utime(left, (0, 0))
    files = sorted(f"blobs/.uploads/batch.killed/{path.name}" for path in left.iterdir())
    assert [one.file for one in collect_garbage(tree, dry_run=True)] == files
    assert left.exists()
    os.utime(left, (0, 0))
    assert [one.file for one in collect_garbage(tree)] == files
    assert not left.exists()


def test_a_link_out_of_the_tree_is_refused(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "batch.1").mkdir(parents=True)
    (tmp_path / "elsewhere" / "batch.1" / compute_digest(b"y").replace(":", ".")).write_bytes(b"y")
    (tree.root / "blobs" / ".uploads").symlink_to(tmp_path / "elsewhere")
    batch = Batch(tree)
    with pytest.raises(TreeError, match="a link out of the tree"):
        batch.put_blob(b"x")
    assert batch.take_over() == 0
    batch.drop()


def test_a_directory_that_cannot_be_opened_ends_the_batch(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: Path) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(directory))

    monkeypatch.setattr("fake_registry.fixtures.intake._open", refuse)
    with pytest.raises(TreeError, match="Too many open files"):
        Batch(tree).put_blob(b"one")
