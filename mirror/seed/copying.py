"""Copying images from registries into a tree: many at once, each whole or not at all, nothing rewritten.

What is in the tree is not asked for again, and one image that fails does not stop the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Tree
from fake_registry.oci import INDEX_TYPES, SCHEMA1_TYPES, Descriptor, Links, manifest_links
from mirror.errors import InputError
from mirror.seed.downloads import Download
from mirror.seed.outcome import Account, ImageResult, Progress, Status, Turns, together
from mirror.seed.platforms import WantedPlatform, platforms_of, wanted_children
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registries import Registries
from mirror.seed.remote.repository import Fetched, Repository
from mirror.seed.sources import Source
from mirror.seed.tag_filters import TagFilter, attached_to
from mirror.seed.tree_writer import TreeWriter

SMALL: Final = 1 << 20
"""Bytes of the largest blob that goes through memory; with metadata only, of the payload of a signature."""

_DEEPEST: Final = 8
_REFERRERS_DEEPEST: Final = 3


class CopyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to copy.

    ``metadata_only``: no layers, but what signatures and attestations say. ``referrers``: signatures, attestations and
    whatever else refers to an image; with ``refresh`` those of images that have not changed are asked for, too.
    ``dry_run`` writes nothing. ``concurrency`` is the number of images at once.
    """

    platforms: Sequence[WantedPlatform] = ()
    metadata_only: bool = False
    referrers: bool = True
    refresh: bool = False
    dry_run: bool = False
    concurrency: int = 8


class CopySummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run did, its images by name. ``requests`` counts everything that was asked of any server."""

    copied: int
    unchanged: int
    failed: int
    planned: int
    blobs: int
    bytes: int
    requests: int
    images: list[ImageResult]


class _Job(msgspec.Struct, frozen=True):
    """An image; ``attached`` are the tags of its repository that belong to images, by digest; None: nobody looked."""

    source: Source
    attached: dict[str, list[str]] | None


async def copy_images(
    tree: Tree,
    registries: Registries,
    sources: Iterable[Source],
    options: CopyOptions,
    progress: Progress,
    tags: TagFilter | None = None,
    refused: Iterable[ImageResult] = (),
) -> CopySummary:
    """Copies images into a tree; `tags` says which of those of whole repositories.

    The summary also has what was `refused` before anything was asked for.

    Raises:
        TreeError: the tree cannot be written.
    """
    copier = _Copier(tree, registries, options, progress, tags or TagFilter())
    for result in refused:
        copier.refuse(result)
    try:
        await copier.run(sources)
    finally:
        await copier.writer.close()
    results = sorted(copier.results, key=lambda result: result.image)
    count = {status: sum(result.status == status for result in results) for status in ("copied", "unchanged", "failed")}
    return CopySummary(
        **count,
        planned=sum(result.status == "planned" for result in results),
        blobs=sum(result.blobs for result in results),
        bytes=sum(result.bytes for result in results),
        requests=registries.network.requests,
        images=results,
    )


class _Copier:
    """One run."""

    def __init__(
        self, tree: Tree, registries: Registries, options: CopyOptions, progress: Progress, tags: TagFilter
    ) -> None:
        self.tree = tree
        self.writer = TreeWriter(tree)
        self.results: list[ImageResult] = []
        self._registries = registries
        self._options = options
        self._progress = progress
        self._tags = tags
        self._there: set[str] = set()
        self._turns = Turns()
        self._attached: dict[str, asyncio.Task[dict[str, list[str]]]] = {}

    async def run(self, sources: Iterable[Source]) -> None:
        queue: asyncio.Queue[_Job | None] = asyncio.Queue(4 * self._options.concurrency)
        workers = [self._work(queue) for _ in range(self._options.concurrency)]
        await together([self._fill(queue, sources, len(workers)), *workers])

    async def _fill(self, queue: asyncio.Queue[_Job | None], sources: Iterable[Source], workers: int) -> None:
        for source in sources:
            if source.is_repository:
                for job in await self._jobs(source):
                    await queue.put(job)
            else:
                self._progress.found(1)
                await queue.put(_Job(source, None))
        for _ in range(workers):
            await queue.put(None)

    async def _jobs(self, source: Source) -> list[_Job]:
        """The images of a whole repository."""
        try:
            tags = await self._listed(source)
        except RemoteError as error:
            self._progress.found(1)
            self._done(ImageResult(image=str(source), status="failed", reason=str(error)))
            return []
        chosen = self._tags.chosen(tags)
        if not chosen:
            self._progress.found(1)
            reason = f"none of its {len(tags)} tags is wanted" if tags else "it has no tags"
            self._done(ImageResult(image=str(source), status="failed", reason=reason))
        attached = _attached(set(tags) - set(chosen))
        self._progress.found(len(chosen))
        return [_Job(msgspec.structs.replace(source, tag=tag), attached) for tag in chosen]

    async def _listed(self, source: Source) -> list[str]:
        failure: RemoteError | None = None
        for origin in await self._registries.places(source.host, source.repository, by_digest=False):
            try:
                return await origin.tags()
            except RemoteError as error:
                failure = error
        raise failure or RemoteError(f"{source}: nowhere to pull it from")

    async def _work(self, queue: asyncio.Queue[_Job | None]) -> None:
        while (job := await queue.get()) is not None:
            self._done(await self._image(job))

    def refuse(self, result: ImageResult) -> None:
        """Takes the result of an image that cannot even be asked for."""
        self._progress.found(1)
        self._done(result)

    def _done(self, result: ImageResult) -> None:
        self.results.append(result)
        self._progress.done(result)

    async def _image(self, job: _Job) -> ImageResult:
        """Copies an image from the first place that has it."""
        source = job.source
        reason = ""
        try:
            self.tree.check_names(source.host, source.repository)
            places = await self._registries.places(source.host, source.repository, by_digest=bool(source.digest))
        except (RemoteError, TreeError) as error:
            return ImageResult(image=str(source), status="failed", reason=str(error))
        for origin in places:
            try:
                return await self._copied(job, origin)
            except (RemoteError, InputError, ContentError) as error:
                reason = f"{reason}; {error}" if reason else str(error)
        return ImageResult(image=str(source), status="failed", reason=reason)

    async def _copied(self, job: _Job, origin: Repository) -> ImageResult:
        source, account = job.source, Account()
        known = self._known(source)
        digest = source.digest
        if not digest and known is not None:
            digest = await origin.digest(source.tag) or ""
        if known is not None and digest == known.digest and self._is_complete(known, source):
            if self._options.referrers and self._options.refresh:
                await self._referrers(job, origin, digest, account, 0)
            status: Status = "unchanged" if not account.blobs else self._success
            return self._result(source, status, digest, account)
        manifest = await self._manifest(origin, digest or source.tag, "", account)
        descriptor, data = manifest
        await self._content(origin, descriptor, data, account, 0)
        if self._options.platforms and descriptor.media_type in INDEX_TYPES:
            self._require_platform(manifest)
        if not self._options.dry_run:
            await self.writer.manifest(
                source.host, source.repository, data, descriptor.media_type, source.tag, descriptor.digest
            )
        if self._options.referrers and attached_to(source.tag) is None:
            for child in wanted_children(data, manifest_links(data), self._options.platforms):
                await self._attachments(job, origin, child.digest, account)
            await self._referrers(job, origin, descriptor.digest, account, 0)
        return self._result(source, self._success, descriptor.digest, account)

    @property
    def _success(self) -> Status:
        return "planned" if self._options.dry_run else "copied"

    def _result(self, source: Source, status: Status, digest: str, account: Account) -> ImageResult:
        return ImageResult(
            image=str(source),
            status=status,
            digest=digest,
            blobs=account.blobs,
            bytes=account.bytes,
            referrers=account.referrers,
            missing=sorted(account.missing),
        )

    # --- What is there ------------------------------------------------------------------------------------------

    def _known(self, source: Source) -> Descriptor | None:
        """The manifest that the tree has under the name of a source."""
        try:
            snapshot = self.tree.snapshot(source.host, source.repository)
        except TreeError:
            return None  # said when it is written
        if snapshot is None:
            return None
        if not source.tag:
            return snapshot.listed.get(source.digest)
        return snapshot.tags.get(source.tag)

    def _is_complete(self, descriptor: Descriptor, source: Source, depth: int = 0) -> bool:
        """Whether the tree has everything of an image that these options would copy."""
        data = self._read(descriptor.digest, descriptor.media_type)
        if data is None or depth > _DEEPEST:
            return False
        links = manifest_links(data)
        children = wanted_children(data, links, self._options.platforms)
        blobs = self._wanted_blobs(links, payload=attached_to(source.tag) is not None)
        return all(self._has(blob) for blob in blobs) and all(
            self._is_complete(child, source, depth + 1) for child in children
        )

    def _has(self, blob: Descriptor) -> bool:
        if blob.digest in self._there:
            return True
        found = self.tree.store.find(blob.digest)
        if found is None or blob.size not in {found.size, -1}:
            return False
        self._there.add(blob.digest)
        return True

    def _read(self, digest: str, media_type: str) -> bytes | None:
        data = self.writer.pending(digest)
        if data is not None:
            return data
        try:
            return self.tree.store.read_manifest(digest, media_type)
        except (ContentError, TreeError):
            return None  # comes again

    def _wanted_blobs(self, links: Links, *, payload: bool) -> list[Descriptor]:
        """The blobs of a manifest that are copied. Layers that nobody distributes are not."""
        if not self._options.metadata_only:
            found = links.blobs()
        elif payload or links.subject is not None:
            found = (blob for blob in links.blobs() if blob == links.config or 0 <= blob.size <= SMALL)
        else:
            found = iter(() if links.config is None else (links.config,))
        return [blob for blob in found if not _stays_away(blob)]

    # --- What is not --------------------------------------------------------------------------------------------

    async def _manifest(self, origin: Repository, reference: str, media_type: str, account: Account) -> Fetched:
        """A manifest from the tree, else from a registry."""
        if ":" in reference:
            known = self._listed_type(reference, media_type)
            data = self._read(reference, known) if known else None
            if data is not None:
                return Fetched(Descriptor(media_type=known, digest=reference, size=len(data)), data)
        fetched = await origin.manifest(reference, media_type)
        if fetched.descriptor.digest not in self._there:
            self._there.add(fetched.descriptor.digest)
            account.add(len(fetched.data))
        return fetched

    def _listed_type(self, digest: str, media_type: str) -> str:
        """The media type of a manifest that the tree may have: what names it knows, else it says so itself."""
        if media_type:
            return media_type
        data = self.writer.pending(digest)
        if data is None:
            try:
                data = self.tree.store.read_manifest(digest, "")
            except (ContentError, TreeError):
                return ""
        return "" if data is None else manifest_links(data).media_type

    async def _content(
        self,
        origin: Repository,
        descriptor: Descriptor,
        data: bytes,
        account: Account,
        depth: int,
        *,
        payload: bool = False,
    ) -> None:
        """Copies what a manifest leads to."""
        if depth > _DEEPEST:
            raise RemoteError(f"{origin}@{descriptor.digest}: indexes more than {_DEEPEST} deep")
        links = manifest_links(data)
        children = wanted_children(data, links, self._options.platforms)
        work = [self._child(origin, child, account, depth + 1, payload=payload) for child in children]
        blobs = self._wanted_blobs(links, payload=payload)
        work += [self._blob(origin, blob, account) for blob in blobs]
        if descriptor.media_type in SCHEMA1_TYPES and self._options.metadata_only:
            work += [self._size(origin, layer.digest) for layer in links.layers]
        before = len(account.missing)
        await together(work)
        if children and len(account.missing) - before >= len(children):
            raise RemoteError(f"{origin}@{descriptor.digest}: none of the manifests of this index is there")

    async def _child(
        self, origin: Repository, child: Descriptor, account: Account, depth: int, *, payload: bool
    ) -> None:
        """Copies a manifest of an index. That the registry does not have it is no reason to do without the others."""
        async with self._turns.alone(f"manifest {child.digest}"):
            try:
                descriptor, data = await self._manifest(origin, child.digest, child.media_type, account)
            except RemoteError as error:
                if error.status != 404:
                    raise
                account.missing.append(child.digest)
                return
            await self._content(origin, descriptor, data, account, depth, payload=payload)
            if not self._options.dry_run:
                await self.writer.content(data, descriptor.media_type, descriptor.digest)

    async def _blob(self, origin: Repository, blob: Descriptor, account: Account) -> None:
        """Copies a blob, unless somebody has or does already."""
        async with self._turns.alone(blob.digest):
            if self._has(blob):
                return
            if self._options.dry_run:
                account.add(blob.size)
            elif 0 <= blob.size <= SMALL:
                data = await origin.small_blob(blob.digest, SMALL)
                if len(data) != blob.size:
                    raise RemoteError(f"{origin}@{blob.digest}: {len(data)} bytes; its manifest says {blob.size}")
                await self.writer.blob(data, blob.digest)
                account.add(blob.size)
            else:
                account.add(await self._large(origin, blob))
            self._there.add(blob.digest)

    async def _large(self, origin: Repository, blob: Descriptor) -> int:
        """Downloads a large blob; returns how many bytes it has."""
        digest = blob.digest
        self._progress.begun(digest, blob.size)
        try:
            async with Download(
                self.tree.store, digest, lambda count: self._progress.received(digest, count)
            ) as download:
                await origin.blob(blob, download)
                await download.commit()
                return download.size
        finally:
            self._progress.ended(digest)

    async def _size(self, origin: Repository, digest: str) -> None:
        """Asks for the size of a layer of schema 1, where the layer itself is not copied."""
        async with self._turns.alone(digest):
            if digest in self._there or self.tree.store.find(digest) or digest in self.tree.store.sizes():
                return
            size = await origin.blob_size(digest)
            if size is not None and not self._options.dry_run:
                self.writer.size(digest, size)
                self._there.add(f"size of {digest}")

    def _require_platform(self, manifest: Fetched) -> None:
        """An index without any of the wanted platforms is not what was meant."""
        data = manifest.data
        if not wanted_children(data, manifest_links(data), self._options.platforms):
            wanted = ", ".join(map(str, self._options.platforms))
            has = ", ".join(dict.fromkeys(platforms_of(data))) or "none"
            raise RemoteError(f"nothing for {wanted}; its index has {has}")

    # --- What belongs to it -------------------------------------------------------------------------------------

    async def _referrers(self, job: _Job, origin: Repository, digest: str, account: Account, depth: int) -> None:
        """Copies what refers to a manifest: what the registry lists, and what tags name after it."""
        if depth >= _REFERRERS_DEEPEST:
            return
        source = job.source
        await self._attachments(job, origin, digest, account)
        for referrer in await origin.referrers(digest) or ():
            if self._read(referrer.digest, referrer.media_type) is None:
                await self._referrer(source, origin, referrer.digest, "", account)
            await self._referrers(job, origin, referrer.digest, account, depth + 1)

    async def _attachments(self, job: _Job, origin: Repository, digest: str, account: Account) -> None:
        """Copies what tags name after a manifest, as cosign's do."""
        source = job.source
        attached = job.attached if job.attached is not None else await self._attached_tags(origin)
        for tag in attached.get(digest, ()):
            known = self._known(msgspec.structs.replace(source, tag=tag, digest=""))
            found = (await origin.digest(tag)) if known is not None else None
            if known is None or found != known.digest:
                await self._referrer(source, origin, tag, tag, account)

    async def _referrer(self, source: Source, origin: Repository, reference: str, tag: str, account: Account) -> None:
        try:
            descriptor, data = await self._manifest(origin, reference, "", account)
        except RemoteError as error:
            if error.status != 404:
                raise
            return  # deleted meanwhile, or a list that is out of date
        await self._content(origin, descriptor, data, account, 0, payload=True)
        account.referrers += 1
        if not self._options.dry_run:
            media_type = descriptor.media_type
            await self.writer.manifest(source.host, source.repository, data, media_type, tag, descriptor.digest)

    async def _attached_tags(self, origin: Repository) -> dict[str, list[str]]:
        """The tags of a repository that belong to images, looked at once."""
        name = str(origin)
        if name not in self._attached:
            self._attached[name] = asyncio.create_task(_look(origin))
        return await asyncio.shield(self._attached[name])


def _stays_away(blob: Descriptor) -> bool:
    """Whether a layer is one that registries need not have (OCI image specification, "Non-Distributable Layers")."""
    return ".nondistributable." in blob.media_type or ".foreign." in blob.media_type


async def _look(origin: Repository) -> dict[str, list[str]]:
    try:
        return _attached(await origin.tags())
    except RemoteError as error:
        if error.status in {401, 403, 404, 405}:
            return {}  # who may pull an image need not be allowed to list tags
        raise


def _attached(tags: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in sorted(tags):
        digest = attached_to(tag)
        if digest is not None:
            found.setdefault(digest, []).append(tag)
    return found
