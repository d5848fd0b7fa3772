"""One cluster: its configuration, its objects, its clock, and the importer that it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from mirror.api import failures
from mirror.api.authorization import Authorizer
from mirror.api.image_kinds import ImageKinds
from mirror.api.importing import asks_for_retry, merge_retry, preferences_of
from mirror.api.messages import User
from mirror.api.objects import IMAGE_STREAMS, IMAGES, Objects
from mirror.api.registry import Registry
from mirror.api.settings import ClusterSettings
from mirror.api.strategy import StreamStrategy
from mirror.api.timing import RealTiming, Timing
from mirror.clock import Clock, DeadlineExceeded, Stopwatch, Uids, timestamp
from mirror.config import ClusterConfig
from mirror.importer import credentials
from mirror.importer.engine import Importer
from mirror.importer.fetching import Fetcher
from mirror.importer.layers import LayerSizes
from mirror.importer.policy import DEFAULT_MAXIMUM_TAGS, ImportPolicy
from mirror.importer.transport import Transport
from mirror.importer.wire import Wire
from mirror.store import MemoryStore, Store
from mirror.v1.image import Image
from mirror.v1.imagestream import LEGACY, ImageStream
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus

REQUEST_LIMIT: Final = 34.0
"""Seconds that the generic create handler gives an import."""

_SECOND: Final = timedelta(seconds=1)
_CONTROLLERS: Final = "system:serviceaccount:openshift-infra:"


class Cluster:
    """What the resources of the API share. `authorizer` says what users may do; at first everything. `timing` is the
    time that watches take.

    Raises:
        InputError: an object in the configuration is not what it should be.
    """

    def __init__(
        self,
        config: ClusterConfig,
        transport: Transport,
        clock: Clock,
        uids: Uids,
        store: Store | None = None,
        *,
        concurrency: int | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.config = config
        self.timing = timing or RealTiming()
        self.authorizer = Authorizer()
        self.clock = clock
        self.uids = uids
        self.mode = config.imageStreamImportMode or LEGACY
        self.store: Store = MemoryStore() if store is None else store
        self.streams = Objects(self.store, IMAGE_STREAMS, ImageStream)
        self.images = Objects(self.store, IMAGES, Image)
        self.settings = ClusterSettings(config, self.store)
        self.allowed = self.settings.allowed
        self.strategy = StreamStrategy(
            self.streams.find,
            self.allowed,
            config.internalRegistryHostname,
            config.externalRegistryHostnames,
            self.now,
            self.settings.limits,
        )
        self.kinds = ImageKinds(self.mode)
        self.stream_registry = Registry(self.streams, self.kinds.streams, uids, self.now)
        self.image_registry = Registry(self.images, self.kinds.images, uids, self.now)
        self._second = datetime.min.replace(tzinfo=UTC)
        self._shown = ""  # the current time, in this second
        self._wire = Wire(transport)
        self._sizes = LayerSizes()
        self._concurrency = transport.concurrency if concurrency is None else concurrency

    def now(self) -> str:
        """The current time as the API writes it."""
        now = self.clock.now()
        if not self._second <= now < self._second + _SECOND:
            self._second = now.replace(microsecond=0)
            self._shown = timestamp(now)
        return self._shown

    def may_create_images(self, user: User) -> bool:
        """Whether a user is exempt from ``allowedRegistriesForImport``. The import controller always is."""
        if self.config.denyCreateImages and not user.name.startswith(_CONTROLLERS):
            return False
        return self.authorizer.may_create_images(user)

    async def run_import(self, isi: ImageStreamImport, stream: ImageStream | None) -> ImageStreamImportStatus:
        """Runs the engine with the pull secrets of the namespace; with a wrong password once more without.

        Raises:
            ApiFailure: 504, it took longer than a request may.
        """
        stopwatch = Stopwatch(self.clock, REQUEST_LIMIT)
        secrets = await self.settings.pull_secrets(isi.metadata.namespace)
        try:
            async with asyncio.timeout(None if self.clock.virtual else REQUEST_LIMIT):
                first = await self._pass(isi, stream, secrets, stopwatch)
                if not asks_for_retry(first):
                    return first
                return merge_retry(first, await self._pass(isi, stream, (), stopwatch))
        except (DeadlineExceeded, TimeoutError):
            raise failures.timed_out() from None

    async def _pass(
        self,
        isi: ImageStreamImport,
        stream: ImageStream | None,
        secrets: Sequence[credentials.Secret],
        stopwatch: Stopwatch,
    ) -> ImageStreamImportStatus:
        policy = self.import_policy(secrets, stream)
        fetcher = Fetcher(self._wire.timed(stopwatch), policy, stopwatch, self._sizes, concurrency=self._concurrency)
        return await Importer(fetcher).run(isi.spec)

    def import_policy(self, secrets: Sequence[credentials.Secret], stream: ImageStream | None) -> ImportPolicy:
        """What the engine keeps to, for a stream and the pull secrets of its namespace."""
        return ImportPolicy(
            registries=self.settings.registries,
            secrets=secrets,
            node_secrets=self.settings.node_secrets,
            maximum_tags=self.config.maxImagesBulkImportedPerRepository or DEFAULT_MAXIMUM_TAGS,
            architecture=self.config.architecture,
            paced=self.config.pace == "real",
            preferences=preferences_of(stream),
        )
