"""Making a bundle from a tree: the same tree gives the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from mirror.errors import InputError
from mirror.seed.archives.sinks import written
from mirror.seed.archives.tar import TAR_END, tar_header, tar_padding
from mirror.seed.bundles.comparing import marked, removals
from mirror.seed.bundles.hashing import Hashing, HashingThread
from mirror.seed.bundles.inspecting import beginning
from mirror.seed.bundles.parts import SMALLEST_PART, PartsWriter, existing_output
from mirror.seed.bundles.reading import BundleReader, Tally
from mirror.seed.bundles.records import (
    HEADER,
    MANIFEST,
    REMOVALS,
    SIGNATURE,
    Base,
    Entry,
    Header,
    Summary,
    encode_removals,
    identity,
)
from mirror.seed.bundles.states import Document, State, TreeState, state_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_CHUNK: Final = 1 << 20

Progress = Callable[[int, int], None]
"""Is told how many of how many bytes are written."""


class _Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Options(NamedTuple):
    """How a bundle is written: in parts of how many bytes at most, signed by whom, how hard zstd tries (1 to 19), and
    whether in the place of one of the same name."""

    part_size: int | None = None
    key: Ed25519PrivateKey | None = None
    level: int = 3
    replace: bool = False


class Plan:
    """What goes into a bundle of a tree. Use `planned`."""

    def __init__(self, state: TreeState, header: Header, manifest: BinaryIO, removed: bytes) -> None:
        self.header = header
        self._state = state
        self._manifest = manifest
        self._removed = removed

    @property
    def size(self) -> int:
        """Bytes of the tar at least; that it may be some more does not matter."""
        return self.header.carried.bytes + self.header.manifest.size

    def write(self, out: _Writer, key: Ed25519PrivateKey | None, progress: Progress | None = None) -> None:
        """Writes the tar.

        Raises:
            TreeError: content has gone away or does not match its digest.
        """
        header = self.header.encoded()
        _put(out, HEADER, header)
        if key is not None:
            _put(out, SIGNATURE, key.sign(header))
        out.write(tar_header(MANIFEST, self.header.manifest.size))
        self._manifest.seek(0)
        while data := self._manifest.read(_CHUNK):
            out.write(data)
        out.write(tar_padding(self.header.manifest.size))
        for document in _with_removals(self._state.documents(), self._removed):
            _put(out, document.entry.path, document.data)
        done = self.header.manifest.size
        self._manifest.seek(0)
        with HashingThread() as thread:
            for line in self._manifest:
                entry = msgspec.json.decode(line, type=Entry)
                if entry.is_blob and not entry.base:
                    self._blob(out, entry, thread.new())
                    done += entry.size
                    if progress is not None:
                        progress(min(done, self.size), self.size)
        out.write(TAR_END)

    def _blob(self, out: _Writer, entry: Entry, digest: Hashing) -> None:
        out.write(tar_header(entry.path, entry.size))
        count = 0
        try:
            with self._state.file(entry).open("rb") as file:
                while data := file.read(_CHUNK):
                    digest.update(data)
                    count += len(data)
                    out.write(data)
        except FileNotFoundError:
            raise TreeError(f"{entry.path}: went away while the bundle was made; make it again") from None
        if count != entry.size or digest.hexdigest() != entry.sha256:
            raise TreeError(
                f"{entry.path}: content does not match its digest; data verify --repair-from TREE can mend that"
            )
        out.write(tar_padding(entry.size))


@contextmanager
def planned(tree: Tree, since: Path | None = None, progress: Progress | None = None) -> Iterator[Plan]:
    """What a bundle of a tree has in it, all of it or what is new since an earlier bundle or tree.

    Raises:
        InputError: `since` is neither.
        TreeError: a tree cannot be read, or is not whole.
    """
    with ExitStack() as stack:
        state = stack.enter_context(TreeState(tree))
        state.load(progress)
        manifest = stack.enter_context(tempfile.TemporaryFile())
        base, removed = None, b""
        if since is None:
            blobs = state.blobs()
        else:
            earlier, base = _base(stack, since)
            removed = encode_removals(removals(earlier.documents(), state.documents()))
            blobs = marked(state.blobs(), earlier.blobs())
        tally = Tally()
        digest = hashlib.sha256()
        size = 0
        for entry in _entries(state, removed, blobs):
            line = msgspec.json.encode(entry) + b"\n"
            tally.add(entry)
            manifest.write(line)
            digest.update(line)
            size += len(line)
        header = Header(
            state=tally.state,
            base=base,
            manifest=Summary(size=size, sha256=digest.hexdigest(), lines=tally.lines),
            carried=tally.carried,
            in_base=tally.in_base,
            repositories=tally.repositories,
            removals=removed.count(b"\n"),
        )
        yield Plan(state, header, manifest, removed)


def create_bundle(plan: Plan, out: Path, options: Options, progress: Progress | None = None) -> list[Path]:
    """Writes a bundle and returns its files: one, or with a part size ``OUT.001`` and so on. A failure leaves nothing.

    Raises:
        InputError: there is something of that name already, or the size of parts cannot be.
        TreeError: content of the tree has gone away or does not match its digest.
    """
    if options.part_size is not None and options.part_size < SMALLEST_PART:
        raise InputError(f"--part-size: {options.part_size} bytes; expected at least {SMALLEST_PART}")
    there = list(existing_output(out))
    if there and not options.replace:
        raise InputError(f"{there[0]}: exists already; choose another name, or say --force")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out.parent}: no such directory; expected one to write the bundle to")
    bundle = identity(plan.header.encoded())
    digits = 3 if options.part_size is None else max(3, len(str(2 * plan.size // options.part_size + 2)))
    with written(out), PartsWriter(out, part_size=options.part_size, level=options.level, digits=digits) as writer:
        plan.write(writer, options.key, progress)
        files = writer.commit(bundle)
    for path in there:
        if path not in files:
            path.unlink()
    return files


class BundleState:
    """What a tree had when a bundle was made of it. Its first part is enough."""

    def __init__(self, reader: BundleReader) -> None:
        self._reader = reader

    def documents(self) -> Iterator[Document]:
        for content in self._reader.contents():
            if content.entry.is_blob:
                return
            if content.entry.path != REMOVALS:
                yield Document(content.entry, content.data())

    def blobs(self) -> Iterator[Entry]:
        return (entry for entry in self._reader.entries() if entry.is_blob)


def _base(stack: ExitStack, since: Path) -> tuple[State, Base]:
    """The earlier state, and its name."""
    if since.is_dir():
        state = stack.enter_context(TreeState(Tree.open(since)))
        state.load()
        return state, Base(state=state_of(state))
    reader = stack.enter_context(BundleReader(beginning(since)))
    return BundleState(reader), Base(state=reader.header.state, bundle=reader.id)


def _entries(state: State, removed: bytes, blobs: Iterator[Entry]) -> Iterator[Entry]:
    yield from (document.entry for document in _with_removals(state.documents(), removed))
    yield from blobs


def _with_removals(documents: Iterator[Document], removed: bytes) -> Iterator[Document]:
    """The documents, then that which says what is gone: its path is behind those of repositories."""
    yield from documents
    if removed:
        entry = Entry(path=REMOVALS, size=len(removed), sha256=hashlib.sha256(removed).hexdigest())
        yield Document(entry, removed)


def _put(out: _Writer, path: str, data: bytes) -> None:
    out.write(tar_header(path, len(data)) + data + tar_padding(len(data)))
