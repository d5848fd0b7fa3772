"""The cluster that imports are tried on: always empty, every pull spec resolved once, and it says what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from mirror.api import failures
from mirror.api.cluster import REQUEST_LIMIT, Cluster
from mirror.api.importing import asks_for_retry, merge_retry
from mirror.clock import Clock, DeadlineExceeded, Stopwatch, Uids
from mirror.config import ClusterConfig
from mirror.importer.connector import Connector
from mirror.importer.credentials import InvalidPullSecret, Keyring, Secret
from mirror.importer.engine import Importer
from mirror.importer.failures import ClientFailure
from mirror.importer.fetching import Fetcher
from mirror.importer.tracing import ConversionKey, JobKey, Outcome, Trace
from mirror.importer.transport import Transport
from mirror.preflight.cache import AnswerCache
from mirror.preflight.nothing_kept import NothingKept
from mirror.reference import InvalidReference, Reference
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus
from mirror.v1.meta import ObjectMeta

MAX_CONCURRENCY: Final = 64
"""Tags of one stream that are resolved at once."""


class Traces(NamedTuple):
    """What an import did: for its images by their place, for the tags of its repository by tag."""

    images: Mapping[int, Trace]
    tags: Mapping[str, Trace]
    listing_failure: ClientFailure | None


class _Architecture(msgspec.Struct, rename="pascal"):
    architecture: str = ""


_ARCHITECTURE: Final = msgspec.json.Decoder(_Architecture)


class SharedOutcomes:
    """The outcomes of imports with the same pull secrets; a `mirror.importer.tracing.Commons`.

    With `connections` they share these, too. `conversions` is what manifests were made into, `remembered` the
    repositories of which some of it is from earlier times. `again` are the repositories with tags or digests that more
    than one tag follows (None: all may be): outcomes of others are not kept.
    """

    def __init__(
        self,
        *,
        connections: bool,
        conversions: dict[ConversionKey, Outcome],
        remembered: Collection[str],
        again: Collection[tuple[str, str]] | None,
    ) -> None:
        self._again = again
        self._connections = connections
        self._conversions = conversions
        self._remembered = remembered
        self._connectors: dict[bool, Connector] = {}
        self._outcomes: dict[JobKey, Outcome | asyncio.Future[Outcome]] = {}

    def connector(self, make: Callable[[], Connector], *, insecure: bool) -> Connector:
        """See `mirror.importer.tracing.Commons`."""
        if not self._connections:
            return make()
        if insecure not in self._connectors:
            self._connectors[insecure] = make()
        return self._connectors[insecure]

    async def outcome(self, key: JobKey, resolve: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """See `mirror.importer.tracing.Commons`; of images only what a verdict needs is kept."""
        known = self._outcomes.get(key)
        if isinstance(known, Outcome):
            return known
        if known is not None:
            return await asyncio.shield(known)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._outcomes[key] = future
        try:
            resolved = slim(await resolve())
        except BaseException as error:
            del self._outcomes[key]
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # whoever waits is told; nobody need
            else:
                future.cancel()
            raise
        prefix, _, _, value, *_ = key
        if self._again is None or (prefix, value) in self._again:
            self._outcomes[key] = resolved
        else:
            del self._outcomes[key]
        future.set_result(resolved)
        return resolved

    def knows(self, repository: str) -> bool:
        """See `mirror.importer.tracing.Commons`."""
        return repository in self._remembered

    def converted(self, key: ConversionKey) -> Outcome | None:
        """See `mirror.importer.tracing.Commons`."""
        return self._conversions.get(key)

    def keep(self, key: ConversionKey, outcome: Outcome) -> None:
        """See `mirror.importer.tracing.Commons`."""
        self._conversions[key] = slim(outcome)


def slim(outcome: Outcome) -> Outcome:
    """The outcome without what only pods and people look at: manifests, configs, layers and most of the metadata; and
    without the frames that failures hold on to, which are many times as large as they are."""
    _let_go(outcome.failure)
    for attempt in outcome.trace.attempts if outcome.trace is not None else ():
        _let_go(attempt.failure)
    manifests = None if outcome.manifests is None else [_slim_image(image) for image in outcome.manifests]
    return outcome._replace(
        image=None if outcome.image is None else _slim_image(outcome.image),
        manifests=manifests,
    )


def _let_go(failure: ClientFailure | None) -> None:
    while failure is not None:
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        failure = failure.inner


def _slim_image(image: Image) -> Image:
    if not image.dockerImageManifest and not image.metadata.annotations and not image.dockerImageConfig:
        return image  # it is already
    metadata = msgspec.json.encode(_ARCHITECTURE.decode(image.dockerImageMetadata))
    return msgspec.structs.replace(
        image,
        metadata=ObjectMeta(name=image.metadata.name),
        dockerImageMetadata=msgspec.Raw(metadata),
        dockerImageManifest="",
        dockerImageConfig="",
        # An image with both is refused, whatever the layers are.
        dockerImageLayers=image.dockerImageLayers if image.dockerImageManifests else None,
    )


class TrialCluster(Cluster):
    """A cluster in which each import is the first one.

    Imports share what they resolve, unless `in_order`: then every import asks for itself, as where answers of
    registries depend on how often they were asked. With `virtual` time, an import may take as long as in the real
    cluster; otherwise as long as it takes. `cache` is what earlier runs found out, `again` what
    is asked for more than once (see `SharedOutcomes`).
    """

    def __init__(
        self,
        config: ClusterConfig,
        transport: Transport,
        clock: Clock,
        uids: Uids,
        *,
        concurrency: int,
        in_order: bool = False,
        cache: AnswerCache | None = None,
        again: Collection[tuple[str, str]] | None = None,
    ) -> None:
        self._nothing_kept = NothingKept()
        super().__init__(
            config, transport, clock, uids, self._nothing_kept, concurrency=min(concurrency, MAX_CONCURRENCY)
        )
        self._in_order = in_order
        self._conversions: dict[ConversionKey, Outcome] = {} if cache is None else cache.conversions
        self._remembered: Collection[str] = () if cache is None else cache.repositories
        self._again = again
        self._commons: dict[tuple[object, ...], SharedOutcomes] = {}
        self._odd_secrets: dict[tuple[str, ...], bool] = {}
        self._known: dict[tuple[str, str], ImageStream] = {}
        self._traces: dict[str, Traces] = {}

    @contextmanager
    def expecting(self, stream: ImageStream) -> Iterator[None]:
        """Says, while the block runs, what the stream is like into which an import goes."""
        key = (stream.metadata.namespace, stream.metadata.name)
        self._known[key] = stream
        try:
            yield
        finally:
            self._known.pop(key, None)

    @contextmanager
    def keeping(self, stream: ImageStream) -> Iterator[None]:
        """Lets the stream of that name be there, once it is created, while the block runs."""
        meta = stream.metadata
        with self._nothing_kept.keeping(self.streams.resource, meta.namespace, meta.name):
            yield

    def traces_of(self, uid: str) -> Traces | None:
        """What the import with that uid did, once."""
        return self._traces.pop(uid, None)

    async def run_import(self, isi: ImageStreamImport, stream: ImageStream | None) -> ImageStreamImportStatus:
        """As in every cluster, and keeps what was done."""
        meta = isi.metadata
        known = self._known.get((meta.namespace, meta.name), stream)
        secrets = await self.settings.pull_secrets(meta.namespace)
        stopwatch = Stopwatch(self.clock, REQUEST_LIMIT if self.clock.virtual else None)
        try:
            first, traces = await self._traced_pass(isi, known, secrets, stopwatch)
            if asks_for_retry(first):
                second, after = await self._traced_pass(isi, known, (), stopwatch)
                traces = _merged(second, traces, after)
                first = merge_retry(first, second)
        except DeadlineExceeded:
            raise failures.timed_out() from None
        self._traces[meta.uid] = traces
        return first

    async def _traced_pass(
        self, isi: ImageStreamImport, stream: ImageStream | None, secrets: Sequence[Secret], stopwatch: Stopwatch
    ) -> tuple[ImageStreamImportStatus, Traces]:
        policy = self.import_policy(secrets, stream)
        fetcher = Fetcher(
            self._wire.timed(stopwatch),
            policy,
            stopwatch,
            self._sizes,
            concurrency=self._concurrency,
            commons=self._shared(isi, secrets),
            traced=True,
        )
        importer = Importer(fetcher)
        status = await importer.run(isi.spec)
        return status, Traces(importer.image_traces, importer.tag_traces, importer.listing_failure)

    def _shared(self, isi: ImageStreamImport, secrets: Sequence[Secret]) -> SharedOutcomes | None:
        """What the import has in common with others; None where the order of its requests could matter."""
        if self._in_order or self.config.pace == "real" or self._is_mixed(isi) or self._are_odd(secrets):
            return None
        key = tuple((secret.namespace, secret.name) for secret in secrets)
        if key not in self._commons:
            self._commons[key] = SharedOutcomes(
                connections=not self.clock.virtual,
                conversions=self._conversions,
                remembered=self._remembered,
                again=self._again,
            )
        return self._commons[key]

    def _is_mixed(self, isi: ImageStreamImport) -> bool:
        """Whether some of it is asked for securely and some not: the first ping of a repository counts for both."""
        found = set()
        sources = [(one.from_.name, one.importPolicy.insecure) for one in isi.spec.images or ()]
        if isi.spec.repository is not None:
            sources.append((isi.spec.repository.from_.name, isi.spec.repository.importPolicy.insecure))
        for name, insecure in sources:
            try:
                found.add(self.settings.registries.insecure(insecure, Reference.parse(name)))
            except InvalidReference:
                continue
        return len(found) > 1

    def _are_odd(self, secrets: Sequence[Secret]) -> bool:
        """Whether a credential is for a tag or a digest: the first reference decides for its whole repository."""
        wanted = [*secrets, *self.settings.node_secrets]
        key = tuple(f"{secret.namespace}/{secret.name}" for secret in wanted)
        if key not in self._odd_secrets:
            try:
                locations = Keyring.from_secrets(wanted).locations
            except InvalidPullSecret:
                locations = []
            self._odd_secrets[key] = any(_is_of_one_image(location) for location in locations)
        return self._odd_secrets[key]


def _is_of_one_image(location: str) -> bool:
    path = location.partition("/")[2]
    return ":" in path or "@" in path


def _merged(second: ImageStreamImportStatus, before: Traces, after: Traces) -> Traces:
    """The traces that go with `merge_retry`: an image that is unauthorized both times has the status of the first."""
    images = dict(after.images)
    for place, result in enumerate(second.images or ()):
        if result.status.reason == "Unauthorized" and place in before.images:
            images[place] = before.images[place]
    return Traces(images, after.tags, after.listing_failure)
