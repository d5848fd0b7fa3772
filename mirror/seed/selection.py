"""Which images of a tree are meant: by tag, by digest, or all of a repository."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fake_registry.errors import ContentError
from fake_registry.fixtures import Snapshot, Tree, canonical_host
from fake_registry.oci import Descriptor
from mirror.errors import InputError
from mirror.reference import InvalidReference, Reference


class Selected(NamedTuple):
    """A manifest of a repository, under the tag by which it was meant, or without one."""

    snapshot: Snapshot
    host: str
    repository: str
    tag: str
    descriptor: Descriptor

    def __str__(self) -> str:
        name = f"{self.host}/{self.repository}"
        return f"{name}:{self.tag}" if self.tag else f"{name}@{self.descriptor.digest}"


def existing_tree(path: str) -> Tree:
    """A tree that others are compared with or mended from: where there is none, the name is wrong.

    Raises:
        InputError: there is no such directory.
        TreeError: it is no tree.
    """
    tree = Tree.open(path)
    if not tree.root.is_dir():
        raise InputError(f"{path}: no such directory; expected a fixture tree")
    return tree


def parsed(pull_spec: str) -> Reference:
    """A pull spec with Docker's defaults filled in, but for the tag.

    Raises:
        InputError: it is none.
    """
    try:
        reference = Reference.parse(pull_spec)
    except InvalidReference as error:
        raise InputError(f"{pull_spec}: {error}") from None
    if not reference.name:
        raise InputError(f"{pull_spec}: names a registry, but no repository")
    filled = reference.docker_client_defaults().replace(tag=reference.tag)
    return filled.replace(registry=canonical_host(filled.registry))


def selected(tree: Tree, pull_spec: str) -> Selected:
    """One image of a tree; without tag and digest the one that is tagged ``latest``.

    Raises:
        InputError: not a pull spec, or the tree has nothing under it.
        TreeError: an ``index.json`` is broken.
    """
    reference = parsed(pull_spec)
    snapshot = repository_of(tree, reference.registry, reference.repository_name())
    wanted = reference.id or reference.tag or "latest"
    descriptor = snapshot.resolve(wanted)
    if descriptor is None:
        raise InputError(f"{pull_spec}: no {wanted} in that repository; its tags are {words(snapshot.tag_names)}")
    tag = "" if reference.id else wanted
    return Selected(snapshot, reference.registry, reference.repository_name(), tag, descriptor)


def all_of(tree: Tree, name: str, tags: Iterable[str] = ()) -> Iterator[Selected]:
    """All images of a repository that have a tag; with `tags` (shell patterns) those whose tag matches one.

    Raises:
        InputError: the tree has no such repository, or nothing matches.
        TreeError: its ``index.json`` is broken.
    """
    reference = parsed(name)
    if reference.tag or reference.id:
        raise InputError(f"{name}: expected a repository, without tag and digest")
    host, repository = reference.registry, reference.repository_name()
    snapshot = repository_of(tree, host, repository)
    patterns = list(tags)
    found = [
        tag
        for tag in snapshot.tag_names
        if not patterns or any(fnmatch.fnmatchcase(tag, pattern) for pattern in patterns)
    ]
    if not found:
        raise InputError(f"{name}: no tag matches; there are {words(snapshot.tag_names)}")
    for tag in found:
        yield Selected(snapshot, host, repository, tag, snapshot.tags[tag])


def repository_of(tree: Tree, host: str, repository: str) -> Snapshot:
    """The state of a repository.

    Raises:
        InputError: the tree has none with this name.
        TreeError: its ``index.json`` is broken.
    """
    snapshot = tree.snapshot(canonical_host(host), repository)
    if snapshot is None:
        raise InputError(f"no repository {host}/{repository} in {tree.root}; ismirror data ls shows those there are")
    return snapshot


def manifest_of(snapshot: Snapshot, descriptor: Descriptor, name: str) -> bytes:
    """The bytes of a manifest that has to be there.

    Raises:
        InputError: it is not, or is damaged.
        TreeError: it cannot be read.
    """
    try:
        data = snapshot.read_manifest(descriptor)
    except ContentError as error:
        raise InputError(f"{name}: {error}; ismirror data verify says more") from None
    if data is None:
        raise InputError(f"{name}: {descriptor.digest} is not in the tree; ismirror data verify says more")
    return data


def platform_name(entry: Descriptor) -> str:
    """``os/architecture[/variant]`` of a child of an index, or nothing."""
    return "" if entry.platform is None else str(entry.platform)


def words(names: list[str]) -> str:
    """Some names as a text, the first ten of many."""
    shown = [*names[:10], f"{len(names) - 10} more"] if len(names) > 11 else names
    return ", ".join(shown) or "none"
