"""Indexes that are merged a part at a time, held against the ones that are read and written whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.registry import HOST, image

from fake_registry.errors import TreeError
from fake_registry.fixtures import Batch, Tree, index_stream, naming
from fake_registry.fixtures.index_stream import IndexStream, OtherForm, fold_index
from fake_registry.fixtures.layout import IndexFile, json_text
from fake_registry.fixtures.naming import Naming, name_manifests
from fake_registry.oci import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, TAG_ANNOTATION, Descriptor, compute_digest

DIGESTS = [compute_digest(b"%d" % number) for number in range(6)]
TAGS = ["a", "b", "B", "c.1", "d", "latest", "é"]

digests = st.sampled_from(DIGESTS)
tags = st.sampled_from(TAGS)
types = st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST])
namings = st.lists(
    st.builds(
        Naming,
        st.builds(Descriptor, media_type=types, digest=digests, size=st.integers(0, 9)),
        st.lists(tags, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=8,
)
entries = st.fixed_dictionaries(
    {"digest": digests, "mediaType": types, "size": st.integers(0, 9)},
    optional={
        "annotations": st.fixed_dictionaries({}, optional={TAG_ANNOTATION: tags, "org.example": st.just("kept")}),
        "platform": st.just({"os": "linux", "architecture": "amd64"}),
        "other": st.just([{"x": ["\n  ]", "\n    },\n"]}, []]),
    },
)
frames = st.sampled_from(
    [
        {"mediaType": OCI_INDEX, "schemaVersion": 2},
        {"annotations": {"manifests": "none"}, "mediaType": OCI_INDEX, "schemaVersion": 2, "x": {"manifests": [1]}},
        {"schemaVersion": 2},
    ]
)


def text_of(entries: list[dict[str, Any]], frame: dict[str, Any]) -> bytes:
    """An index as trees have it, whatever is in it; entries in their order."""
    index = IndexFile(json_text(frame | {"manifests": []}), "index.json")
    for entry in entries:
        index.put_entry(entry)
    return index.text()


def whole(old: bytes | None, wanted: list[Naming]) -> bytes:
    index = IndexFile(old, "index.json")
    for descriptor, names in wanted:
        index.put_all(descriptor, names)
    return index.text() if index.changed else old or b""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree.open(tmp_path_factory.mktemp("naming") / "tree", create=True)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an index of a few entries has several parts."""
    monkeypatch.setattr(index_stream, "_PIECE", 300)
    monkeypatch.setattr(naming, "_AT_ONCE", 2)


def merged(tree: Tree, old: bytes | None, wanted: list[Naming]) -> bytes:
    """What becomes of an index in the tree, however it is read."""
    path = directory_of(tree) / "index.json"
    path.unlink(missing_ok=True)
    if old is not None:
        path.write_bytes(old)
    name_manifests(tree.store, path.parent, wanted)
    return path.read_bytes()


def directory_of(tree: Tree) -> Path:
    return tree.make_repository(HOST, "app")


@given(old=st.lists(entries, max_size=12), frame=frames, wanted=namings)
def test_a_merge_is_what_a_whole_index_would_be(
    tree: Tree, old: list[dict[str, Any]], frame: dict[str, Any], wanted: list[Naming]
) -> None:
    text = text_of(old, frame)
    assert merged(tree, text, wanted) == whole(text, wanted)


@given(wanted=namings)
def test_a_first_index_is_what_a_whole_one_would_be(tree: Tree, wanted: list[Naming]) -> None:
    assert merged(tree, None, wanted) == whole(None, wanted)


@given(old=st.lists(entries, max_size=8), wanted=namings, indent=st.sampled_from([None, 1, 2, 4]), data=st.data())
def test_an_index_in_any_form_is_read_whole(
    tree: Tree, old: list[dict[str, Any]], wanted: list[Naming], indent: int | None, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(old))
    text = json.dumps({"schemaVersion": 2, "manifests": shuffled, "mediaType": OCI_INDEX}, indent=indent).encode()
    assert merged(tree, text, wanted) == whole(text, wanted)


@given(old=st.lists(entries, max_size=12), frame=frames)
def test_a_fold_sees_each_entry_once_in_order(tree: Tree, old: list[dict[str, Any]], frame: dict[str, Any]) -> None:
    text = text_of(old, frame)
    (directory_of(tree) / "index.json").write_bytes(text)
    found = fold_index(str(directory_of(tree)), str(tree.root), lambda found: [(one.tag, one.digest) for one in found])
    assert found == [
        (one.get("annotations", {}).get(TAG_ANNOTATION), one["digest"]) for one in json.loads(text)["manifests"]
    ]


def many(count: int) -> list[Naming]:
    return [
        Naming(Descriptor(media_type=OCI_MANIFEST, digest=compute_digest(b"%d" % number), size=1), (f"v{number:05}",))
        for number in range(count)
    ]


def test_what_is_new_is_merged_without_reading_the_old_index_whole(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    old = whole(None, many(200)[::2])
    expected = whole(old, many(200))
    held: list[int] = []

    def holding(data: bytes, name: str) -> IndexFile:
        held.append(len(data))
        return IndexFile(data, name)

    monkeypatch.setattr(naming, "IndexFile", holding)
    monkeypatch.setattr(naming, "edit_repository", lambda *given: pytest.fail("read whole"))
    assert merged(tree, old, many(200)[1::2]) == expected
    assert sum(held) < 100


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b'{\n  "manifests": [\n    {\n      "digest": "sha256:1"\n    }\n  ]\n}\n',
        b'{\n  "manifests": [\n    {\n      "digest": 1\n    },\n    {\n    }\n  ]\n}\n',
        b'{\n  "manifests": [\n' + b" " * 5000,
        b'{\n  "manifests": [\n  ]\n}\n}',
    ],
)
def test_a_broken_index_is_said_to_be_broken(tree: Tree, broken: bytes) -> None:
    for call in (
        lambda: merged(tree, broken, many(1)),
        lambda: fold_index(str(directory_of(tree)), str(tree.root), list),
    ):
        with pytest.raises(TreeError, match=r"index\.json: "):
            call()
    assert (directory_of(tree) / "index.json").read_bytes() == broken
    assert [path.name for path in directory_of(tree).iterdir() if path.name.endswith(".tmp")] == []


def test_an_index_that_would_be_too_large_is_not_written(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    old = whole(None, many(3))
    monkeypatch.setattr("fake_registry.fixtures.writing.MAX_INDEX", len(whole(None, many(4))) - 1)
    with pytest.raises(TreeError, match=r"index\.json: would have \d+ bytes"):
        merged(tree, old, many(4))
    assert (directory_of(tree) / "index.json").read_bytes() == old


def test_what_a_repository_remembers_is_changed_by_what_manifests_name(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    blobs = [tree.put_blob(data) for data in (b"{}", b"layer", b"other")]
    for digest in blobs:
        tree.remember_blob(HOST, "app", digest)
    with Batch(tree) as batch:
        batch.put_manifest(HOST, "app", image(b"{}", [b"layer"]), OCI_MANIFEST, "v1")
    snapshot = tree.snapshot(HOST, "app")
    assert snapshot is not None
    assert snapshot.memory.uploaded == {blobs[2]}
    assert snapshot.tag_names == ["v1"]


def test_an_index_that_somebody_else_writes_to_meanwhile_is_read_again(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = whole(None, many(3)), whole(None, many(5))
    path = directory_of(tree) / "index.json"
    parts = IndexStream.parts
    calls = iter([True])

    def changing(stream: IndexStream) -> Iterator[index_stream.Part]:
        yield from parts(stream)
        if next(calls, False):
            path.write_bytes(other)

    monkeypatch.setattr(IndexStream, "parts", changing)
    assert merged(tree, old, many(1) + many(7)[6:]) == whole(other, many(1) + many(7)[6:])


def test_only_the_form_of_trees_is_read_a_part_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_bytes(json.dumps({"manifests": [{"digest": DIGESTS[0], "size": 1}]}, indent=4).encode())
    with path.open("rb") as file, suppress(OtherForm):
        list(IndexStream(file).parts())
        pytest.fail("taken for the form of trees")
