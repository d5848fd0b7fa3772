"""Mending a tree: content that is damaged or missing comes from another tree, or from wherever it still is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Problem, Snapshot, Tree, verify
from fake_registry.fixtures.disk import locked, read_file, reported, sync_directory, temporary_beside, write_file
from fake_registry.fixtures.incoming import make_inside
from fake_registry.fixtures.layout import INDEX, LAYOUT, LAYOUT_TEXT, MAX_INDEX, parse_index
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, MAX_MANIFEST, manifest_digest, parse_digest
from mirror.seed.archives.closure import chunks_of
from mirror.seed.comparing import reached

_ROUNDS: Final = 16

Progress = Callable[[int, int], None]
"""Is told how many of how many files and repositories were looked at."""


class Source(Protocol):
    """Where good content may come from. What it gives is checked here."""

    name: str
    """The source, in messages."""

    def content(self, digest: str, repositories: Sequence[str]) -> Iterator[bytes] | None:
        """Content by its digest, or None; `repositories` (``HOST/NAME``) are those that lead to it."""
        ...

    def index(self, repository: str) -> bytes | None:
        """The ``index.json`` of a repository (``HOST/NAME``), or None."""
        ...


class TreeSource:
    """Another tree."""

    def __init__(self, tree: Tree) -> None:
        self.name = str(tree.root)
        self._tree = tree

    def content(self, digest: str, repositories: Sequence[str]) -> Iterator[bytes] | None:
        """From the tree's blobs, or those that one of the repositories has of its own."""
        found = self._tree.store.find(digest)
        for repository in repositories if found is None else ():
            snapshot = self._snapshot(repository)
            found = found or (None if snapshot is None else snapshot.find_blob(digest))
        return None if found is None else chunks_of(found.path)

    def index(self, repository: str) -> bytes | None:
        """As it stands there, if it can be read."""
        host, _, name = repository.partition("/")
        directory = self._tree.repository_directory(host, name)
        try:
            content = read_file(f"{directory}/{INDEX}", str(self._tree.root), MAX_INDEX)
        except TreeError:
            return None
        return None if content is None else content[0]

    def _snapshot(self, repository: str) -> Snapshot | None:
        host, _, name = repository.partition("/")
        try:
            return self._tree.snapshot(host, name)
        except TreeError:
            return None


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was mended, relative to the tree, and from where."""

    file: str
    source: str


def repair(
    tree: Tree,
    problems: Iterable[Problem],
    sources: Sequence[Source],
    *,
    complete: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Repair], list[Problem]]:
    """Mends what it can, and returns that and the problems that are left.

    A repaired index or manifest may lead to more that is missing, so the tree is verified again until nothing gets
    better.

    Raises:
        TreeError: the tree cannot be written.
    """
    done: list[Repair] = []
    left = list(problems)
    for _ in range(_ROUNDS):
        mended = list(_mended(tree, left, sources))
        if not mended:
            break
        done += mended
        left = list(verify(tree, progress, complete=complete))
    return done, left


def _mended(tree: Tree, problems: list[Problem], sources: Sequence[Source]) -> Iterator[Repair]:
    wanted = {problem.digest for problem in problems if problem.digest}
    places = _places(tree, wanted) if wanted else {}
    tried: set[str] = set()
    for problem in problems:
        key = problem.digest or problem.file
        if key in tried:
            continue
        tried.add(key)
        if problem.digest:
            yield from _content(tree, problem, sources, places.get(problem.digest, []))
        elif problem.file.endswith(f"/{LAYOUT}") and problem.repository:
            if write_file(tree.root / problem.file, LAYOUT_TEXT):
                yield Repair(file=problem.file, source="what every image layout says")
        elif problem.file.endswith(f"/{INDEX}") and problem.kind in {"unreadable", "layout"}:
            yield from _index(tree, problem, sources)


def _content(tree: Tree, problem: Problem, sources: Sequence[Source], places: list[str]) -> Iterator[Repair]:
    """Puts content where it is damaged, or into the tree's blobs where it is missing."""
    algorithm, digits = parse_digest(problem.digest)
    file = problem.file if problem.kind == "digest" else f"blobs/{algorithm}/{digits}"
    for source in sources:
        chunks = source.content(problem.digest, places)
        if chunks is not None and _written(tree, file, problem.digest, chunks):
            yield Repair(file=file, source=source.name)
            return


def _written(tree: Tree, file: str, digest: str, chunks: Iterator[bytes]) -> bool:
    """Puts content in place if it is what its digest names. Whatever is there is damaged, so that it may go."""
    path = tree.root / file
    algorithm, digits = parse_digest(digest)
    found, start, size = hashlib.new(algorithm), bytearray(), 0
    make_inside(path.parent, tree.store.root)
    temporary = temporary_beside(path)
    with reported(tree.root):
        try:
            with temporary.open("xb") as target:
                for chunk in chunks:
                    found.update(chunk)
                    size += len(chunk)
                    start += chunk if size <= MAX_MANIFEST else b""
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            signed = size <= MAX_MANIFEST and manifest_digest(bytes(start), DOCKER_SCHEMA1_SIGNED, algorithm) == digest
            if found.hexdigest() != digits and not signed:
                return False
            with locked(path.parent, shared=True):
                temporary.replace(path)
                sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    return True


def _index(tree: Tree, problem: Problem, sources: Sequence[Source]) -> Iterator[Repair]:
    """Takes over the index of another tree where the own one cannot be read: what it named is known there only."""
    for source in sources:
        data = source.index(problem.repository)
        if data is None or not _is_index(data, problem.file):
            continue
        path = tree.root / problem.file
        with reported(tree.root), locked(path.parent):
            if write_file(path, data):
                yield Repair(file=problem.file, source=source.name)
                return


def _is_index(data: bytes, name: str) -> bool:
    try:
        parse_index(data, name)
    except TreeError:
        return False
    return True


def _places(tree: Tree, wanted: set[str]) -> dict[str, list[str]]:
    """The repositories that lead to some content, by its digest."""
    found: dict[str, list[str]] = {}
    for host in tree.hosts():
        for name in tree.repositories(host):
            try:
                snapshot = tree.snapshot(host, name)
            except TreeError:
                continue
            for digest in reached(snapshot) & wanted if snapshot is not None else ():
                found.setdefault(digest, []).append(f"{host}/{name}")
    return found
