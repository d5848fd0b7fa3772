"""``ismirror data prune``: which images stay, and what goes with those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.registry import HOST, describe, image, index, put_image
from typer.testing import CliRunner

from fake_registry.fixtures import Tree, collect_garbage, verify
from fake_registry.oci import DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.cli.data import app
from mirror.errors import InputError

NOW = "2026-01-31T00:00:00Z"


def made(day: int, month: int = 1) -> bytes:
    return json.dumps({"created": f"2026-{month:02}-{day:02}T00:00:00Z"}).encode()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An image for each of the first five days of the year, some with more than one tag, and others."""
    tree = Tree.open(tmp_path / "tree")
    for day in range(1, 6):
        put_image(tree, "team/app", f"1.{day}", made(day))
    put_image(tree, "team/app", "stable", made(2))
    put_image(tree, "team/app", "latest", made(5))
    put_image(tree, "team/app", "dateless", b"{}")
    put_image(tree, "team/deep/app", "1.1", made(1))
    put_image(tree, "other", "1.1", made(1))
    return tree


def run(tree: Tree, *arguments: str) -> Any:
    found = CliRunner().invoke(app, ["prune", "--data", str(tree.root), "--now", NOW, "-o", "json", *arguments])
    if found.exception is not None:
        raise found.exception
    return json.loads(found.stdout)


def names(removed: list[dict[str, str]]) -> list[str]:
    return [one["name"].removeprefix(f"{HOST}/team/app:") for one in removed if one["what"] == "tag"]


def tags(tree: Tree, repository: str = "team/app") -> list[str]:
    snapshot = Tree.open(tree.root).snapshot(HOST, repository)
    return [] if snapshot is None else snapshot.tag_names


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--newest", "2"], ["1.1", "1.2", "stable", "1.3"]),
        (["--newest", "9"], []),
        (["--newest", "0"], ["1.1", "1.2", "stable", "1.3", "1.4", "1.5", "latest"]),
        (["--within", "28d"], ["1.1", "1.2", "stable"]),
        (["--within", "672h"], ["1.1", "1.2", "stable"]),
        (["--within", "5w"], []),
        (["--tags", "s*"], ["1.1", "1.3", "1.4", "1.5", "latest"]),
        (["--tags", "s*", "--tags", "1.1", "--newest", "1"], ["1.3", "1.4"]),
        (["--tags", "none", "--within", "27d"], ["1.1", "1.2", "stable", "1.3"]),
    ],
)
def test_what_goes(tree: Tree, options: list[str], gone: list[str]) -> None:
    before = tags(tree)
    assert sorted(names(run(tree, f"{HOST}/team/app", *options, "--dry-run"))) == sorted(gone)
    assert tags(tree) == before
    removed = run(tree, f"{HOST}/team/app", *options)
    assert tags(tree) == [tag for tag in before if tag not in gone]
    assert len({one["digest"] for one in removed}) == sum(one["what"] == "manifest" for one in removed)
    assert run(tree, f"{HOST}/team/app", *options) == []
    list(collect_garbage(tree, grace=0))
    assert list(verify(tree)) == []


def test_repositories(tree: Tree, tmp_path: Path) -> None:
    """Patterns; and rules in a file, of which the first one that fits a repository counts."""
    everywhere = run(tree, "*", "--tags", "x", "--dry-run")
    assert f"{HOST}/other:1.1" in [one["name"] for one in everywhere]
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "retention:\n"
        f'- {{repositories: "{HOST}/team/deep/*", newest: 1}}\n'
        f'- {{repositories: "{HOST}/team/*", newest: 1, tags: [stable]}}\n'
    )
    run(tree, "--rules", str(rules))
    assert tags(tree) == ["1.2", "1.5", "dateless", "latest", "stable"]
    assert tags(tree, "team/deep/app") == tags(tree, "other") == ["1.1"]


def test_indexes_and_what_refers_to_images(tmp_path: Path) -> None:
    """An index is as old as its youngest image; its images stay with it; signatures go with what they sign."""
    tree = Tree.open(tmp_path)
    children = []
    for day in (1, 2, 10):
        manifest = image(made(day), [b"layer"])
        for content in (made(day), b"layer", manifest):
            tree.put_blob(content)
        children.append(manifest)
    old, young, newest = children
    tree.put_manifest(HOST, "app", index(old, newest), OCI_INDEX, "multi")
    tree.put_manifest(HOST, "app", old, OCI_MANIFEST, "old")
    tree.put_manifest(HOST, "app", young, OCI_MANIFEST, "young")
    signature = image(b"{}", [b"signed"], subject=describe(young, OCI_MANIFEST))
    again = image(b"{}", [b"again"], subject=describe(signature, OCI_MANIFEST))
    for content in (b"{}", b"signed", b"again"):
        tree.put_blob(content)
    for manifest in (signature, again):
        tree.put_manifest(HOST, "app", manifest, OCI_MANIFEST)
    for one in (old, young):
        tree.put_manifest(HOST, "app", again, OCI_MANIFEST, compute_digest(one).replace(":", "-") + ".sig")
    tree.put_manifest(
        HOST,
        "app",
        b'{"schemaVersion":1,"name":"app","tag":"one","fsLayers":[],"history":[{"v1Compatibility":'
        b'"{\\"created\\":\\"2025-01-01T00:00:00Z\\"}"}]}',
        DOCKER_SCHEMA1,
        "one",
    )
    removed = run(tree, f"{HOST}/app", "--newest", "1")
    short = [one["name"].removeprefix(f"{HOST}/app") for one in removed if one["what"] == "tag"]
    assert short == [":old", ":one", ":young", f":{compute_digest(young).replace(':', '-')}.sig"]
    gone = {one["digest"] for one in removed if one["what"] == "manifest"}
    assert {compute_digest(young), compute_digest(signature)} < gone
    assert compute_digest(old) not in gone
    assert tags(tree, "app") == ["multi", f"{compute_digest(old).replace(':', '-')}.sig"]
    list(collect_garbage(tree, grace=0))
    assert list(verify(tree)) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "name repositories, such as 'quay.io/team/*', or a file with --rules; not both"),
        (["a", "--rules", "x"], "name repositories, such as 'quay.io/team/*', or a file with --rules; not both"),
        (
            ["a"],
            "--newest, --within, --tags: expected at least one of newest, within, tags: otherwise nothing would stay",
        ),
        (["a", "--within", "a while"], "--newest, --within, --tags: 'a while' is no age such as 12h, 30d or 8w"),
        (
            ["--rules", "x", "--newest", "1"],
            "--rules: the file says what stays; leave --newest, --within and --tags out",
        ),
    ],
)
def test_what_cannot_be(tree: Tree, arguments: list[str], problem: str) -> None:
    with pytest.raises(InputError) as raised:
        run(tree, *arguments)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retention: [{newest: 1}]", "retention[0]: Object missing required field `repositories`"),
        ("retention:\n- {repositories: a}", "retention[0]: Expected at least one of `newest`, `within`, `tags`"),
        ("retention:\n- {repositories: a, newest: -1}", "retention[0].newest: Expected `int` >= 0"),
        ("retention:\n- {repositories: a, within: 3y}", "retention[0]: '3y' is no age such as 12h, 30d or 8w"),
    ],
)
def test_files_that_cannot_be(tree: Tree, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(InputError) as raised:
        run(tree, "--rules", str(tmp_path / "rules.yaml"))
    assert str(raised.value).startswith(f"{tmp_path / 'rules.yaml'}: {problem}")
