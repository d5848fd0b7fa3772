"""What a tree has, as bundles carry it: documents that say what is there, and the blobs that these lead to."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import FoundFile, Snapshot, Tree
from fake_registry.fixtures.disk import inside, read_file
from fake_registry.fixtures.layout import (
    INDEX,
    MAX_INDEX,
    MEMORY,
    Memory,
    json_text,
    memory_text,
    parse_index,
    parse_memory,
)
from fake_registry.fixtures.repository import own_blobs
from fake_registry.oci import SCHEMA1_TYPES, Descriptor, compute_digest
from mirror.seed.bundles.reading import Tally
from mirror.seed.bundles.records import SIZES, Entry, blob_path, index_path

Progress = Callable[[int, int], None]
"""Is told how many of how many repositories were looked at."""

_ALGORITHM: Final = "sha256"


class Document(NamedTuple):
    """A small file, with its content."""

    entry: Entry
    data: bytes


class State(Protocol):
    """What a tree has, or had when a bundle was made of it."""

    def documents(self) -> Iterator[Document]:
        """The files that say what is there, in the order of their paths; once, before the blobs."""
        ...

    def blobs(self) -> Iterator[Entry]:
        """The content, in the order of its paths."""
        ...


class _Blob(NamedTuple):
    size: int
    sha256: str
    path: str


class TreeState:
    """What a fixture tree has now. What changes while it is looked at is carried as it was, or as it is.

    Keeps the digests in memory, and the descriptors of one repository at a time.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._places: list[tuple[str, int, int, str]] = []
        self._blobs: dict[str, int] = {}
        self._special: dict[str, _Blob] = {}

    def __enter__(self) -> Self:
        self._spool = tempfile.TemporaryFile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def load(self, progress: Progress | None = None) -> None:
        """Looks at all repositories.

        Raises:
            TreeError: something cannot be read, or a manifest that a repository names is not there.
        """
        names = [(host, name) for host in self._tree.hosts() for name in self._tree.repositories(host)]
        for done, (host, name) in enumerate(names):
            if progress is not None:
                progress(done, len(names))
            self._repository(host, name)
        sizes = self._tree.store.sizes()
        if sizes:
            self._put(SIZES, json_text(sizes))
        self._places.sort()
        if progress is not None:
            progress(len(names), len(names))

    def documents(self) -> Iterator[Document]:
        for path, offset, size, digest in self._places:
            self._spool.seek(offset)
            yield Document(Entry(path=path, size=size, sha256=digest), self._spool.read(size))

    def blobs(self) -> Iterator[Entry]:
        for path in sorted(self._blobs):
            special = self._special.get(path)
            sha256 = path.rpartition("/")[2] if special is None else special.sha256
            yield Entry(path=path, size=self._blobs[path], sha256=sha256)

    def file(self, entry: Entry) -> Path:
        """Where the content of a blob lies."""
        special = self._special.get(entry.path)
        return Path(self._tree.root / entry.path if special is None else special.path)

    def _repository(self, host: str, name: str) -> None:
        directory = self._tree.repository_directory(host, name)
        path = index_path(host, name)
        root = str(self._tree.root)
        content = read_file(f"{directory}/{INDEX}", root, MAX_INDEX)
        if content is None:  # went away in the meantime
            return
        hidden = read_file(f"{directory}/{MEMORY}", root, MAX_INDEX)
        memory = Memory() if hidden is None else parse_memory(hidden[0], inside(f"{directory}/{MEMORY}", root))
        # What was uploaded and no manifest names is somebody's work in progress, and stays here.
        memory = msgspec.structs.replace(memory, uploaded=frozenset())
        own = own_blobs(self._tree.store, directory)
        snapshot = Snapshot(self._tree.store, own, parse_index(content[0], path), memory)
        self._content(snapshot, path)
        self._put(path, content[0])
        if memory != Memory():
            self._put(f"{path.removesuffix(INDEX)}{MEMORY}", memory_text(memory))

    def _content(self, snapshot: Snapshot, name: str) -> None:
        for descriptor in snapshot.manifests():
            found = snapshot.find_blob(descriptor.digest)
            if found is not None:
                self._manifest(snapshot, descriptor, found, name)
            elif descriptor.digest in snapshot.listed:
                raise TreeError(
                    f"{name}: manifest {descriptor.digest} is not in the tree; "
                    "expected every manifest that is named to be there (data verify says more)"
                )
        for blob in snapshot.blobs():
            found = snapshot.find_blob(blob.descriptor.digest)
            if found is not None:
                self._blob(blob.descriptor.digest, found)

    def _manifest(self, snapshot: Snapshot, descriptor: Descriptor, found: FoundFile, name: str) -> None:
        """A manifest is read anyway; a signed one has another digest than its bytes."""
        try:
            data = snapshot.read_manifest(descriptor)
        except ContentError as error:
            raise TreeError(f"{name}: {error}; expected every manifest to be whole (data verify says more)") from None
        if data is not None and descriptor.media_type in SCHEMA1_TYPES:
            self._blobs[blob_path(descriptor.digest)] = len(data)
            sha256 = compute_digest(data).partition(":")[2]
            self._special[blob_path(descriptor.digest)] = _Blob(len(data), sha256, found.path)
        else:
            self._blob(descriptor.digest, found)

    def _blob(self, digest: str, found: FoundFile) -> None:
        path = blob_path(digest)
        if path in self._blobs:
            return
        self._blobs[path] = found.size
        if not digest.startswith(_ALGORITHM):
            with open(found.path, "rb") as file:  # noqa: PTH123
                sha256 = hashlib.file_digest(file, _ALGORITHM).hexdigest()
            self._special[path] = _Blob(found.size, sha256, found.path)
        elif found.path != self._tree.store.path(digest):
            self._special[path] = _Blob(found.size, digest.partition(":")[2], found.path)

    def _put(self, path: str, data: bytes) -> None:
        offset = self._spool.seek(0, 2)
        self._spool.write(data)
        self._places.append((path, offset, len(data), hashlib.sha256(data).hexdigest()))


def state_of(state: State) -> str:
    """The name of a state: the SHA-256 of what its files are and where they lie."""
    tally = Tally()
    for document in state.documents():
        tally.add(document.entry)
    for entry in state.blobs():
        tally.add(entry)
    return tally.state
