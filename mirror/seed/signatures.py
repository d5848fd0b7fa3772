"""Copying the signatures of images that registries keep beside them (simple signing)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from fake_registry.oci import OCI_MANIFEST
from fake_registry.simple_signing import SignatureArtifact, kept
from mirror.seed.copy_options import CopyOptions
from mirror.seed.outcome import Account
from mirror.seed.remote.repository import Fetched, Repository
from mirror.seed.sources import Source
from mirror.seed.tree_content import TreeContent
from mirror.seed.tree_writer import TreeWriter

_REMEMBERED: Final = 10_000


class Signatures:
    """Copies signatures, each as an artifact that refers to its image. An image that has several tags is asked about
    once."""

    def __init__(self, held: TreeContent, writer: TreeWriter, options: CopyOptions) -> None:
        self._held = held
        self._writer = writer
        self._options = options
        self._asked: dict[tuple[str, str], None] = {}

    async def copy(self, source: Source, origin: Repository, images: Iterable[Fetched], account: Account) -> None:
        """Copies the signatures of some manifests of an image, where a registry keeps any.

        Raises:
            RemoteError: they cannot be had.
        """
        for descriptor, data in images:
            key = (str(origin), descriptor.digest)
            if key in self._asked or not origin.registry.offers_signatures:
                continue
            self._asked[key] = None
            if len(self._asked) > _REMEMBERED:
                del self._asked[next(iter(self._asked))]
            subject = msgspec.structs.replace(descriptor, size=len(data))
            for signature in await origin.signatures(descriptor.digest):
                await self._keep(source, kept(signature, subject), account)

    async def _keep(self, source: Source, artifact: SignatureArtifact, account: Account) -> None:
        if self._held.named(msgspec.structs.replace(source, tag="", digest=artifact.digest)) is not None:
            return
        if self._writer.pending(artifact.digest) is not None:
            return  # it has just come as what refers to the image
        account.referrers += 1
        account.add(sum(map(len, artifact.blobs.values())))
        if self._options.dry_run:
            return
        for digest, data in artifact.blobs.items():
            await self._writer.blob(data, digest)
        await self._writer.manifest(
            source.host, source.repository, artifact.manifest, OCI_MANIFEST, "", artifact.digest
        )
