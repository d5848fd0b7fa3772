"""Pushing images from a tree to a registry.

What is there is not sent again, and what another repository of the registry has is mounted from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from fake_registry.errors import ContentError, TreeError
from fake_registry.oci import SCHEMA1_TYPES, Descriptor, Links, manifest_links
from fake_registry.simple_signing import Signature, kept_signature
from mirror.seed.mirror_sets import mirror_sets
from mirror.seed.outcome import Account, ImageResult, Progress, Status, Turns, together
from mirror.seed.platforms import wanted_children
from mirror.seed.pull_sources import Place
from mirror.seed.referrers_tags import list_referrer
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registries import Registries
from mirror.seed.remote.repository import Repository
from mirror.seed.targets import Shipment, Target
from mirror.seed.upload_sessions import UploadSession
from mirror.seed.uploads import Upload

_DEEPEST: Final = 8


class PushSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run did, its images by name. ``requests`` counts everything that was asked of any server.

    ``mirrorSets`` are the objects that point a cluster to what the registry has now (or would have).
    """

    pushed: int
    unchanged: int
    failed: int
    planned: int
    blobs: int
    mounted: int
    bytes: int
    requests: int
    images: list[ImageResult]
    mirror_sets: list[dict[str, Any]]


class _Job(msgspec.Struct, frozen=True):
    """A manifest that goes to a repository, under a tag or (empty) without."""

    shipment: Shipment
    tag: str
    descriptor: Descriptor

    def __str__(self) -> str:
        return f"{self.shipment.source}{f':{self.tag}' if self.tag else f'@{self.descriptor.digest}'}"

    @property
    def reference(self) -> str:
        """How the target is asked for it."""
        return self.tag or self.descriptor.digest


async def push_images(
    shipments: Iterable[Shipment],
    target: Target,
    registries: Registries,
    progress: Progress,
    *,
    dry_run: bool = False,
    concurrency: int = 8,
) -> PushSummary:
    """Pushes images; what refers to others comes after them. With `dry_run` the registry is only asked what it has."""
    found = list(shipments)
    pusher = _Pusher(target, registries, progress, dry_run=dry_run)
    jobs = [_Job(shipment, tag, descriptor) for shipment in found for tag, descriptor in shipment.images]
    progress.found(len(jobs))
    registries.tell(progress.waits)
    later = [job for job in jobs if _refers(job)]
    waiting = set(map(id, later))
    for group in ([job for job in jobs if id(job) not in waiting], later):
        queue = iter(group)
        await together([pusher.work(queue) for _ in range(min(concurrency, len(group)))])
    results = sorted(pusher.results, key=lambda result: result.image)
    there = {one.image for one in results if one.status != "failed"}
    arrived = [shipment for shipment in found if any(str(_Job(shipment, *image)) in there for image in shipment.images)]
    return PushSummary(
        pushed=_count(results, "pushed"),
        unchanged=_count(results, "unchanged"),
        failed=_count(results, "failed"),
        planned=_count(results, "planned"),
        blobs=sum(result.blobs for result in results),
        mounted=sum(result.mounted for result in results),
        bytes=sum(result.bytes for result in results),
        requests=registries.network.requests,
        images=results,
        mirror_sets=mirror_sets(arrived, target.host),
    )


def _count(results: list[ImageResult], status: Status) -> int:
    return sum(result.status == status for result in results)


def _refers(job: _Job) -> bool:
    """Whether a manifest refers to another one; one that cannot be read says why when its turn comes."""
    try:
        data = job.shipment.snapshot.read_manifest(job.descriptor)
    except (ContentError, TreeError):
        return False
    return data is not None and manifest_links(data).subject is not None


class _Pusher:
    """One run."""

    def __init__(self, target: Target, registries: Registries, progress: Progress, *, dry_run: bool) -> None:
        self.results: list[ImageResult] = []
        self._target = target
        self._registries = registries
        self._progress = progress
        self._dry_run = dry_run
        self._turns = Turns()
        self._manifests: set[tuple[str, str]] = set()
        self._blobs: set[tuple[str, str]] = set()
        self._holders: dict[str, str] = {}

    async def work(self, jobs: Iterator[_Job]) -> None:
        """Pushes one image after another, of those that others leave."""
        for job in jobs:
            result = await self._image(job)
            self.results.append(result)
            self._progress.done(result)

    async def _image(self, job: _Job) -> ImageResult:
        account = Account()
        reason = ""
        status: Status = "planned" if self._dry_run else "pushed"
        try:
            repository = await self._registries.repository(Place(self._target.host, job.shipment.target))
            if await repository.has_manifest(job.reference, job.descriptor.digest):
                status = "unchanged"
                self._note(repository, job)
            elif (signed := self._signature(repository, job)) is not None:
                status = await self._put_signature(repository, *signed, status)
            else:
                await self._manifest(repository, job, job.descriptor, account, 0)
        except (RemoteError, ContentError, TreeError) as error:
            status, reason = "failed", str(error)
        return ImageResult(
            image=str(job),
            target=f"{self._target.host}/{job.shipment.target}{job.tag and ':'}{job.tag}",
            status=status,
            digest=job.descriptor.digest,
            blobs=account.blobs,
            mounted=account.mounted,
            bytes=account.bytes,
            missing=sorted(account.missing),
            reason=reason,
        )

    def _signature(self, repository: Repository, job: _Job) -> tuple[str, Signature] | None:
        """The image and its signature, if a manifest is one, and the registry keeps such ones beside images."""
        if not repository.registry.offers_signatures:
            return None
        snapshot = job.shipment.snapshot
        data = snapshot.read_manifest(job.descriptor)
        known = None if data is None else kept_signature(manifest_links(data))
        content = None if known is None else snapshot.read_blob(known.layer)
        if known is None or not isinstance(content, bytes):
            return None
        signature = Signature(name=known.name, content=content)
        return None if signature.problem(known.image) else (known.image, signature)

    async def _put_signature(self, repository: Repository, image: str, signature: Signature, status: Status) -> Status:
        if any(there.name == signature.name for there in await repository.signatures(image)):
            return "unchanged"
        if not self._dry_run:
            await repository.push_signature(image, signature)
        return status

    def _note(self, repository: Repository, job: _Job) -> None:
        """What the registry has of an image that is there: other repositories may mount its blobs."""
        self._manifests.add((repository.name, job.descriptor.digest))
        data = job.shipment.snapshot.read_manifest(job.descriptor)
        for blob in manifest_links(data).blobs() if data is not None else ():
            self._hold(repository, blob.digest)

    def _hold(self, repository: Repository, digest: str) -> None:
        self._blobs.add((repository.name, digest))
        self._holders.setdefault(digest, repository.name)

    async def _manifest(
        self, repository: Repository, job: _Job, descriptor: Descriptor, account: Account, depth: int
    ) -> None:
        """Pushes a manifest after everything that it leads to."""
        if depth > _DEEPEST:
            raise RemoteError(f"{job}: indexes more than {_DEEPEST} deep")
        data = job.shipment.snapshot.read_manifest(descriptor)
        if data is None:
            if not depth:
                raise RemoteError(f"{job}: its manifest is not in the tree; ismirror data verify says more")
            account.missing.append(descriptor.digest)  # the registry says whether it takes an index without it
            return
        if (repository.name, descriptor.digest) not in self._manifests:
            links = manifest_links(data)
            children = wanted_children(data, links, ()) if descriptor.media_type not in SCHEMA1_TYPES else ()
            work = [self._child(repository, job, child, account, depth + 1) for child in children]
            await together([*work, *(self._blob(repository, job, blob, account) for blob in links.blobs())])
            account.add(len(data))
        if self._dry_run:
            self._manifests.add((repository.name, descriptor.digest))
            return
        reference = descriptor.digest if depth else job.reference
        described = msgspec.structs.replace(descriptor, size=len(data))
        lists_referrers = await repository.push_manifest(reference, described, data)
        self._manifests.add((repository.name, descriptor.digest))
        await self._list_referrer(repository, job, described, manifest_links(data), lists=lists_referrers)

    async def _child(self, repository: Repository, job: _Job, child: Descriptor, account: Account, depth: int) -> None:
        key = (repository.name, child.digest)
        async with self._turns.alone(f"{repository.name}@{child.digest}"):
            if key in self._manifests or child.digest in account.missing:
                return
            if await repository.has_manifest(child.digest, child.digest):
                self._manifests.add(key)
                return
            await self._manifest(repository, job, child, account, depth)

    async def _list_referrer(
        self, repository: Repository, job: _Job, descriptor: Descriptor, links: Links, *, lists: bool
    ) -> None:
        """Sees to it that a referrer can be found at a registry that keeps no lists of them."""
        if links.subject is None or lists:
            return
        tag = links.subject.digest.replace(":", "-")
        if tag not in job.shipment.snapshot.tags:  # else that list is pushed as it is
            async with self._turns.alone(f"{repository.name}:{tag}"):
                await list_referrer(repository, tag, descriptor, links)

    async def _blob(self, repository: Repository, job: _Job, blob: Descriptor, account: Account) -> None:
        """Uploads a blob, or mounts it, unless it is there. One at a time has it: the others can mount it then."""
        key = (repository.name, blob.digest)
        async with self._turns.alone(blob.digest):
            if key in self._blobs:
                return
            holder = self._holders.get(blob.digest, "")
            if (not holder or self._dry_run) and await repository.has_blob(blob.digest):
                self._hold(repository, blob.digest)
                return
            file = job.shipment.snapshot.find_blob(blob.digest)
            if file is None:
                if blob.urls:
                    return  # a layer that its makers distribute themselves
                if holder and await repository.has_blob(blob.digest):
                    self._hold(repository, blob.digest)
                    return
                raise RemoteError(f"{job}: {blob.digest} is not in the tree, which may have metadata only")
            if 0 <= blob.size != file.size:
                raise RemoteError(f"{job}: {blob.digest} has {file.size} bytes; its manifest says {blob.size}")
            mounted = bool(holder)
            if not self._dry_run:
                described = msgspec.structs.replace(blob, size=file.size)
                store = job.shipment.snapshot.store
                with (
                    Upload(file, blob.digest, self._progress) as upload,
                    UploadSession(store, repository.registry.host, repository.name, blob.digest) as session,
                ):
                    mounted = await repository.push_blob(described, upload.pieces, holder, session)
            if mounted:
                account.mounted += 1
            else:
                account.add(file.size)
            self._hold(repository, blob.digest)
