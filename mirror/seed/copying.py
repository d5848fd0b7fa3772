"""Copying images from registries into a tree: many at once, each whole or not at all, nothing rewritten.

What is in the tree is not asked for again, and one image that fails does not stop the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Tree
from fake_registry.oci import INDEX_TYPES, manifest_links
from mirror.errors import InputError
from mirror.seed.attachments import Attached, Attachments, attachments
from mirror.seed.content_copier import ContentCopier
from mirror.seed.copy_options import CopyOptions
from mirror.seed.outcome import Account, ImageResult, Progress, Status, together
from mirror.seed.platforms import platforms_of, wanted_children
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registries import Registries
from mirror.seed.remote.repository import Fetched, Repository
from mirror.seed.signatures import Signatures
from mirror.seed.sources import Source
from mirror.seed.tag_filters import TagFilter, attached_to
from mirror.seed.tree_content import TreeContent
from mirror.seed.tree_writer import TreeWriter


class CopySummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run did, its images by name. ``requests`` counts everything that was asked of any server,
    ``unaskedIndexes`` the indexes that have nothing in the registry's list of referrers, so that nobody asked what
    refers to their manifests."""

    copied: int
    unchanged: int
    failed: int
    planned: int
    blobs: int
    bytes: int
    requests: int
    unasked_indexes: int
    images: list[ImageResult]


_Count = Literal["copied", "unchanged", "failed", "planned", "blobs", "bytes", "unasked_indexes"]


class _Job(msgspec.Struct, frozen=True):
    """An image, and its ``place`` in the tree.

    ``attached`` are the tags of its repository that belong to images, by digest; None: nobody looked.
    """

    source: Source
    place: Source
    attached: Attached | None


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
    registries.tell(progress.waits)
    for result in refused:
        copier.refuse(result)
    try:
        if not options.dry_run:
            await copier.writer.begin()
        await copier.run(sources)
    finally:
        await copier.writer.close()
    return CopySummary(
        **copier.counts,
        requests=registries.network.requests,
        images=sorted(copier.results, key=lambda result: result.image),
    )


class _Copier:
    """One run."""

    def __init__(
        self, tree: Tree, registries: Registries, options: CopyOptions, progress: Progress, tags: TagFilter
    ) -> None:
        self.tree = tree
        self.writer = TreeWriter(tree)
        self.results: list[ImageResult] = []
        self.counts: dict[_Count, int] = dict.fromkeys(get_args(_Count), 0)
        self._held = TreeContent(tree, self.writer, dry_run=options.dry_run)
        self._content = ContentCopier(tree, self._held, self.writer, options, progress)
        self._attachments = Attachments(self._held, self._content, self.writer, options)
        self._signatures = Signatures(self._held, self.writer, options)
        self._registries = registries
        self._options = options
        self._progress = progress
        self._tags = tags

    async def run(self, sources: Iterable[Source]) -> None:
        queue: asyncio.Queue[_Job | None] = asyncio.Queue(4 * self._options.concurrency)
        workers = [self._work(queue) for _ in range(self._options.concurrency)]
        await together([self._fill(queue, sources, len(workers)), *workers])

    async def _fill(self, queue: asyncio.Queue[_Job | None], sources: Iterable[Source], workers: int) -> None:
        for source in sources:
            if source.is_repository:
                tags, attached = await self._chosen(source)
                for tag in tags:
                    await queue.put(self._job(msgspec.structs.replace(source, tag=tag), attached))
            else:
                self._progress.found(1)
                await queue.put(self._job(source, None))
        for _ in range(workers):
            await queue.put(None)

    async def _chosen(self, source: Source) -> tuple[list[str], Attached]:
        """The tags of a whole repository that are wanted, and those of the others that belong to images."""
        try:
            tags = await self._listed(source)
        except RemoteError as error:
            self._progress.found(1)
            self._done(ImageResult(image=str(source), status="failed", reason=str(error)))
            return [], {}
        chosen = self._tags.chosen(tags)
        if not chosen:
            self._progress.found(1)
            reason = f"none of its {len(tags)} tags is wanted" if tags else "it has no tags"
            self._done(ImageResult(image=str(source), status="failed", reason=reason))
        self._progress.found(len(chosen))
        return chosen, {} if self._tags.takes_all else attachments(set(tags) - set(chosen))

    def _job(self, source: Source, attached: Attached | None) -> _Job:
        destination = self._options.destination
        if destination is None:
            return _Job(source, source, attached)
        host, repository = destination.host, destination.repository
        tag = destination.tag or source.tag
        return _Job(source, Source(host, repository, tag, source.digest), attached)

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
        if self._options.list_images or result.status == "failed":
            self.results.append(result)
        if result.status != "pushed":
            self.counts[result.status] += 1
        self.counts["blobs"] += result.blobs
        self.counts["bytes"] += result.bytes
        self.counts["unasked_indexes"] += result.unasked_indexes
        self._progress.done(result)

    async def _image(self, job: _Job) -> ImageResult:
        """Copies an image from the first place that has it."""
        source = job.source
        reason = ""
        try:
            self.tree.check_names(job.place.host, job.place.repository)
            places = await self._registries.places(source.host, source.repository, by_digest=bool(source.digest))
        except (RemoteError, TreeError) as error:
            return self._failed(job, str(error))
        for origin in places:
            try:
                return await self._copied(job, origin)
            except (RemoteError, InputError, ContentError) as error:
                reason = f"{reason}; {error}" if reason else str(error)
        return self._failed(job, reason)

    async def _copied(self, job: _Job, origin: Repository) -> ImageResult:
        source, place, account = job.source, job.place, Account()
        known = self._held.named(place)
        digest = source.digest
        if not digest and known is not None:
            digest = await origin.digest(source.tag) or ""
        payload = attached_to(source.tag) is not None
        if known is not None and digest == known.digest and self._content.is_complete(known, payload=payload):
            data = self._held.manifest(known.digest, known.media_type)
            if self._options.refresh and data is not None:
                await self._attached(job, origin, Fetched(known, data), account)
            status: Status = "unchanged" if not account.blobs else self._success
            return self._result(job, status, digest, account)
        manifest = await self._content.manifest(origin, digest or source.tag, "", account)
        descriptor, data = manifest
        await self._content.content(origin, descriptor, data, account)
        if self._options.platforms and descriptor.media_type in INDEX_TYPES:
            self._require_platform(manifest)
        # Before the image itself: one that is there has all that belongs to it.
        await self._attached(job, origin, manifest, account)
        if not self._options.dry_run:
            await self.writer.manifest(
                place.host, place.repository, data, descriptor.media_type, place.tag, descriptor.digest
            )
        return self._result(job, self._success, descriptor.digest, account)

    async def _attached(self, job: _Job, origin: Repository, manifest: Fetched, account: Account) -> None:
        """Copies what belongs to an image and to those of its platforms that are wanted and there."""
        if self._options.referrers == "none" or attached_to(job.source.tag) is not None:
            return
        await self._attachments.copy(job.place, origin, manifest, account, job.attached)
        if origin.registry.offers_signatures:
            await self._signatures.copy(job.place, origin, self._content.held(manifest), account)

    @property
    def _success(self) -> Status:
        return "planned" if self._options.dry_run else "copied"

    def _failed(self, job: _Job, reason: str) -> ImageResult:
        return ImageResult(image=str(job.source), target=_target(job), status="failed", reason=reason)

    def _result(self, job: _Job, status: Status, digest: str, account: Account) -> ImageResult:
        return ImageResult(
            image=str(job.source),
            target=_target(job),
            status=status,
            digest=digest,
            blobs=account.blobs,
            bytes=account.bytes,
            referrers=account.referrers,
            unasked_indexes=account.unasked_indexes,
            missing=sorted(account.missing),
        )

    def _require_platform(self, manifest: Fetched) -> None:
        """An index without any of the wanted platforms is not what was meant."""
        data = manifest.data
        if not wanted_children(data, manifest_links(data), self._options.platforms):
            wanted = ", ".join(map(str, self._options.platforms))
            has = ", ".join(dict.fromkeys(platforms_of(data))) or "none"
            raise RemoteError(f"nothing for {wanted}; its index has {has}")


def _target(job: _Job) -> str:
    """Where an image goes, if it is not called what it is called where it comes from."""
    return "" if job.place == job.source else str(job.place)
