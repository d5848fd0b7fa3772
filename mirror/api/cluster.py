"""One cluster: its configuration, its objects, its clock, and the importer that it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from mirror.api import failures
from mirror.api.image_kinds import ImageKinds
from mirror.api.importing import asks_for_retry, merge_retry, preferences_of
from mirror.api.objects import IMAGE_STREAMS, IMAGES, Objects
from mirror.api.registry import Registry
from mirror.api.strategy import StreamStrategy
from mirror.api.stream_secrets import ConfiguredSecrets, Secrets
from mirror.clock import Clock, DeadlineExceeded, Stopwatch, Uids, timestamp
from mirror.config import ClusterConfig
from mirror.errors import InputError
from mirror.importer.allowed import AllowedRegistries
from mirror.importer.credentials import Secret, usable_secrets
from mirror.importer.engine import Importer
from mirror.importer.layers import LayerSizes
from mirror.importer.policy import DEFAULT_MAXIMUM_TAGS, ImportPolicy
from mirror.importer.registries import MirrorSet, RegistriesConfig, mirror_sets_of
from mirror.importer.transport import Transport
from mirror.importer.wire import Wire
from mirror.store import MemoryStore, Store
from mirror.v1.image import Image
from mirror.v1.imagestream import LEGACY, ImageStream
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus

REQUEST_LIMIT: Final = 34.0
"""Seconds that the generic create handler gives an import."""


class Cluster:
    """What the resources of the API share.

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
    ) -> None:
        self.config = config
        self.clock = clock
        self.uids = uids
        self.mode = config.imageStreamImportMode or LEGACY
        self.store: Store = MemoryStore() if store is None else store
        self.streams = Objects(self.store, IMAGE_STREAMS, ImageStream)
        self.images = Objects(self.store, IMAGES, Image)
        self.allowed = _allowed(config)
        self.strategy = StreamStrategy(
            self.streams.find,
            self.allowed,
            config.internalRegistryHostname,
            config.externalRegistryHostnames,
            self.now,
        )
        self.kinds = ImageKinds(self.mode)
        self.stream_registry = Registry(self.streams, self.kinds.streams, uids, self.now)
        self.image_registry = Registry(self.images, self.kinds.images, uids, self.now)
        self._registries = _registries(config)
        self._secrets = [_secret(index, document) for index, document in enumerate(config.secrets)]
        self.secrets: Secrets = ConfiguredSecrets(self._secrets)
        self._wire = Wire(transport)
        self._sizes = LayerSizes()
        self._concurrency = transport.concurrency if concurrency is None else concurrency

    def now(self) -> str:
        """The current time as the API writes it."""
        return timestamp(self.clock.now())

    async def run_import(self, isi: ImageStreamImport, stream: ImageStream | None) -> ImageStreamImportStatus:
        """Runs the engine with the pull secrets of the namespace; with a wrong password once more without.

        Raises:
            ApiFailure: 504, it took longer than a request may.
        """
        stopwatch = Stopwatch(self.clock, REQUEST_LIMIT)
        secrets = usable_secrets(self._secrets, isi.metadata.namespace)
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
        secrets: Sequence[Secret],
        stopwatch: Stopwatch,
    ) -> ImageStreamImportStatus:
        policy = ImportPolicy(
            registries=self._registries,
            secrets=secrets,
            maximum_tags=self.config.maxImagesBulkImportedPerRepository or DEFAULT_MAXIMUM_TAGS,
            architecture=self.config.architecture,
            paced=self.config.pace == "real",
            preferences=preferences_of(stream),
        )
        importer = Importer(self._wire.timed(stopwatch), policy, stopwatch, self._sizes, concurrency=self._concurrency)
        return await importer.run(isi.spec)


def _allowed(config: ClusterConfig) -> AllowedRegistries:
    try:
        return AllowedRegistries(config.allowedRegistriesForImport, config.internalRegistryHostname)
    except InputError as error:
        raise InputError(f"cluster.{error}") from None


def _registries(config: ClusterConfig) -> RegistriesConfig:
    return RegistriesConfig.merge(
        insecure_registries=config.insecureRegistries,
        blocked_registries=config.blockedRegistries,
        icsp=_mirror_sets(config.icsp, "icsp", "ImageContentSourcePolicy"),
        idms=_mirror_sets(config.idms, "idms", "ImageDigestMirrorSet"),
        itms=_mirror_sets(config.itms, "itms", "ImageTagMirrorSet"),
    )


def _mirror_sets(documents: Sequence[dict[str, Any]], field: str, kind: str) -> list[list[MirrorSet]]:
    sets = []
    for index, document in enumerate(documents):
        try:
            sets.append(mirror_sets_of(document, kind))
        except InputError as error:
            raise InputError(f"cluster.{field}[{index}]: {error}") from None
    return sets


def _secret(index: int, document: dict[str, Any]) -> Secret:
    try:
        return Secret.from_object(document)
    except InputError as error:
        raise InputError(f"cluster.secrets[{index}]: {error}") from None
