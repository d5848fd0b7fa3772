"""One pass over an import: images first, then the repository (importer.go ``Import``).

The engine never fails; every problem lands in a status. What the real one does in random order has a fixed order here,
and what does not depend on each other may run at the same time without a difference in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from fake_registry.errors import DigestError
from mirror.clock import RateLimit, Stopwatch, timestamp
from mirror.gotext import aggregate, quote
from mirror.importer import statuses
from mirror.importer.client import RawManifest, RepositoryClient, check_digest_form
from mirror.importer.connector import Connector
from mirror.importer.convert import HalfImage, check_integrity, image_of, list_image, schema1_image
from mirror.importer.failures import ClientFailure
from mirror.importer.layers import LayerSizes
from mirror.importer.manifests import (
    Descriptor,
    ImageManifest,
    ListManifest,
    Manifest,
    Schema1Manifest,
    content_digest,
    decode_manifest,
)
from mirror.importer.policy import ImportPolicy
from mirror.importer.tags import prioritize_tags
from mirror.importer.tracing import Attempt, Commons, ConversionKey, JobKey, Outcome, Trace
from mirror.importer.turns import Turn, Turns, gather
from mirror.importer.wire import Wire
from mirror.reference import InvalidReference, Named, Reference, check_digest, parse_normalized_named
from mirror.v1.image import Image
from mirror.v1.imagestream import PRESERVE_ORIGINAL
from mirror.v1.imagestreamimport import (
    ImageImportSpec,
    ImageImportStatus,
    ImageStreamImportSpec,
    ImageStreamImportStatus,
    RepositoryImportSpec,
    RepositoryImportStatus,
)

IMPORT_RATE: Final = 2.0
IMPORT_BURST: Final = 3
CLIENT_RATE: Final = 5.0
CLIENT_BURST: Final = 5

RepositoryKey = tuple[str, str]
CacheKey = tuple[RepositoryKey, str, str, str, str]


@dataclass(slots=True)
class Source:
    """One place that a manifest may come from: the reference as it is written there, and the client for it."""

    reference: str
    target: str
    client: RepositoryClient


@dataclass(slots=True)
class Plan:
    """Where to look for one manifest, in order; ``problem`` is the failure to work out the mirrors."""

    reference: str
    sources: list[Source | ClientFailure]


@dataclass(slots=True)
class Job:
    """One tag or digest of a repository to be fetched, and what came of it."""

    value: str
    mode: str
    architecture: str = ""
    os: str = ""
    is_digest: bool = False
    indexes: list[int] = field(default_factory=list)
    plan: Plan | None = None
    image: Image | None = None
    manifests: list[Image] | None = None
    failure: ClientFailure | None = None
    trace: Trace | None = None


@dataclass(slots=True)
class Group:
    """The jobs of one repository. The first spec that names it decides its spelling and whether it is insecure."""

    key: RepositoryKey
    reference: Reference
    insecure: bool
    prefix: str
    digests: dict[tuple[str, str], Job] = field(default_factory=dict)
    tags: dict[tuple[str, str, str, str], Job] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        """In the order in which they are fetched: digests before tags."""
        return [*self.digests.values(), *self.tags.values()]


class Importer:
    """One pass. Its connections, pings, tokens and images are its own; only layer sizes outlive it.

    With `commons` it shares what it resolves with other passes, unless what it does depends on who comes first. With
    `traced` it keeps what it did: ``image_traces`` by the place of a spec, ``tag_traces`` by the tag of the repository,
    ``listing_failure`` is why there are none of those.
    """

    def __init__(
        self,
        wire: Wire,
        policy: ImportPolicy,
        stopwatch: Stopwatch,
        sizes: LayerSizes,
        *,
        concurrency: int = 1,
        commons: Commons | None = None,
        traced: bool = False,
    ) -> None:
        self._policy = policy
        self._wire = wire
        self._commons = commons
        self._traced = traced
        self.image_traces: dict[int, Trace] = {}
        self.tag_traces: dict[str, Trace] = {}
        self.listing_failure: ClientFailure | None = None
        self._stopwatch = stopwatch
        self._sizes = sizes
        self._concurrency = concurrency
        self._connectors: dict[bool, Connector] = {}
        self._limit = RateLimit(stopwatch, IMPORT_RATE, IMPORT_BURST) if policy.paced else None
        self._cache: dict[CacheKey, Image] = {}
        # Of the whole pass: what runs at the same time sleeps on the same clock.
        self._now = timestamp(stopwatch.clock.now())

    async def run(self, spec: ImageStreamImportSpec) -> ImageStreamImportStatus:
        """Imports everything that `spec` names and reports on it.

        Raises:
            DeadlineExceeded: the request's time ran out.
        """
        status = ImageStreamImportStatus()
        if spec.images:
            status.images = await self._import_images(spec.images)
        if spec.repository is not None:
            status.repository = await self._import_repository(spec.repository)
        return status

    # Images

    async def _import_images(self, specs: Sequence[ImageImportSpec]) -> list[ImageImportStatus]:
        results = [ImageImportStatus() for _ in specs]
        groups: dict[RepositoryKey, Group] = {}
        for index, spec in enumerate(specs):
            reference = self._reference_to_import(spec, results[index])
            if reference is not None:
                self._add_image(groups, index, spec, reference)
        await self._fetch([(group, job) for group in groups.values() for job in group.jobs])
        for group in groups.values():
            for job in (*group.tags.values(), *group.digests.values()):
                if job.image is not None:
                    self._cache[group.key, job.value, job.architecture, job.os, job.mode] = job.image
                for index in job.indexes:
                    _report(results[index], group, job)
                    if job.trace is not None:
                        self.image_traces[index] = job.trace
        return results

    def _reference_to_import(
        self, spec: ImageImportSpec | RepositoryImportSpec, result: ImageImportStatus | RepositoryImportStatus
    ) -> Reference | None:
        """The reference of a spec, or None when its status is decided already."""
        if spec.from_.kind != "DockerImage":
            return None
        name = spec.from_.name
        try:
            reference = Reference(name=name) if name == "*" else Reference.parse(name)
        except InvalidReference as error:
            result.status = statuses.invalid_name(name, str(error))
            return None
        if self._policy.registries.blocked(reference):
            result.status = statuses.blocked(reference.registry)
            return None
        return reference

    def _add_image(
        self, groups: dict[RepositoryKey, Group], index: int, spec: ImageImportSpec, reference: Reference
    ) -> None:
        defaulted = reference.docker_client_defaults()
        key = (defaulted.registry_url(), defaulted.repository_name())
        group = groups.get(key)
        if group is None:
            group = groups[key] = self._group(key, reference, spec.importPolicy.insecure)
        mode = spec.importPolicy.importMode
        if reference.id:
            job = group.digests.setdefault((reference.id, mode), Job(reference.id, mode, is_digest=True))
        else:
            tag = defaulted.tag
            name = spec.to.name if spec.to is not None else tag
            architecture, os = self._policy.preferences.get(name, ("", ""))
            job = group.tags.setdefault((tag, architecture, os, mode), Job(tag, mode, architecture, os))
        job.indexes.append(index)

    def _group(self, key: RepositoryKey, reference: Reference, insecure: bool) -> Group:
        return Group(
            key,
            reference,
            self._policy.registries.insecure(insecure, reference),
            reference.as_repository().exact(),
        )

    # The repository

    async def _import_repository(self, spec: RepositoryImportSpec) -> RepositoryImportStatus:
        result = RepositoryImportStatus()
        reference = self._reference_to_import(spec, result)
        if reference is None:
            return result
        defaulted = reference.docker_client_defaults()
        key = (defaulted.registry_url(), defaulted.repository_name())
        group = self._group(key, reference, spec.importPolicy.insecure)
        limit = self._policy.maximum_tags
        tags: list[str] = []
        if limit > 0 or limit == -1:
            try:
                tags = await self._list_tags(group)
            except ClientFailure as failure:
                self.listing_failure = failure
                result.status = statuses.status_of(failure)
                return result
        wanted = tags if limit == -1 else tags[: max(limit, 0)]
        mode = spec.importPolicy.importMode
        jobs = [Job(tag, mode) for tag in wanted]
        await self._fetch([(group, job) for job in jobs])
        self.tag_traces = {job.value: job.trace for job in jobs if job.trace is not None}
        additional = []
        for tag in tags[len(wanted) :]:
            cached = self._cache.get((key, tag, "", "", mode))
            if cached is None:
                additional.append(tag)
            else:
                jobs.append(Job(tag, mode, image=cached))
        result.images = [_report(ImageImportStatus(), group, job) for job in jobs] or None
        result.additionalTags = additional or None
        failed = sum(job.failure is not None for job in jobs)
        result.status = statuses.import_failed(failed) if failed else statuses.success()
        return result

    async def _list_tags(self, group: Group) -> list[str]:
        """The tags by priority. They are always listed at the source, never at a mirror."""
        try:
            client = self._connector(group.insecure).client(group.reference, insecure=group.insecure)
        except ClientFailure as failure:
            raise statuses.connection_failure(group.reference, "repository", failure) from None
        try:
            listed = await client.tags(self._client_limit())
        except ClientFailure as failure:
            raise statuses.listing_failure(group.reference.exact(), failure) from None
        return prioritize_tags(sorted({tag or "latest" for tag in listed}))

    # Fetching

    async def _fetch(self, jobs: Sequence[tuple[Group, Job]]) -> None:
        """Fetches all jobs; first it is decided, in order, where each one looks."""
        for group, job in jobs:
            job.trace = Trace() if self._traced else None
            try:
                job.plan = self._plan(group, job.value, is_digest=job.is_digest)
            except ClientFailure as failure:
                job.failure = failure
                if job.trace is not None:
                    job.trace.failure = failure
        planned = [(group, job) for group, job in jobs if job.plan is not None]
        turns = Turns(len(planned))
        one_by_one = self._first_comer_decides(planned)
        if self._commons is not None and not one_by_one:
            work = [partial(self._share_job, group, job, self._commons) for group, job in planned]
        else:
            work = [partial(self._fetch_job, group, job, turns, index) for index, (group, job) in enumerate(planned)]
        await gather(work, 1 if one_by_one else self._concurrency)

    def _first_comer_decides(self, jobs: Sequence[tuple[Group, Job]]) -> bool:
        """Whether it matters who is first: the time that one job waits lets others go on, at the pace of a real
        importer; and the first ping counts for everybody, of a mirror that may be asked both securely and not."""
        if self._policy.paced:
            return True
        return self._policy.registries.has_mirrors and len({group.insecure for group, _ in jobs}) > 1

    async def _fetch_job(self, group: Group, job: Job, turns: Turns, position: int) -> None:
        try:
            await self._fetch_image(group, job, partial(turns.wait, position))
        finally:
            turns.done(position)

    async def _share_job(self, group: Group, job: Job, commons: Commons) -> None:
        """Takes the outcome that there is for somebody else already, or leaves its own to others."""

        own = False

        async def resolve() -> Outcome:
            nonlocal own
            own, slept = True, self._stopwatch.slept
            await self._fetch_image(group, job, _at_once)
            return Outcome(job.image, job.manifests, job.failure, job.trace, self._stopwatch.slept - slept)

        resolved = await commons.outcome(_key_of(group, job), resolve)
        if resolved.slept and not own:
            await self._stopwatch.sleep(resolved.slept)  # the time that it took would have been this pass's, too
        job.image, job.manifests, job.failure, job.trace, _ = resolved

    async def _fetch_image(self, group: Group, job: Job, turn: Turn) -> None:
        if self._limit is not None:
            await self._limit.take()
        assert job.plan is not None
        digest = job.value if job.is_digest else None
        try:
            found = await self._from_sources(job.plan, digest, job)
            if isinstance(found, Outcome):
                _take_over(job, found)
                return
            raw, client, limit = found
            conversion = Conversion(self, job.plan.reference, client, limit, turn, job.trace)
            key = self._conversion_key(client, digest, raw.name, job)
            known = None if self._commons is None else self._commons.converted(key)
            if known is not None:
                _take_over(job, known)
            elif job.mode == PRESERVE_ORIGINAL:
                await self._preserve(group, job, conversion, raw, digest)
            else:
                job.image = await conversion.legacy(raw, digest, job.architecture, job.os)
            if known is None and self._commons is not None:
                self._commons.keep(key, Outcome(job.image, job.manifests, None, job.trace))
        except HalfImage as failure:
            job.image, job.failure = failure.image, failure
        except ClientFailure as failure:
            job.failure = failure
        if job.trace is not None:
            job.trace.failure = job.failure

    async def _preserve(
        self, group: Group, job: Job, conversion: Conversion, raw: Manifest, digest: str | None
    ) -> None:
        """Keeps a list as it is and fetches everything in it; other manifests are as in Legacy mode."""
        if not isinstance(raw, ListManifest):
            job.image = await conversion.legacy(raw, digest, "", "")
            return
        if digest is not None:
            check_integrity(raw, digest)
        job.image = list_image(raw, self._now)
        if job.trace is not None:
            job.trace.entries = raw.entries
        job.manifests = []
        for entry in raw.entries:
            plan = self._plan(group, entry.digest, is_digest=True)
            found = await self._from_sources(plan, entry.digest)
            assert not isinstance(found, Outcome)
            sub, client, limit = found
            sub_conversion = Conversion(self, plan.reference, client, limit, conversion.turn)
            try:
                image = await sub_conversion.legacy(sub, entry.digest, "", "")
            except HalfImage as failure:  # half of what is in the list is nothing of the list
                raise ClientFailure(str(failure)) from None
            reference = f"{group.prefix}@{entry.digest}"
            job.manifests.append(msgspec.structs.replace(image, dockerImageReference=reference))

    def _plan(self, group: Group, value: str, *, is_digest: bool) -> Plan:
        """Where to look for a tag or digest of a repository.

        Raises:
            ClientFailure: the value or the reference is not one, or no source can be connected to.
        """
        reference = (
            group.reference.replace(tag="", id=value) if is_digest else group.reference.replace(tag=value, id="")
        )
        exact = reference.exact()
        try:
            if is_digest:
                check_digest(value)
        except InvalidReference as error:
            raise ClientFailure(str(error)) from None
        try:
            named = parse_normalized_named(exact)
        except InvalidReference as error:
            raise ClientFailure(f"unable to parse docker reference {exact}: {error}") from None
        return self._plan_sources(named, insecure=group.insecure)

    def _plan_sources(self, named: Named, *, insecure: bool) -> Plan:
        pull = self._policy.registries.pull_sources(named)
        sources: list[Source | ClientFailure] = []
        if pull.error is not None:
            sources.append(ClientFailure(pull.error).about("mirror-rule"))
        for text in pull.references:
            try:
                sources.append(self._source(text, insecure=insecure))
            except ClientFailure as failure:
                sources.append(failure)
        return Plan(str(named), sources)

    def _source(self, text: str, *, insecure: bool) -> Source:
        try:
            reference = Reference.parse(text)
        except InvalidReference as error:
            raise ClientFailure(f"unable to parse reference {quote(text)}: {error}") from None
        try:
            client = self._connector(insecure).client(reference, insecure=insecure)
        except ClientFailure as failure:
            raise statuses.connection_failure(reference, "", failure) from None
        return Source(text, reference.id or reference.tag or "latest", client)

    def _connector(self, insecure: bool) -> Connector:
        """The connections of this pass; where passes share them, secure and insecure ones have nothing in common."""
        shared = self._commons is not None and insecure
        connector = self._connectors.get(shared)
        if connector is None:

            def make() -> Connector:
                return Connector(self._wire, self._policy.secrets, self._stopwatch, self._policy.node_secrets)

            connector = make() if self._commons is None else self._commons.connector(make, insecure=insecure)
            self._connectors[shared] = connector
        return connector

    async def _from_sources(
        self, plan: Plan, digest: str | None, job: Job | None = None
    ) -> tuple[Manifest, RepositoryClient, RateLimit | None] | Outcome:
        """The manifest from the first source that has it, decoded; and the client that answers what follows.

        With a `job`, its outcome where that is known already of the manifest that a source has.

        Raises:
            ClientFailure: no source has it; the only failure, or an aggregate of several.
        """
        failures: list[ClientFailure] = []
        trace = None if job is None else job.trace
        for source in plan.sources:
            if isinstance(source, ClientFailure):
                failures.append(source)
                if trace is not None:
                    trace.attempts.append(Attempt("", source))
                continue
            limit = self._client_limit()
            known = None if job is None else await self._recalled(source, digest, job, limit)
            if known is not None:
                if trace is not None:
                    trace.attempts.append(Attempt(source.reference, None))
                return known
            try:
                manifest = await fetch_manifest(source.client, source.target, digest, limit)
            except ClientFailure as failure:
                failures.append(statuses.repository_failure(source.reference, failure))
                if trace is not None:
                    trace.attempts.append(Attempt(source.reference, failures[-1]))
                continue
            if trace is not None:
                trace.attempts.append(Attempt(source.reference, None))
            return manifest, source.client, limit
        if len(failures) == 1:
            raise failures[0]
        raise ClientFailure(aggregate([str(failure) for failure in failures]))

    async def _recalled(self, source: Source, digest: str | None, job: Job, limit: RateLimit | None) -> Outcome | None:
        """The outcome of a job, where a source still has a manifest of which it is known from earlier times."""
        if self._commons is None or not self._commons.knows(source.client.name):
            return None
        try:
            found = await source.client.manifest_digest(source.target, limit)
        except ClientFailure:
            return None  # whatever it is, the real request meets it, too, and says it in the right words
        return self._commons.converted(self._conversion_key(source.client, digest, found, job))

    def _conversion_key(self, client: RepositoryClient, digest: str | None, name: str, job: Job) -> ConversionKey:
        architecture, os = job.architecture or self.platform[0], job.os or self.platform[1]
        return client.name, digest or "", name, job.mode, architecture, os

    def _client_limit(self) -> RateLimit | None:
        """A fresh limit for one connection object."""
        return RateLimit(self._stopwatch, CLIENT_RATE, CLIENT_BURST) if self._policy.paced else None

    async def layer_size(self, client: RepositoryClient, limit: RateLimit | None, digest: str) -> int:
        """The size of a layer: known already, or asked for."""
        size = self._sizes.get(digest)
        if size is None:
            size = await client.blob_size(digest, limit)
            self._sizes.add(digest, size)
        return size

    @property
    def platform(self) -> tuple[str, str]:
        """Architecture and OS of the control plane."""
        return self._policy.architecture, self._policy.os


class Conversion:
    """Makes an image of a manifest, asking the source that gave the manifest for what it needs.

    Sizes of layers are known to all once somebody has asked, so `turn` is waited for before.
    """

    def __init__(
        self,
        importer: Importer,
        reference: str,
        client: RepositoryClient,
        limit: RateLimit | None,
        turn: Turn,
        trace: Trace | None = None,
    ) -> None:
        self._importer = importer
        self._reference = reference
        self._client = client
        self._limit = limit
        self.turn = turn
        self._trace = trace

    async def legacy(self, manifest: Manifest, digest: str | None, architecture: str, os: str) -> Image:
        """One image, of a list the one for the platform (empty: the control plane's).

        Raises:
            HalfImage: the image is there, its metadata is not.
            ClientFailure: there is no image.
        """
        if isinstance(manifest, ListManifest):
            manifest, digest = await self._choose(manifest, architecture, os)
        config = b""
        if isinstance(manifest, ImageManifest):
            try:
                config = await self._client.config(manifest.config_digest)
            except ClientFailure as failure:
                raise statuses.repository_failure(self._reference, failure) from None
        if digest is not None:
            check_integrity(manifest, digest)
        if isinstance(manifest, Schema1Manifest):
            return await schema1_image(manifest, self._layer_size)
        assert isinstance(manifest, ImageManifest)
        return await image_of(manifest, config, self._layer_size)

    async def _choose(self, manifest: ListManifest, architecture: str, os: str) -> tuple[Manifest, str]:
        """The manifest in a list for a platform, and its digest. There is no falling back to other sources."""
        default_architecture, default_os = self._importer.platform
        entry = choose_entry(manifest.entries, architecture or default_architecture, os or default_os)
        if self._trace is not None:
            self._trace.entries, self._trace.chosen = manifest.entries, entry
        try:
            if entry is None:
                raise ClientFailure("no manifests in manifest list")
            chosen = await fetch_manifest(self._client, entry.digest, entry.digest, self._limit)
        except ClientFailure as failure:
            raise statuses.repository_failure(self._reference, failure) from None
        if isinstance(chosen, ListManifest):
            raise ClientFailure("unsupported image manifest type: *manifestlist.DeserializedManifestList")
        return chosen, entry.digest

    async def _layer_size(self, digest: str) -> int:
        await self.turn()
        return await self._importer.layer_size(self._client, self._limit, digest)


def choose_entry(entries: Sequence[Descriptor], architecture: str, os: str) -> Descriptor | None:
    """The entry that Legacy mode takes: the platform itself, else amd64/linux, else the first one."""
    for wanted in ((architecture, os), ("amd64", "linux")):
        for entry in entries:
            if (entry.platform.architecture, entry.platform.os) == wanted:
                return entry
    return entries[0] if entries else None


async def fetch_manifest(
    client: RepositoryClient, target: str, digest: str | None, limit: RateLimit | None
) -> Manifest:
    """A manifest by tag or digest, decoded; its content is checked against `digest`.

    Raises:
        ClientFailure: it cannot be had, cannot be decoded, or is not what the digest says.
    """
    if digest is not None:
        check_digest_form(digest)
    raw: RawManifest = await client.manifest(target, limit)
    try:
        manifest = decode_manifest(raw)
    except ClientFailure as failure:
        raise failure.about("content") from None
    if digest is not None:
        check_manifest_digest(manifest, digest)
    return manifest


def check_manifest_digest(manifest: Manifest, digest: str) -> None:
    """The client's own check, by the digest's algorithm.

    Raises:
        ClientFailure: the digest is not the manifest's.
    """
    if manifest.name == digest:
        return
    try:
        found = content_digest(manifest, digest.partition(":")[0])
    except DigestError:
        raise ClientFailure("unsupported digest algorithm") from None
    if found != digest:
        raise ClientFailure(
            f"content integrity error: the manifest retrieved with digest {digest} "
            f"does not match the digest calculated from the content {found}"
        ).about("content")


def _take_over(job: Job, known: Outcome) -> None:
    """Takes over what a manifest was made into before."""
    job.image, job.manifests = known.image, known.manifests
    if job.trace is not None and known.trace is not None:
        job.trace.entries, job.trace.chosen = known.trace.entries, known.trace.chosen


async def _at_once() -> None:
    """A turn for whom no order matters."""


def _key_of(group: Group, job: Job) -> JobKey:
    """What the outcome of a job depends on: where it is looked for and how, and how messages spell it."""
    return group.prefix, group.insecure, job.is_digest, job.value, job.mode, job.architecture, job.os


def _report(result: ImageImportStatus, group: Group, job: Job) -> ImageImportStatus:
    """Puts the outcome of a job into a status."""
    if not job.is_digest:
        result.tag = job.value
    if job.failure is not None:
        result.status = statuses.status_of(job.failure)
        return result
    assert job.image is not None
    result.status = statuses.success()
    result.image = msgspec.structs.replace(job.image, dockerImageReference=f"{group.prefix}@{job.image.metadata.name}")
    result.manifests = job.manifests or None
    return result
