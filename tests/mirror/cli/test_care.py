"""``ismirror data`` where it changes something, or compares: verify with repairs, gc, rm, tag, stats, diff."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import ismirror, served_registry
from support.registry import HOST, image, index, put_image
from typer.testing import CliRunner

from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.cli.data import app
from mirror.errors import InputError

CHILDREN = [image(b'{"a":1}', [b"x"]), image(b'{"a":2}', [b"y"])]
MULTI = index(*CHILDREN)


def filled(path: Path) -> Tree:
    tree = Tree.open(path, create=True)
    put_image(tree, "app", "1", b'{"v":1}', [b"base", b"one"])
    put_image(tree, "app", "2", b'{"v":2}', [b"base", b"two"])
    for content in (b'{"a":1}', b'{"a":2}', b"x", b"y", *CHILDREN):
        tree.put_blob(content)
    tree.put_manifest(HOST, "multi", MULTI, OCI_INDEX, "latest")
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return filled(tmp_path / "tree")


def run(*arguments: str, expected: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expected, result.output
    return result.stdout


def blob(tree: Tree, content: bytes) -> Path:
    return tree.root / "blobs" / Path(*compute_digest(content).split(":"))


def files_of(tree: Tree) -> dict[Path, bytes]:
    return {path.relative_to(tree.root): path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}


def tags(tree: Tree, repository: str = "app", host: str = HOST) -> dict[str, str]:
    snapshot = Tree.open(tree.root).snapshot(host, repository)
    return {} if snapshot is None else {tag: one.digest for tag, one in snapshot.tags.items()}


def index_file(tree: Tree, repository: str = "app") -> Path:
    return tree.root / "registries" / HOST / repository / "index.json"


# verify --repair-from

DAMAGE: dict[str, Callable[[Tree], object]] = {
    "a layer is damaged": lambda tree: blob(tree, b"one").write_bytes(b"ONE"),
    "a layer is longer": lambda tree: blob(tree, b"one").write_bytes(b"one more"),
    "a config is missing": lambda tree: blob(tree, b'{"v":2}').unlink(),
    "a manifest is damaged": lambda tree: blob(tree, CHILDREN[0]).write_bytes(b"{}"),
    "an index is missing": lambda tree: blob(tree, MULTI).unlink(),
    "an index and what it leads to": lambda tree: [blob(tree, one).unlink() for one in (MULTI, CHILDREN[1], b"y")],
    "an index.json is no JSON": lambda tree: index_file(tree).write_text("{"),
    "an oci-layout is missing": lambda tree: index_file(tree).with_name("oci-layout").unlink(),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_tree_is_mended_from_another(tree: Tree, tmp_path: Path, name: str) -> None:
    good = filled(tmp_path / "good")
    before = files_of(tree)
    DAMAGE[name](tree)
    wrong = files_of(tree)
    assert run("verify", "--complete", "--data", str(tree.root), expected=1) != ""
    assert files_of(tree) == wrong
    out = run("verify", "--complete", "--data", str(tree.root), "--repair-from", str(good.root))
    assert out == ""
    assert files_of(tree) == before
    assert [str(one) for one in verify(Tree.open(tree.root), complete=True)] == []


def test_some_things_need_no_other_tree(tree: Tree) -> None:
    index_file(tree).with_name("oci-layout").unlink()
    assert run("verify", "--data", str(tree.root), "--repair") == ""
    assert [str(one) for one in verify(Tree.open(tree.root), complete=True)] == []


def test_what_no_tree_has_stays_wrong(tree: Tree, tmp_path: Path) -> None:
    good = filled(tmp_path / "good")
    for one in (tree, good):
        blob(one, b"one").write_bytes(b"ONE")
    blob(tree, b'{"v":2}').unlink()
    out = run("verify", "--data", str(tree.root), "--repair-from", str(good.root), "-o", "json", expected=1)
    assert {problem["digest"] for problem in json.loads(out)} == {compute_digest(b"one")}
    assert blob(tree, b'{"v":2}').read_bytes() == b'{"v":2}'


def test_a_tree_is_mended_from_where_it_was_copied(tree: Tree, tmp_path: Path) -> None:
    good = filled(tmp_path / "good")
    before = files_of(tree)
    for name in ("a layer is damaged", "a config is missing", "an index and what it leads to"):
        DAMAGE[name](tree)
    blob(good, b'{"v":2}').unlink()
    with served_registry(good.root) as registry:
        reach = ("--connect", registry.address, "--ca", str(registry.ca))
        verify_from = ("data", "verify", "--complete", "--data", str(tree.root), "--repair-from-registries", *reach)
        done = ismirror(*verify_from)
        assert done.exit_code == 1
        digest = compute_digest(b'{"v":2}')
        assert digest in done.stdout
        assert f"blobs/{digest}: 404 BLOB_UNKNOWN" in done.stderr
        good.put_blob(b'{"v":2}')
        done = ismirror(*verify_from)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"blobs/sha256/{digest.partition(':')[2]}: mended, from its registry" in done.stderr
    assert files_of(tree) == before


# gc, rm, tag


def test_gc_takes_what_nothing_leads_to(tree: Tree) -> None:
    tree.put_blob(b"stray")
    tree.delete_tag(HOST, "app", "2")
    tree.delete_manifest(HOST, "app", compute_digest(image(b'{"v":2}', [b"base", b"two"])))
    left = {path.name for path in (tree.root / "blobs" / "sha256").iterdir()}
    assert run("gc", "--data", str(tree.root)) == ""  # all of it is too young
    plan = json.loads(run("gc", "--data", str(tree.root), "--grace", "0", "--dry-run", "-o", "json"))
    assert {path.name for path in (tree.root / "blobs" / "sha256").iterdir()} == left
    done = json.loads(run("gc", "--data", str(tree.root), "--grace", "0", "-o", "json"))
    assert done == plan
    gone = [b"stray", b"two", b'{"v":2}', image(b'{"v":2}', [b"base", b"two"])]
    assert {item["file"]: item["size"] for item in done} == {
        f"blobs/sha256/{compute_digest(content).partition(':')[2]}": len(content) for content in gone
    }
    assert [str(one) for one in verify(Tree.open(tree.root), complete=True)] == []
    assert run("gc", "--data", str(tree.root), "--grace", "0") == ""


def test_gc_spares_what_is_younger_than_the_grace(tree: Tree) -> None:
    tree.put_blob(b"old")
    tree.put_blob(b"young")
    os.utime(blob(tree, b"old"), (0, 0))
    run("gc", "--data", str(tree.root), "--grace", "3600")
    assert not blob(tree, b"old").exists()
    assert blob(tree, b"young").exists()


def test_rm_takes_tags_and_then_the_image(tree: Tree) -> None:
    run("tag", f"{HOST}/app:1", "also", "--data", str(tree.root))
    digest = tags(tree)["1"]
    assert len(json.loads(run("rm", f"{HOST}/app:1", "--dry-run", "--data", str(tree.root), "-o", "json"))) == 1
    assert set(tags(tree)) == {"1", "2", "also"}
    removed = json.loads(run("rm", f"{HOST}/app:1", "--data", str(tree.root), "-o", "json"))
    assert removed == [{"what": "tag", "name": f"{HOST}/app:1", "digest": digest}]
    assert set(tags(tree)) == {"2", "also"}
    removed = json.loads(run("rm", f"{HOST}/app:also", "--data", str(tree.root), "-o", "json"))
    assert [one["what"] for one in removed] == ["tag", "manifest"]
    snapshot = Tree.open(tree.root).snapshot(HOST, "app")
    assert snapshot is not None
    assert snapshot.manifest(digest) is None
    assert blob(tree, b"one").exists()  # goes with the next collection


def test_rm_by_digest_takes_all_its_tags(tree: Tree) -> None:
    run("tag", f"{HOST}/app:1", "also", "--data", str(tree.root))
    run("rm", f"{HOST}/app@{tags(tree)['1']}", "--data", str(tree.root))
    assert set(tags(tree)) == {"2"}


def test_rm_of_a_repository(tree: Tree) -> None:
    put_image(tree, "app/below", "1")
    out = run("rm", f"{HOST}/app", "--repository", "--data", str(tree.root), "-o", "json")
    assert json.loads(out) == [{"what": "repository", "name": f"{HOST}/app", "digest": ""}]
    assert Tree.open(tree.root).repositories(HOST) == ["app/below", "multi"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("rm", f"{HOST}/app"), "name a tag or digest; --repository takes away all of it"),
        (("rm", f"{HOST}/app:1", "--repository"), "a repository has neither tag nor digest"),
        (("rm", f"{HOST}/app:1", f"{HOST}/app:none"), "no none in that repository; its tags are 1, 2"),
        (("rm", f"{HOST}/none:1"), f"no repository {HOST}/none in "),
        (("tag", f"{HOST}/none:1", "x"), f"no repository {HOST}/none in "),
        (("tag", f"{HOST}/app:1", f"{HOST}/b@{compute_digest(b'')}"), "expected a tag, or HOST/REPOSITORY:TAG"),
        (("tag", f"{HOST}/app:1", "a b"), "a b: "),
    ],
)
def test_what_cannot_be_taken_or_named_changes_nothing(tree: Tree, arguments: tuple[str, ...], problem: str) -> None:
    before = index_file(tree).read_bytes()
    with pytest.raises(InputError) as raised:
        run(*arguments, "--data", str(tree.root))
    assert problem in str(raised.value)
    assert index_file(tree).read_bytes() == before
    assert Tree.open(tree.root).repositories(HOST) == ["app", "multi"]


def test_tag_names_images_in_other_repositories(tree: Tree) -> None:
    out = run("tag", f"{HOST}/multi", "v1", "docker.io/copy", f"{HOST}/new:2", "--data", str(tree.root))
    assert out.splitlines() == [f"{HOST}/multi:v1", "docker.io/library/copy:latest", f"{HOST}/new:2"]
    for host, repository, name in (
        (HOST, "multi", "v1"),
        ("docker.io", "library/copy", "latest"),
        (HOST, "new", "2"),
    ):
        assert tags(tree, repository, host)[name] == compute_digest(MULTI)
    assert [str(one) for one in verify(Tree.open(tree.root), complete=True)] == []


# stats, diff


def test_stats_count_each_blob_once(tree: Tree) -> None:
    tree.put_blob(b"stray")
    blob(tree, b"two").unlink()
    found: dict[str, Any] = json.loads(run("stats", "--data", str(tree.root), "-o", "json"))
    manifests = [image(b'{"v":1}', [b"base", b"one"]), image(b'{"v":2}', [b"base", b"two"]), *CHILDREN, MULTI]
    here = [*manifests, b'{"v":1}', b'{"v":2}', b"base", b"one", b'{"a":1}', b'{"a":2}', b"x", b"y"]
    assert (found["repositories"], found["tags"], found["manifests"]) == (2, 3, 5)
    assert found["present"] == {"count": len(here), "bytes": sum(map(len, here))}
    assert found["absentLayers"] == {"count": 1, "bytes": len(b"two")}
    assert found["unnamed"] == {"count": 1, "bytes": len(b"stray")}
    (host,) = found["hosts"]
    assert (host["host"], host["repositories"], host["tags"]) == (HOST, 2, 3)


def test_diff_says_what_is_more_less_and_otherwise(tree: Tree, tmp_path: Path) -> None:
    other = filled(tmp_path / "other")
    trees = (str(tree.root), str(other.root))
    assert run("diff", *trees) == ""
    other.delete_tag(HOST, "app", "1")
    put_image(other, "app", "2", b'{"v":3}', [b"base"])
    put_image(other, "app", "3", b'{"v":3}', [b"base"])
    other.delete_repository(HOST, "multi")
    other.put_manifest(HOST, "new", CHILDREN[0], OCI_MANIFEST, "1")
    blob(other, b"base").unlink()
    found = json.loads(run("diff", *trees, "-o", "json", expected=1))
    assert {(one["what"], one["change"], one["name"].partition("@")[0]) for one in found} >= {
        ("tag", "removed", f"{HOST}/app:1"),
        ("tag", "changed", f"{HOST}/app:2"),
        ("tag", "added", f"{HOST}/app:3"),
        ("repository", "removed", f"{HOST}/multi"),
        ("repository", "added", f"{HOST}/new"),
        ("content", "removed", f"{HOST}/app"),
    }
    changed = next(one for one in found if one["change"] == "changed")
    old, new = image(b'{"v":2}', [b"base", b"two"]), image(b'{"v":3}', [b"base"])
    assert (changed["left"], changed["right"]) == (compute_digest(old), compute_digest(new))
    back = json.loads(run("diff", *reversed(trees), "-o", "json", expected=1))
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(one["what"], turned[one["change"]], one["name"]) for one in back} == {
        (one["what"], one["change"], one["name"]) for one in found
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("diff", "TREE", "no"), "no: no such directory; expected a fixture tree"),
        (("verify", "--repair-from", "no", "--data", "TREE"), "no: no such directory; expected a fixture tree"),
        (("gc", "--grace", "nan", "--data", "TREE"), "--grace: nan is no number of seconds"),
    ],
)
def test_what_cannot_be_meant(tree: Tree, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        run(*(str(tree.root) if one == "TREE" else one for one in arguments))
