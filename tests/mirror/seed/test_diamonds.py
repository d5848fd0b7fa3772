"""Indexes that lead to the same manifest in very many ways: whoever follows them passes each manifest once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.bundles import create
from support.registry import HOST, describe, image
from support.seeding import upstream

from fake_registry.config import Host
from fake_registry.control import pages
from fake_registry.fixtures import BlobStore, Tree, collect_garbage, verify
from fake_registry.oci import DOCKER_LIST, OCI_INDEX, Index, compute_digest, manifest_links
from mirror.seed.archives.closure import closure_of, converted
from mirror.seed.comparing import reached
from mirror.seed.listing import describe as described
from mirror.seed.retention import Retention, prune
from mirror.seed.selection import selected
from mirror.seed.statistics import statistics_of
from mirror.seed.tree_content import TreeContent

REPEATS = 50
LEVELS = 8
MANIFESTS = 1 + 3 * LEVELS
STEPS = 100 * MANIFESTS
"""Far more than what one pass takes, and far less than the (3 * 50)^8 ways through it."""

TARGET = "mirror.example.com"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An image of eight levels: three indexes each, which all name the three of the next one fifty times."""
    tree = Tree.open(tmp_path / "origin", create=True)
    layer = b"layer"
    tree.put_blob(layer)
    configs = [msgspec.json.encode({"created": f"2026-01-0{day}T00:00:00Z"}) for day in (1, 3, 2)]
    for config in configs:
        tree.put_blob(config)
    below = [(image(config, [layer]), "application/vnd.oci.image.manifest.v1+json") for config in configs]
    for level in range(LEVELS):
        for data, _ in below:
            tree.put_blob(data)
        named = [describe(*one) for one in below] * REPEATS
        below = [
            (
                msgspec.json.encode(
                    Index(schema_version=2, media_type=OCI_INDEX, manifests=named, annotations={"which": f"{which}"})
                ),
                OCI_INDEX,
            )
            for which in range(1 if level == LEVELS - 1 else 3)
        ]
    tree.put_manifest(HOST, "app", below[0][0], OCI_INDEX, "1")
    return tree


class Steps:
    """Counts steps, and ends what takes too many."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count > STEPS:
                pytest.fail(f"more than {STEPS} steps for {MANIFESTS} manifests")
            return function(*arguments, **options)

        return step


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Counts the manifests that are read."""
    steps = Steps()
    for owner, name in ((BlobStore, "read_manifest"), (BlobStore, "links"), (TreeContent, "manifest")):
        monkeypatch.setattr(owner, name, steps.counted(getattr(owner, name)))
    return steps


def pruned(tree: Tree) -> None:
    when = datetime(2026, 1, 4, tzinfo=UTC)
    assert prune(tree, [Retention(repositories="*", within="30h")], when) == []
    gone = prune(tree, [Retention(repositories="*", within="20h")], when)
    assert f"{HOST}/app:1" in [one.name for one in gone]


def exported(tree: Tree) -> None:
    closure = closure_of(selected(tree, f"{HOST}/app:1"))
    assert len(closure.manifests) == len({one.descriptor.digest for one in closure.manifests}) == MANIFESTS
    assert converted(closure) == closure


def brought_as_a_bundle(tree: Tree) -> None:
    assert create(tree.root, tree.root.parent / "bundle")


def reached_by_a_repository(tree: Tree) -> None:
    snapshot = tree.snapshot(HOST, "app")
    assert snapshot is not None
    assert len(reached(snapshot)) == MANIFESTS + 4


WALKERS: dict[str, Callable[[Tree], object]] = {
    "retention": pruned,
    "closure": exported,
    "bundle": brought_as_a_bundle,
    "verification": lambda tree: list(verify(tree)),
    "garbage": lambda tree: list(collect_garbage(tree)),
    "comparing": reached_by_a_repository,
    "listing": lambda tree: described(tree, f"{HOST}/app:1"),
    "statistics": statistics_of,
    "page": lambda tree: pages.host_page(tree.root, HOST),
}


@pytest.mark.parametrize("walker", WALKERS)
def test_in_a_tree(walker: str, tree: Tree, steps: Steps) -> None:
    WALKERS[walker](tree)
    assert 0 < steps.count <= STEPS


@pytest.mark.parametrize("options", [{}, {"referrers": "all"}, {"dry_run": True}, {"metadata_only": True}], ids=str)
async def test_copied(options: dict[str, Any], tree: Tree, tmp_path: Path) -> None:
    async with upstream(tree) as registry:
        for status in ("copied", "unchanged") if not options.get("dry_run") else ("planned", "planned"):
            before = len(registry.journal)
            summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1", **options)
            assert [one.status for one in summary.images] == [status]
            asked = Counter((one.kind, one.method, one.target) for one in registry.journal[before:])
            assert set(asked.values()) == {1}
            assert len(asked) <= 3 * MANIFESTS
    if not options.get("dry_run"):
        assert list(verify(Tree.open(tmp_path / "target"))) == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_pushed(dry_run: bool, tree: Tree, tmp_path: Path) -> None:
    there = Tree.open(tmp_path / "there", create=True)
    async with upstream(there, hosts={TARGET: Host()}) as registry:
        summary = await registry.push(tree, TARGET, dry_run=dry_run)
        (result,) = summary.images
        assert (result.status, result.missing) == ("planned" if dry_run else "pushed", [])
        assert result.blobs == MANIFESTS + 4
        manifests = [one for one in registry.journal if one.kind == "manifest"]
        asked = Counter((one.method, one.target.partition("?")[0]) for one in manifests)
        assert max(asked.values()) == 1


def test_what_is_named_on_two_levels_is_converted_before_both(tmp_path: Path) -> None:
    """The index beside it names a list, too, which gets another digest."""
    tree = Tree.open(tmp_path / "tree", create=True)
    config, layer = b"{}", b"layer"
    leaf = image(config, [layer])
    inner = msgspec.json.encode({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [_entry(leaf)]})
    beside = _index(_entry(inner, DOCKER_LIST))
    root = _index(_entry(inner, DOCKER_LIST), _entry(beside, OCI_INDEX))
    for data in (config, layer, leaf, inner, beside):
        tree.put_blob(data)
    tree.put_manifest(HOST, "app", root, OCI_INDEX, "1")
    found = converted(closure_of(selected(tree, f"{HOST}/app:1")))
    there = {one.descriptor.digest for one in found.manifests}
    assert len(there) == 4
    assert all(compute_digest(one.data) == one.descriptor.digest for one in found.manifests)
    assert {child.digest for one in found.manifests for child in manifest_links(one.data).manifests()} <= there


def _index(*entries: dict[str, object]) -> bytes:
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})


def _entry(data: bytes, media_type: str = "application/vnd.oci.image.manifest.v1+json") -> dict[str, object]:
    return {"mediaType": media_type, "digest": compute_digest(data), "size": len(data)}
