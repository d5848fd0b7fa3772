"""The fetching of a pass: where each job looks, what it finds there, and what is made of it (importer.go).

What does not depend on each other runs at the same time, without a difference in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from mirror.clock import RateLimit, Stopwatch, timestamp
from mirror.gotext import aggregate, quote
from mirror.importer import statuses
from mirror.importer.client import RepositoryClient
from mirror.importer.connector import Connector
from mirror.importer.conversion import Conversion, fetch_manifest
from mirror.importer.convert import HalfImage, check_integrity, list_image
from mirror.importer.failures import ClientFailure
from mirror.importer.jobs import Group, Job, Plan, Source, key_of
from mirror.importer.layers import LayerSizes
from mirror.importer.manifests import ListManifest, Manifest
from mirror.importer.policy import ImportPolicy
from mirror.importer.tracing import Attempt, Commons, ConversionKey, Outcome, Trace
from mirror.importer.turns import Turn, Turns, gather
from mirror.importer.wire import Wire
from mirror.reference import InvalidReference, Named, Reference, check_digest, parse_normalized_named
from mirror.v1.imagestream import PRESERVE_ORIGINAL

IMPORT_RATE: Final = 2.0
IMPORT_BURST: Final = 3
CLIENT_RATE: Final = 5.0
CLIENT_BURST: Final = 5


class Fetcher:
    """Fetches the jobs of one pass. Its connections, pings, tokens and images are its own; layer sizes outlive it.

    With `commons` it shares what it resolves with other passes, unless what it does depends on who comes first. With
    `traced` each job has what was done for it.
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
        self.policy = policy
        self._wire = wire
        self._commons = commons
        self._traced = traced
        self._stopwatch = stopwatch
        self._sizes = sizes
        self._concurrency = concurrency
        self._connectors: dict[bool, Connector] = {}
        self._limit = RateLimit(stopwatch, IMPORT_RATE, IMPORT_BURST) if policy.paced else None
        # Of the whole pass: what runs at the same time sleeps on the same clock.
        self._now = timestamp(stopwatch.clock.now())

    async def fetch(self, jobs: Sequence[tuple[Group, Job]]) -> None:
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
        if self.policy.paced:
            return True
        return self.policy.registries.has_mirrors and len({group.insecure for group, _ in jobs}) > 1

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

        resolved = await commons.outcome(key_of(group, job), resolve)
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
                job.take_over(found)
                return
            raw, client, limit = found
            conversion = Conversion(self, job.plan.reference, client, limit, turn, job.trace)
            if self._commons is None:
                await self._convert(group, job, conversion, raw, digest)
                return
            key = self._conversion_key(client, digest, raw.name, job)
            known = self._commons.converted(key)
            if known is not None:
                job.take_over(known)
                return
            await self._convert(group, job, conversion, raw, digest)
            self._commons.keep(key, Outcome(job.image, job.manifests, None, job.trace))
        except HalfImage as failure:
            job.image, job.failure = failure.image, failure
        except ClientFailure as failure:
            job.failure = failure
        if job.trace is not None:
            job.trace.failure = job.failure

    async def _convert(self, group: Group, job: Job, conversion: Conversion, raw: Manifest, digest: str | None) -> None:
        """Makes one image of what was found or, in PreserveOriginal mode, of a list and of everything in it."""
        if job.mode != PRESERVE_ORIGINAL:
            job.image = await conversion.legacy(raw, digest, job.architecture, job.os)
        elif isinstance(raw, ListManifest):
            await self._preserve(group, job, conversion, raw, digest)
        else:
            job.image = await conversion.legacy(raw, digest, "", "")

    async def _preserve(
        self, group: Group, job: Job, conversion: Conversion, raw: ListManifest, digest: str | None
    ) -> None:
        """Keeps a list as it is and fetches everything in it."""
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
        pull = self.policy.registries.pull_sources(named)
        sources: list[Source | ClientFailure] = []
        if pull.error is not None:
            sources.append(ClientFailure(pull.error).about("mirror-rule"))
        for text in pull.references:
            try:
                sources.append(self._source(text, insecure=insecure))
            except ClientFailure as failure:
                sources.append(failure)
        return Plan(named, sources)

    def _source(self, text: str, *, insecure: bool) -> Source:
        try:
            reference = Reference.parse(text)
        except InvalidReference as error:
            raise ClientFailure(f"unable to parse reference {quote(text)}: {error}") from None
        try:
            client = self.connector(insecure).client(reference, insecure=insecure)
        except ClientFailure as failure:
            raise statuses.connection_failure(reference, "", failure) from None
        return Source(text, reference.id or reference.tag or "latest", client)

    def connector(self, insecure: bool) -> Connector:
        """The connections of this pass; where passes share them, secure and insecure ones have nothing in common."""
        shared = self._commons is not None and insecure
        connector = self._connectors.get(shared)
        if connector is None:

            def make() -> Connector:
                return Connector(self._wire, self.policy.secrets, self._stopwatch, self.policy.node_secrets)

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
            limit = self.client_limit()
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

    def client_limit(self) -> RateLimit | None:
        """A fresh limit for one connection object."""
        return RateLimit(self._stopwatch, CLIENT_RATE, CLIENT_BURST) if self.policy.paced else None

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
        return self.policy.architecture, self.policy.os


async def _at_once() -> None:
    """A turn for whom no order matters."""
