"""Copying images from an archive into a fixture tree: every byte checked against its digest, nothing rewritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final

import msgspec

from fake_registry.errors import DigestError
from fake_registry.fixtures import Batch, Tree
from fake_registry.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_MANIFEST,
    Descriptor,
    Links,
    compute_digest,
    guessed_media_type,
    is_manifest_child,
    manifest_links,
)
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive
from mirror.seed.archives.naming import Placed

_CHUNK: Final = 1 << 20
_EMPTY: Final = b"{}"
_DEEPEST: Final = 8

Progress = Callable[[int, int], None]
"""Is told how many of how many images were looked at."""


class Imported(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An image that came into the tree.

    ``blobs`` and ``bytes`` are what was copied for it and was not there before. ``absent_layers`` are layers, and
    ``absent_manifests`` children of its index, that the tree does not have: the archive had none, or nobody wanted
    them.
    """

    image: str
    digest: str
    media_type: str
    blobs: int
    bytes: int
    absent_layers: int
    absent_manifests: int


def import_images(
    tree: Tree,
    archive: Archive,
    images: Iterable[Placed],
    *,
    metadata_only: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Copies images into a tree. What they are called changes at the end, when everything is there.

    An archive that goes on with another one may name images of that: those that are not in the tree are left out.

    Raises:
        InputError: content that is missing, although every image needs it, or does not match its digest.
        TreeError: the tree cannot be written.
    """
    images = list(images)
    with Batch(tree) as batch:
        copier = _Copier(tree, batch, archive, metadata_only=metadata_only)
        found = []
        for done, image in enumerate(images):
            if progress is not None:
                progress(done, len(images))
            copied = copier.copy(image)
            if copied is not None:
                found.append(copied)
    if progress is not None:
        progress(len(images), len(images))
    return found


class _Copier:
    """The copying of one archive."""

    def __init__(self, tree: Tree, batch: Batch, archive: Archive, *, metadata_only: bool) -> None:
        self._tree = tree
        self._batch = batch
        self._archive = archive
        self._metadata_only = metadata_only
        self._present: set[str] = set()
        self._blobs = self._bytes = self._absent_layers = self._absent_manifests = 0

    def copy(self, placed: Placed) -> Imported | None:
        image = placed.image
        self._blobs = self._bytes = self._absent_layers = self._absent_manifests = 0
        data = self._read(image.digest, image.place)
        if data is None and self._archive.partial:
            return None
        if data is None:
            raise InputError(f"{self._archive.name}: the manifest of {placed} is not there")
        links = manifest_links(data)
        media_type = self._media_type(image.media_type, data, links, f"{placed}")
        self._require_size(f"the manifest of {placed}", len(data), image.size)
        self._content(links, image.place, f"{placed}", media_type, 0)
        try:
            self._batch.put_manifest(
                placed.host, placed.repository, data, media_type, placed.tag or None, digest=image.digest
            )
        except DigestError as error:
            raise InputError(f"{self._archive.name}: manifest of {placed}: {error}") from None
        self._count(image.digest, len(data))
        return Imported(
            image=f"{placed}",
            digest=image.digest,
            media_type=media_type,
            blobs=self._blobs,
            bytes=self._bytes,
            absent_layers=self._absent_layers,
            absent_manifests=self._absent_manifests,
        )

    def _content(self, links: Links, place: str, name: str, media_type: str, depth: int) -> None:
        """Copies what a manifest leads to."""
        if depth > _DEEPEST:
            raise InputError(f"{self._archive.name}: {name}: indexes in indexes, more than {_DEEPEST} deep")
        for child in links.children:
            self._child(child, place, name.partition(",")[0], depth)
        if media_type in INDEX_TYPES:
            return
        if links.config is not None and not self._blob(links.config, place, name) and not self._empty(links.config):
            where = "in it or in the tree; import what came before it first" if self._archive.partial else "there"
            raise InputError(f"{self._archive.name}: the config {links.config.digest} of {name} is not {where}")
        for layer in links.layers:
            wanted = not self._metadata_only
            if not (wanted and self._blob(layer, place, name)) and self._tree.store.find(layer.digest) is None:
                self._absent_layers += 1

    def _child(self, child: Descriptor, place: str, name: str, depth: int) -> None:
        if child.digest in self._present:
            return
        if not is_manifest_child(child):
            self._blob(child, place, name)
            return
        data = self._read(child.digest, place)
        if data is None:
            if self._tree.store.find(child.digest) is None:
                self._absent_manifests += 1
            return
        name_of_child = f"{name}, manifest {child.digest}"
        links = manifest_links(data)
        media_type = self._media_type(child.media_type, data, links, name_of_child)
        self._require_size(name_of_child, len(data), child.size)
        self._content(links, place, name_of_child, media_type, depth + 1)
        try:
            self._batch.put_manifest_content(data, media_type, child.digest)
        except DigestError as error:
            raise InputError(f"{self._archive.name}: {name}: manifest: {error}") from None
        self._count(child.digest, len(data))

    def _media_type(self, stated: str, data: bytes, links: Links, name: str) -> str:
        """What a manifest is. One of which nothing can be read is none, whatever it is called."""
        found = guessed_media_type(data, links)
        unread = not found and (not stated or stated in MANIFEST_TYPES) and next(links.descriptors(), None) is None
        if unread:
            raise InputError(f"{self._archive.name}: {name} is no image manifest")
        return stated or found

    def _require_size(self, what: str, size: int, stated: int) -> None:
        if stated not in {size, -1}:
            raise InputError(f"{self._archive.name}: {what} has {size} bytes; expected {stated}")

    def _read(self, digest: str, place: str) -> bytes | None:
        stream = self._archive.content(digest, place)
        if stream is None and self._archive.partial:
            return self._tree.store.read_manifest(digest, "")
        if stream is None:
            return None
        with stream:
            data = stream.read(MAX_MANIFEST + 1)
        if len(data) > MAX_MANIFEST:
            raise InputError(f"{self._archive.name}: manifest {digest}: more than {MAX_MANIFEST} bytes")
        return data

    def _blob(self, descriptor: Descriptor, place: str, name: str) -> bool:
        """Copies a blob, unless the tree has it; returns whether it has it now."""
        digest = descriptor.digest
        if digest in self._present:
            return True
        found = self._tree.store.find(digest)
        if found is not None and self._tree.store.verify(found, digest):
            self._present.add(digest)
            return True
        stream = self._archive.content(digest, place)
        if stream is None:
            return False
        with stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            self._require_size(f"{name}: {digest}", size, descriptor.size)
            try:
                self._store(stream, size, digest)
            except DigestError as error:
                raise InputError(f"{self._archive.name}: content of {name}: {error}") from None
        self._count(digest, size)
        return True

    def _store(self, stream: BinaryIO, size: int, digest: str) -> None:
        """Takes so many bytes; a file that grows meanwhile is not followed."""
        if size < _CHUNK:
            self._batch.put_blob(stream.read(size), digest)
            return
        self._require_room(size, digest)
        with self._tree.blob_writer(digest.partition(":")[0]) as writer:
            while size and (data := stream.read(min(size, _CHUNK))):
                writer.write(data)
                size -= len(data)
            writer.commit(digest)

    def _require_room(self, size: int, digest: str) -> None:
        free = shutil.disk_usage(self._tree.root).free
        if size > free:
            raise InputError(f"{self._archive.name}: {digest} has {size} bytes; {self._tree.root} has {free} free")

    def _empty(self, config: Descriptor) -> bool:
        """Puts the empty config of an artifact, which some tools do not store, since everybody knows it."""
        if config.digest != compute_digest(_EMPTY):
            return False
        self._batch.put_blob(_EMPTY)
        self._count(config.digest, len(_EMPTY))
        return True

    def _count(self, digest: str, size: int) -> None:
        if digest not in self._present:
            self._present.add(digest)
            self._blobs += 1
            self._bytes += size
