"""What a tree has of images that are copied into it."""

from __future__ import annotations

from typing import Final

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import BlobStore, Tree
from fake_registry.fixtures.index_stream import fold_index
from fake_registry.oci import Descriptor, manifest_links
from mirror.seed.named_manifests import NamedManifests
from mirror.seed.sources import Source
from mirror.seed.tree_writer import TreeWriter

_CACHE: Final = 4 << 20
_REPOSITORIES: Final = 64


class TreeContent:
    """Finds what is there already, or was taken by the writer and will be.

    What repositories name is looked at once, when they are first met: only this run changes it meanwhile, and what it
    has copied it does not copy again.
    """

    def __init__(self, tree: Tree, writer: TreeWriter, *, dry_run: bool) -> None:
        self._tree = tree
        self._writer = writer
        self._store = BlobStore(tree.store.root, contents=_CACHE)  # each manifest is read once
        self._listed: dict[tuple[str, str], NamedManifests] = {}
        self._planned: set[str] | None = set() if dry_run else None
        self._planned_indexes: dict[str, bytes] = {}

    def named(self, source: Source) -> Descriptor | None:
        """The manifest that the tree has under the name of a source."""
        listed = self._listing(source.host, source.repository)
        return listed.tagged(source.tag) if source.tag else listed.listed(source.digest)

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob is there."""
        if self._writer.holds(blob.digest) or (self._planned is not None and blob.digest in self._planned):
            return True
        found = self._store.find(blob.digest)
        return found is not None and blob.size in {found.size, -1}

    def plan(self, digest: str) -> bool:
        """Takes note of content that would be copied; returns whether it was not planned before."""
        if self._planned is None or digest in self._planned:
            return self._planned is None
        self._planned.add(digest)
        return True

    def plan_index(self, digest: str, data: bytes) -> None:
        """Takes note of an index within another one that would be copied: what it names is looked at again."""
        self._planned_indexes[digest] = data

    def manifest(self, digest: str, media_type: str) -> bytes | None:
        """The bytes of a manifest, or None if it is not there as it should be."""
        data = self._writer.pending(digest) or self._planned_indexes.get(digest)
        if data is not None:
            return data
        try:
            return self._store.read_manifest(digest, media_type)
        except (ContentError, TreeError):
            return None  # comes again

    def media_type(self, digest: str, stated: str) -> str:
        """The media type of a manifest that may be there: what names it knows, else it says so itself."""
        if stated:
            return stated
        data = self.manifest(digest, "")
        return "" if data is None else manifest_links(data).media_type

    def knows_size(self, digest: str) -> bool:
        """Whether it is known how large a layer is that no manifest states the size of."""
        return self._store.find(digest) is not None or self._writer.knows_size(digest) or digest in self._store.sizes()

    def _listing(self, host: str, name: str) -> NamedManifests:
        key = (host, name)
        listed = self._listed.get(key)
        if listed is None:
            if len(self._listed) >= _REPOSITORIES:
                del self._listed[next(iter(self._listed))]
            listed = self._listed[key] = self._read(host, name)
        return listed

    def _read(self, host: str, name: str) -> NamedManifests:
        directory = self._tree.repository_directory(host, name)
        try:
            return fold_index(directory, self._store.root, NamedManifests) or NamedManifests()
        except TreeError:
            return NamedManifests()  # said when it is written
