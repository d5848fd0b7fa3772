"""Copying what a manifest leads to: the manifests below it, configs and layers, each once."""

from __future__ import annotations

from typing import Final, NamedTuple

from fake_registry.fixtures import Tree
from fake_registry.oci import INDEX_TYPES, SCHEMA1_TYPES, Descriptor, Links, manifest_links
from mirror.seed.copy_options import CopyOptions
from mirror.seed.downloads import Download
from mirror.seed.outcome import Account, Progress, Turns, together
from mirror.seed.platforms import wanted_children
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.repository import Fetched, Repository
from mirror.seed.tree_content import TreeContent
from mirror.seed.tree_writer import TreeWriter

SMALL: Final = 1 << 20
"""Bytes of the largest blob that goes through memory; with metadata only, of the payload of a signature."""

DEEPEST: Final = 8
"""Levels of indexes below an index."""


class _Walk(NamedTuple):
    """The way through all that one image leads to.

    ``levels`` says of each manifest that was passed how many levels there are below it, so that it need not be walked
    again to know whether another way to it is too deep; None: the registry does not have it.
    """

    origin: Repository
    account: Account
    payload: bool
    levels: dict[str, int | None]


class ContentCopier:
    """Copies content; several at once do not fetch the same."""

    def __init__(
        self, tree: Tree, held: TreeContent, writer: TreeWriter, options: CopyOptions, progress: Progress
    ) -> None:
        self._tree = tree
        self._held = held
        self._writer = writer
        self._options = options
        self._progress = progress
        self._turns = Turns()

    def is_complete(self, descriptor: Descriptor, *, payload: bool) -> bool:
        """Whether the tree has everything of an image that these options would copy. Each manifest is read once."""
        below: dict[str, dict[str, Descriptor]] = {}
        level = {descriptor.digest: descriptor}
        for _ in range(DEEPEST + 1):
            following: dict[str, Descriptor] = {}
            for digest, one in level.items():
                if digest not in below:
                    data = self._held.manifest(digest, one.media_type)
                    if data is None:
                        return False
                    links = manifest_links(data)
                    if not all(map(self._held.has, self.wanted_blobs(links, payload=payload))):
                        return False
                    below[digest] = {child.digest: child for child in self._children(one, data, links)}
                following |= below[digest]
            level = following
        return not level

    def _children(self, descriptor: Descriptor, data: bytes, links: Links) -> list[Descriptor]:
        """The manifests of an index that are wanted.

        One of schema 1 has none: its digest leaves signatures out, so that there it could even name itself.
        """
        if descriptor.media_type in SCHEMA1_TYPES:
            return []
        return wanted_children(data, links, self._options.platforms)

    def held(self, image: Fetched) -> list[Fetched]:
        """An image and, of an index, the manifests below it that are wanted and there, each once."""
        found = {image.descriptor.digest: image}
        level = [image]
        for _ in range(DEEPEST):
            below: list[Fetched] = []
            for descriptor, data in level:
                for child in self._children(descriptor, data, manifest_links(data)):
                    held = None if child.digest in found else self._held.manifest(child.digest, child.media_type)
                    if held is not None:
                        found[child.digest] = Fetched(child, held)
                        below.append(found[child.digest])
            level = below
        return list(found.values())

    async def manifest(self, origin: Repository, reference: str, media_type: str, account: Account) -> Fetched:
        """A manifest from the tree, else from a registry."""
        if ":" in reference:
            known = self._held.media_type(reference, media_type)
            data = self._held.manifest(reference, known) if known else None
            if data is not None:
                return Fetched(Descriptor(media_type=known, digest=reference, size=len(data)), data)
        fetched = await origin.manifest(reference, media_type)
        descriptor = fetched.descriptor
        if self._held.plan(descriptor.digest) and self._held.manifest(descriptor.digest, descriptor.media_type) is None:
            account.add(len(fetched.data))
        return fetched

    async def content(
        self,
        origin: Repository,
        descriptor: Descriptor,
        data: bytes,
        account: Account,
        *,
        payload: bool = False,
    ) -> None:
        """Copies what a manifest leads to, each manifest below it once, in however many ways it leads there."""
        await self._below(_Walk(origin, account, payload, {}), descriptor, data, 0)

    async def _below(self, walk: _Walk, descriptor: Descriptor, data: bytes, depth: int) -> None:
        _require_shallow(walk.origin, descriptor.digest, depth)
        links = manifest_links(data)
        children = self._children(descriptor, data, links)
        work = [self._child(walk, child, depth + 1) for child in children]
        work += [self._blob(walk.origin, blob, walk.account) for blob in self.wanted_blobs(links, payload=walk.payload)]
        if descriptor.media_type in SCHEMA1_TYPES and self._options.metadata_only:
            work += [self._size(walk.origin, layer.digest) for layer in links.layers]
        await together(work)
        if children and all(walk.levels[child.digest] is None for child in children):
            raise RemoteError(f"{walk.origin}@{descriptor.digest}: none of the manifests of this index is there")
        levels = (walk.levels[child.digest] for child in children)
        walk.levels[descriptor.digest] = max((below + 1 for below in levels if below is not None), default=0)

    async def _child(self, walk: _Walk, child: Descriptor, depth: int) -> None:
        """Copies a manifest of an index. That the registry does not have it is no reason to do without the others."""
        origin, account = walk.origin, walk.account
        async with self._turns.alone(f"manifest {child.digest}"):
            if child.digest in walk.levels:
                _require_shallow(origin, child.digest, depth + (walk.levels[child.digest] or 0))
                return
            try:
                descriptor, data = await self.manifest(origin, child.digest, child.media_type, account)
            except RemoteError as error:
                if error.status != 404:
                    raise
                account.missing.append(child.digest)
                walk.levels[child.digest] = None
                return
            await self._below(walk, descriptor, data, depth)
            if not self._options.dry_run:
                await self._writer.content(data, descriptor.media_type, descriptor.digest)
            elif descriptor.media_type in INDEX_TYPES:
                self._held.plan_index(descriptor.digest, data)

    async def _blob(self, origin: Repository, blob: Descriptor, account: Account) -> None:
        """Copies a blob, unless somebody has or does already."""
        async with self._turns.alone(blob.digest):
            if self._held.has(blob):
                return
            if self._options.dry_run:
                self._held.plan(blob.digest)
                account.add(blob.size)
            elif 0 <= blob.size <= SMALL:
                data = await origin.small_blob(blob.digest, SMALL)
                if len(data) != blob.size:
                    raise RemoteError(f"{origin}@{blob.digest}: {len(data)} bytes; its manifest says {blob.size}")
                await self._writer.blob(data, blob.digest)
                account.add(blob.size)
            else:
                account.add(await self._large(origin, blob))

    async def _large(self, origin: Repository, blob: Descriptor) -> int:
        """Downloads a large blob; returns how many bytes it has."""
        digest = blob.digest
        self._progress.begun(digest, blob.size)
        try:
            async with Download(
                self._tree.store, digest, lambda count: self._progress.received(digest, count)
            ) as download:
                await origin.blob(blob, download)
                await download.commit()
                return download.size
        finally:
            self._progress.ended(digest)

    async def _size(self, origin: Repository, digest: str) -> None:
        """Asks for the size of a layer of schema 1, where the layer itself is not copied."""
        async with self._turns.alone(digest):
            if self._held.knows_size(digest):
                return
            size = await origin.blob_size(digest)
            if size is not None and not self._options.dry_run:
                self._writer.size(digest, size)

    def wanted_blobs(self, links: Links, *, payload: bool) -> list[Descriptor]:
        """The blobs of a manifest that are copied. Layers that nobody distributes are not."""
        if not self._options.metadata_only:
            found = links.blobs()
        elif payload or links.subject is not None:
            found = (blob for blob in links.blobs() if blob == links.config or 0 <= blob.size <= SMALL)
        else:
            found = iter(() if links.config is None else (links.config,))
        return [blob for blob in found if not _stays_away(blob)]


def _require_shallow(origin: Repository, digest: str, depth: int) -> None:
    if depth > DEEPEST:
        raise RemoteError(f"{origin}@{digest}: indexes more than {DEEPEST} deep")


def _stays_away(blob: Descriptor) -> bool:
    """Whether a layer is one that registries need not have (OCI image specification, "Non-Distributable Layers")."""
    return ".nondistributable." in blob.media_type or ".foreign." in blob.media_type
