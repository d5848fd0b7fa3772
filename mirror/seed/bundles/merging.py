"""What a bundle says of a repository, brought together with what the tree has of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.fixtures.disk import inside, read_file
from fake_registry.fixtures.layout import (
    INDEX,
    MAX_INDEX,
    IndexFile,
    Memory,
    parse_index,
    parse_memory,
)
from fake_registry.fixtures.writing import Change, edit_repository, read_memory
from fake_registry.oci import TAG_ANNOTATION
from mirror.errors import InputError
from mirror.seed.bundles.records import Removal, index_path
from mirror.seed.comparing import reached


class Carried(msgspec.Struct, kw_only=True):
    """A repository in a bundle: its ``index.json`` (None: it is gone), its hidden file, and what is gone from it."""

    host: str
    name: str
    index: bytes | None = None
    memory: bytes | None = None
    removals: list[Removal] = msgspec.field(default_factory=list)


class Effect(msgspec.Struct, kw_only=True, frozen=True):
    """What becomes of a repository: tags that are new or name something else, and tags that go."""

    repository: str
    tags_set: list[str]
    tags_removed: list[str]
    gone: bool = False


def change_of(tree: Tree, carried: Carried) -> Change:
    """The change that brings a repository to what a bundle says.

    Entries of the bundle win over those with the same tags; what the bundle does not speak of stays.
    """

    def change(index: IndexFile, memory: Memory) -> Memory:
        if carried.index is not None:
            _put(index, carried.index)
        _remove(index, carried.removals)
        if carried.index is not None and _same(index.entries(), _entries(carried.index)):
            index.become(carried.index)
        return _merged(tree, carried, index, memory)

    return change


def effect_of(tree: Tree, carried: Carried, *, dry: bool = False) -> Effect:
    """What a repository would become, and whether it can. Nothing is written.

    `dry` says that the content is not in the tree yet.

    Raises:
        TreeError: what the tree has is broken, or would become too large.
        InputError: the bundle names a manifest that neither it nor the tree has.
    """
    index, memory = _present(tree, carried.host, carried.name)
    before = _tags(index.entries())
    change_of(tree, carried)(index, memory)
    path = index_path(carried.host, carried.name)
    if len(index.text()) > MAX_INDEX:
        raise TreeError(f"{path}: would have more than {MAX_INDEX} bytes; expected at most that many")
    for entry in () if dry or carried.index is None else _entries(carried.index):
        if tree.store.find(entry["digest"]) is None:
            raise InputError(f"{path}: manifest {entry['digest']} is neither in the bundle nor in the tree")
    after = _tags(index.entries())
    return Effect(
        repository=f"{carried.host}/{carried.name}",
        tags_set=sorted(tag for tag, digest in after.items() if before.get(tag) != digest),
        tags_removed=sorted(before.keys() - after.keys()),
        gone=_is_gone(carried, index) and index.original is not None,
    )


def switch_repository(tree: Tree, carried: Carried) -> None:
    """Changes a repository as a bundle says, all of it or nothing (raises `TreeError`)."""
    if carried.index is None:
        if tree.repository(carried.host, carried.name) is None:
            return
        empty = False
        change = change_of(tree, carried)

        def emptied(index: IndexFile, memory: Memory) -> Memory:
            nonlocal empty
            memory = change(index, memory)
            empty = _is_gone(carried, index)
            return memory

        edit_repository(tree.store, tree.make_repository(carried.host, carried.name), emptied)
        if empty:
            tree.delete_repository(carried.host, carried.name)
        return
    edit_repository(tree.store, tree.make_repository(carried.host, carried.name), change_of(tree, carried))


def _is_gone(carried: Carried, index: IndexFile) -> bool:
    """Whether a repository that the bundle no longer has holds nothing else."""
    whole = any(not one.tag and not one.manifest for one in carried.removals)
    return carried.index is None and whole and not index.entries()


def _present(tree: Tree, host: str, name: str) -> tuple[IndexFile, Memory]:
    directory = tree.repository_directory(host, name)
    path = f"{directory}/{INDEX}"
    content = read_file(path, str(tree.root), MAX_INDEX)
    index = IndexFile(None if content is None else content[0], inside(path, tree.root))
    return index, read_memory(tree.store, tree.root / inside(directory, tree.root))


def _put(index: IndexFile, data: bytes) -> None:
    if index.original is None:
        index.become(data)
        return
    seen: set[str] = set()
    for entry in _entries(data):
        tag = _tag(entry)
        if tag is None or tag not in seen:  # the first entry of a tag counts
            index.put_entry(entry)
        if tag is not None:
            seen.add(tag)


def _remove(index: IndexFile, removals: Iterable[Removal]) -> None:
    """Takes tags away, then manifests that nothing else names."""
    gone = list(removals)
    for one in gone:
        if one.tag:
            index.remove_tag(one.tag)
    if not gone:
        return
    tagged = {entry["digest"] for entry in index.entries() if _tag(entry) is not None}
    for one in gone:
        if one.manifest and one.manifest not in tagged:
            index.remove(one.manifest)


def _merged(tree: Tree, carried: Carried, index: IndexFile, memory: Memory) -> Memory:
    """What is remembered from then on. What the bundle's repository hides is hidden, for naming content is no way to
    get at it; what it serves is not."""
    path = index_path(carried.host, carried.name)
    theirs = Memory() if carried.memory is None else parse_memory(carried.memory, path)
    if theirs == memory == Memory():
        return memory
    if carried.index is not None and memory != Memory():
        served = reached(tree.fresh(carried.host, carried.name, IndexFile(carried.index, path), theirs))
        memory = Memory(
            uploaded=memory.uploaded - served,
            deleted=memory.deleted - served,
            absent_blobs=memory.absent_blobs - served,
            absent_manifests=memory.absent_manifests - served,
        )
    return tree.fresh(carried.host, carried.name, index, memory.union(theirs)).settled_memory()


def _entries(data: bytes) -> list[dict[str, Any]]:
    parse_index(data, INDEX)
    entries: list[dict[str, Any]] = msgspec.json.decode(data).get("manifests") or []
    return entries


def _same(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> bool:
    return len(left) == len(right) and sorted(map(_encoded, left)) == sorted(map(_encoded, right))


def _encoded(entry: dict[str, Any]) -> bytes:
    return msgspec.json.encode(entry, order="sorted")


def _tags(entries: Iterable[dict[str, Any]]) -> dict[str, str]:
    return dict(_tagged(entries))


def _tagged(entries: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        tag = _tag(entry)
        if tag is not None:
            yield tag, entry["digest"]


def _tag(entry: dict[str, Any]) -> str | None:
    tag = (entry.get("annotations") or {}).get(TAG_ANNOTATION)
    return tag if isinstance(tag, str) else None
