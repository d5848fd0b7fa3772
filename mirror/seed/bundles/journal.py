"""Changing many repositories of a tree as if at once: first it is written down what will change, then it is done.

Until the writing down is complete, a later run drops it: nothing has changed. From then on it completes the changes,
each of which can be made twice. Readers see each repository as it was or as it will be.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.fixtures.disk import make_directory, remove_file, reported, sync_directory, try_lock
from fake_registry.fixtures.layout import APPLIED, APPLYING, INDEX
from fake_registry.fixtures.store import parse_sizes
from fake_registry.fixtures.switching import is_switching, switch_file
from mirror.seed.archives.tar import TAR_END, TarReader, tar_header, tar_padding
from mirror.seed.bundles.history import Step, add_step
from mirror.seed.bundles.merging import Carried, switch_repository
from mirror.seed.bundles.records import REMOVALS, SIZES, decode_removals, place_of

Progress = Callable[[int, int], None]
"""Is told how many of how many repositories have changed."""

_DRAFT: Final = "switch.part"


@contextmanager
def one_at_a_time(tree: Tree) -> Iterator[None]:
    """Keeps others from applying bundles to a tree meanwhile.

    Raises:
        BusyError: somebody else is at it.
        TreeError: the tree cannot be opened.
    """
    with reported(tree.root):
        handle = os.open(tree.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not try_lock(handle):
            raise BusyError(f"{tree.root}: another bundle is being applied; expected to be the only one that does that")
        yield
    finally:
        os.close(handle)


def recover(tree: Tree, progress: Progress | None = None) -> bool:
    """Completes what an interrupted run wrote down, or drops what it had not written down; returns whether there was
    something to complete. To be called while nobody else applies a bundle.

    Raises:
        TreeError: the tree cannot be written.
    """
    found = is_switching(tree.root)
    if found:
        _switch(tree, progress)
    directory = tree.root / APPLYING
    if os.path.lexists(directory):
        with reported(tree.root):
            shutil.rmtree(directory)
    return found


def complete_interrupted(tree: Tree) -> bool:
    """Completes what an interrupted run wrote down, unless somebody is at it; returns whether it did.

    Raises:
        TreeError: the tree cannot be written.
    """
    if not is_switching(tree.root):
        return False
    try:
        with one_at_a_time(tree):
            return recover(tree)
    except BusyError:
        return False


class BusyError(TreeError):
    """Somebody else is applying a bundle to the tree."""


class Journal:
    """What is about to change: documents of a bundle, kept in the tree until all of them have taken effect."""

    def __init__(self, tree: Tree) -> None:
        """Raises `TreeError` if the tree cannot be written."""
        self._tree = tree
        self.directory = tree.root / APPLYING
        with reported(tree.root):
            make_directory(self.directory)
            self._file: BinaryIO = (self.directory / _DRAFT).open("w+b")

    def add(self, path: str, data: bytes) -> None:
        """Takes a document (raises `TreeError`)."""
        with reported(self._tree.root):
            self._file.write(document_member(path, data))

    def lead_to(self, step: Step) -> None:
        """Takes which bundle this is (raises `TreeError`)."""
        self.add(APPLIED, msgspec.json.encode(step))

    def repositories(self) -> Iterator[Carried]:
        """The repositories that would change."""
        yield from repositories_in(self._file)

    def commit(self, progress: Progress | None = None) -> None:
        """Changes the repositories. Whoever is killed from here on has them changed by the next run.

        Raises:
            TreeError: the tree cannot be written; what is missing is made up for by the next run.
        """
        with reported(self._tree.root):
            self._file.seek(0, os.SEEK_END)
            self._file.write(TAR_END)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            (self.directory / _DRAFT).replace(switch_file(self._tree.root))
            sync_directory(self.directory)
        _switch(self._tree, progress)
        shutil.rmtree(self.directory)

    def drop(self) -> None:
        """Forgets it, unless it is committed."""
        self._file.close()
        if not is_switching(self._tree.root):
            shutil.rmtree(self.directory, ignore_errors=True)


def document_member(path: str, data: bytes) -> bytes:
    """A document as it stands in the file that says what changes."""
    return tar_header(path, len(data)) + data + tar_padding(len(data))


def repositories_in(file: BinaryIO) -> Iterator[Carried]:
    """The repositories that documents speak of, those that are gone last, one in memory at a time."""
    gone: dict[str, Carried] = {}
    for path, data in _documents(file):
        if path == REMOVALS:
            for one in decode_removals(data, APPLYING):
                host, _, name = one.repository.partition("/")
                gone.setdefault(one.repository, Carried(host=host, name=name)).removals.append(one)
    memories: dict[str, bytes] = {}  # a hidden file comes before its index.json, and others may come in between
    for path, data in _documents(file):
        place = place_of(path)
        if place is None:
            continue
        repository = f"{place.host}/{place.name}"
        if place.file != INDEX:
            memories[repository] = data
            continue
        carried = gone.pop(repository, Carried(host=place.host, name=place.name))
        yield msgspec.structs.replace(carried, index=data, memory=memories.pop(repository, None))
    yield from gone.values()


def _switch(tree: Tree, progress: Progress | None) -> None:
    path = switch_file(tree.root)
    with path.open("rb") as file:
        total = sum(1 for _ in repositories_in(file))
        for name, data in _documents(file):
            if name == SIZES:
                tree.put_sizes(parse_sizes(data, SIZES))
        for done, carried in enumerate(repositories_in(file)):
            if progress is not None:
                progress(done, total)
            switch_repository(tree, carried)
        for name, data in _documents(file):
            if name == APPLIED:
                add_step(tree, msgspec.json.decode(data, type=Step))
    with reported(tree.root):
        remove_file(path)
    if progress is not None:
        progress(total, total)


def _documents(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    file.seek(0)
    tar = TarReader(file, APPLYING, remembered=False)
    for member in tar:
        pieces = []
        while data := tar.read(member.size):
            pieces.append(data)
        yield member.name, b"".join(pieces)
