"""Applying a bundle to a tree: everything is checked before anything is written, and nothing is ever half applied."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fake_registry.errors import DigestError, TreeError
from fake_registry.fixtures import Batch, BlobWriter, Tree
from fake_registry.fixtures.disk import GRACE, locked, reported
from fake_registry.fixtures.incoming import blob_directory
from fake_registry.fixtures.layout import APPLYING
from fake_registry.fixtures.store import SMALL
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED
from mirror.errors import InputError
from mirror.seed.bundles.checking import check_contents, is_signed_manifest
from mirror.seed.bundles.hashing import HashingThread
from mirror.seed.bundles.history import Step, leads_to, steps
from mirror.seed.bundles.journal import Journal, document_member, one_at_a_time, recover, repositories_in
from mirror.seed.bundles.merging import Effect, effect_of
from mirror.seed.bundles.parts import complete_parts
from mirror.seed.bundles.reading import BundleReader, Content
from mirror.seed.bundles.records import Amount, Base, Entry
from mirror.seed.bundles.states import TreeState, state_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Progress = Callable[[str, int, int], None]
"""Is told what is being done (``Checking``, ``Writing``: bytes; ``Switching``: repositories), how much, of how much."""

_SPARE: Final = 64 << 20
_FRESH: Final = GRACE / 2
_CONFIRMED_AT_ONCE: Final = 1000


class Applied(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What applying a bundle did, or would do.

    ``new`` are the files that the tree did not have, ``present`` those that it had. ``repositories`` are those in
    which tags changed, or which are gone.
    """

    bundle: str
    state: str
    base: Base | None
    signed: bool
    new: Amount
    present: Amount
    repositories: list[Effect]


def apply_bundle(
    files: Sequence[Path],
    data: Path | str,
    *,
    key: Ed25519PublicKey | None = None,
    dry_run: bool = False,
    any_base: bool = False,
    progress: Progress | None = None,
) -> Applied:
    """Applies a bundle to a tree, which is made if absent.

    One that was made since another is refused where that was not applied before; with `any_base` it is enough that its
    content is there.

    The bundle is read twice: to check it, then to write. Content comes first, as blobs that no repository names, from
    the parts straight to where they belong; then all repositories change, as `journal` says. Whoever is killed goes on
    by doing the same again.

    Raises:
        InputError: a file is missing, damaged, hostile or not signed as it has to be, or the tree lacks the base.
        TreeError: the tree cannot be written, is broken, or has no room; nothing has changed then.
    """
    parts = complete_parts(files)
    tree = Tree.open(data)
    with BundleReader(parts, key=key, progress=_told(progress, "Checking")) as reader:
        check_contents(reader)
    with BundleReader(parts, key=key, progress=_told(progress, "Writing"), again=True) as reader:
        new, present = _compare(tree, reader)
        if not any_base:
            _require_base(tree, reader)
        if dry_run:
            effects = _effects(tree, reader)
        else:
            if not os.path.lexists(tree.root / APPLYING):  # what an interrupted run left takes room that will be free
                _require_room(tree, new)
            tree = Tree.open(data, create=True)
            with one_at_a_time(tree):
                recover(tree, _told(progress, "Switching"))
                _require_room(tree, new)
                effects = _apply(tree, reader, progress)
        return Applied(
            bundle=reader.id,
            state=reader.header.state,
            base=reader.header.base,
            signed=bool(reader.signature),
            new=new,
            present=present,
            repositories=[one for one in effects if one.tags_set or one.tags_removed or one.gone],
        )


def _told(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)


def _compare(tree: Tree, reader: BundleReader) -> tuple[Amount, Amount]:
    """How much of the content is new to a tree, and how much is not.

    Raises:
        InputError: the base is not there.
    """
    counts = [[0, 0], [0, 0]]
    missing: list[str] = []
    absent = 0
    for entry in reader.entries():
        if not entry.is_blob:
            continue
        found = tree.store.find(entry.digest)
        there = found is not None and found.size == entry.size
        if entry.base and not there:
            absent += 1
            missing = missing or [entry.digest]
        elif not entry.base:
            counts[there][0] += 1
            counts[there][1] += entry.size
    if absent:
        raise InputError(_lacks_base(tree, reader, absent, missing[0]))
    new, present = (Amount(files=files, bytes=size) for files, size in counts)
    return new, present


def _lacks_base(tree: Tree, reader: BundleReader, absent: int, first: str) -> str:
    base = reader.header.base
    assert base is not None
    wanted = f"the bundle {base.bundle}" if base.bundle else f"a tree in the state {base.state}"
    more = f" and {absent - 1} more" if absent > 1 else ""
    todo = "apply that one first" if base.bundle else "expected a copy of that tree"
    return f"{reader.name}: made since {wanted}, which {tree.root} lacks (no {first}{more}); {todo}"


def _require_base(tree: Tree, reader: BundleReader) -> None:
    """Makes sure that the bundle before this one was applied, or that the tree is as that would leave it.

    A tree that no bundle was ever applied to says nothing of it: that the content is there has to do.
    """
    base, found = reader.header.base, steps(tree)
    if base is None or not found or leads_to(found, base) or any(one.bundle == reader.id for one in found):
        return
    with TreeState(tree) as state:
        state.load()
        if state_of(state) == base.state:
            return
    wanted = f"the bundle {base.bundle}" if base.bundle else f"a tree in the state {base.state}"
    todo = "apply that one first" if base.bundle else "expected a copy of that tree"
    raise InputError(
        f"{reader.name}: made since {wanted}, but the last bundle that was applied to {tree.root} is "
        f"{found[-1].bundle}; {todo}, or say --any-base"
    )


def _require_room(tree: Tree, new: Amount) -> None:
    there = next(path for path in (tree.root, *tree.root.parents) if path.is_dir())
    status = os.statvfs(there)
    free = status.f_bavail * status.f_frsize
    if new.bytes + _SPARE > free:
        raise TreeError(
            f"{tree.root}: {free} bytes free; expected {new.bytes + _SPARE} for {new.files} new files of the bundle"
        )


def _effects(tree: Tree, reader: BundleReader) -> list[Effect]:
    """What would become of the repositories. Only documents are read."""
    with tempfile.TemporaryFile() as file:
        for content in reader.contents():
            if content.entry.is_blob:
                break
            file.write(document_member(content.entry.path, content.data()))
        return [effect_of(tree, carried, dry=True) for carried in repositories_in(file)]


def _apply(tree: Tree, reader: BundleReader, progress: Progress | None) -> list[Effect]:
    journal = Journal(tree)
    try:
        with HashingThread() as thread, Batch(tree) as batch:
            writer = _Writer(tree, batch, journal, thread)
            for content in reader.contents():
                writer.take(content)
        _confirm(tree, reader)
        journal.lead_to(Step(bundle=reader.id, state=reader.header.state))
        effects = [effect_of(tree, carried) for carried in journal.repositories()]
        journal.commit(_told(progress, "Switching"))
    finally:
        journal.drop()
    return effects


class _Writer:
    """Takes the files of a bundle into a tree."""

    def __init__(self, tree: Tree, batch: Batch, journal: Journal, thread: HashingThread) -> None:
        self._tree = tree
        self._thread = thread
        self._batch = batch
        self._journal = journal

    def take(self, content: Content) -> None:
        entry = content.entry
        if not entry.is_blob:
            self._journal.add(entry.path, content.data())
            return
        try:
            if entry.size <= SMALL or is_signed_manifest(entry):
                self._small(entry, content.data())
            elif not self._is_there(entry):
                self._large(entry, content)
        except DigestError as error:
            raise InputError(f"{entry.path}: {error}") from None

    def _small(self, entry: Entry, data: bytes) -> None:
        if entry.digest == f"sha256:{entry.sha256}":  # with which the content was compared as it came
            self._batch.put_known(data, entry.digest)
        else:  # another algorithm, or a signed manifest, which is named by its payload
            self._batch.put_manifest_content(data, DOCKER_SCHEMA1_SIGNED, entry.digest)

    def _is_there(self, entry: Entry) -> bool:
        found = self._tree.store.find(entry.digest)
        return found is not None and found.size == entry.size and self._tree.store.verify(found, entry.digest)

    def _large(self, entry: Entry, content: Content) -> None:
        algorithm = entry.digest.partition(":")[0]
        with BlobWriter(
            self._tree.store, algorithm, beside=self._journal.directory, hashing=self._thread.new
        ) as writer:
            for piece in content.pieces(checked=False):  # the writer does that
                writer.write(piece)
            writer.commit(entry.digest)


def _confirm(tree: Tree, reader: BundleReader) -> None:
    """Makes sure that all content is there, and counts as new for the collector of garbage until it is named.

    Raises:
        TreeError: something went away.
    """
    blobs = (entry for entry in reader.entries() if entry.is_blob)
    for algorithm, entries in itertools.groupby(blobs, key=lambda entry: entry.digest.partition(":")[0]):
        directory = blob_directory(tree.store, algorithm)
        while some := list(itertools.islice(entries, _CONFIRMED_AT_ONCE)):
            with reported(tree.root), locked(directory, shared=True):
                for entry in some:
                    _confirm_one(tree, entry)


def _confirm_one(tree: Tree, entry: Entry) -> None:
    found = tree.store.find(entry.digest)
    if found is None or found.size != entry.size:
        raise TreeError(f"{entry.path}: went away while the bundle was applied; apply it again")
    if time.time() - found.stamp[0] / 1e9 > _FRESH:
        os.utime(found.path)
