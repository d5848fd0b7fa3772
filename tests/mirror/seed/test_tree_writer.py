"""Writing to a tree while images come: what is taken is there at once, and an index is not written for each of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.registry import HOST, image

from fake_registry.fixtures import Batch, Tree
from fake_registry.oci import OCI_MANIFEST, compute_digest
from mirror.seed import tree_writer
from mirror.seed.tree_writer import TreeWriter


async def test_an_index_rests_for_twenty_times_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, changes = [1000.0], []
    commit = Batch.commit

    def slow(batch: Batch) -> None:
        commit(batch)
        now[0] += 1.0
        changes.append(now[0])

    monkeypatch.setattr(Batch, "commit", slow)
    monkeypatch.setattr(tree_writer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    tree = Tree.open(tmp_path / "tree", create=True)
    writer = TreeWriter(tree)
    for number in range(50):
        now[0] += 3.0
        data = image(b'{"number":%d}' % number, [])
        digest = compute_digest(data)
        await writer.manifest(HOST, "app", data, OCI_MANIFEST, f"v{number}", digest)
        # its content is in its place after these three seconds, whether or not the repository names it yet
        assert writer.pending(digest) is None
        assert tree.store.find(digest) is not None
    await writer.close()
    rests = [after - before for before, after in pairwise(changes[:-1])]
    assert len(rests) >= 5
    assert all(21.0 <= rest <= 21.0 + 3.0 for rest in rests)
    snapshot = tree.snapshot(HOST, "app")
    assert snapshot is not None
    assert len(snapshot.tags) == 50


async def test_what_is_taken_counts_as_there_until_it_is(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    writer = TreeWriter(tree)
    digest = compute_digest(b"layer")
    await writer.blob(b"layer", digest)
    writer.size(compute_digest(b"other"), 7)
    assert (writer.holds(digest), writer.knows_size(compute_digest(b"other"))) == (True, True)
    assert tree.store.find(digest) is None
    await writer.close()
    assert (writer.holds(digest), writer.knows_size(compute_digest(b"other"))) == (False, False)
    assert tree.store.find(digest) is not None
    assert tree.store.sizes() == {compute_digest(b"other"): 7}
