"""From a manifest that was found to an image, asking its source for what it needs (importer.go, image.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mirror.clock import RateLimit
from mirror.importer import statuses
from mirror.importer.client import RawManifest, RepositoryClient, check_content, check_digest_form
from mirror.importer.convert import check_integrity, image_of, schema1_image
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import (
    Descriptor,
    ImageManifest,
    ListManifest,
    Manifest,
    Schema1Manifest,
    decode_manifest,
)
from mirror.importer.tracing import Trace
from mirror.importer.turns import Turn
from mirror.reference import Named
from mirror.v1.image import Image


class Surroundings(Protocol):
    """What a conversion needs to know of the pass that it is part of."""

    @property
    def platform(self) -> tuple[str, str]:
        """Architecture and OS of the control plane."""
        ...

    async def layer_size(self, client: RepositoryClient, limit: RateLimit | None, digest: str) -> int:
        """The size of a layer in bytes."""
        ...


class Conversion:
    """Makes an image of a manifest, asking the source that gave the manifest for what it needs.

    Sizes of layers are known to all once somebody has asked, so `turn` is waited for before.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        reference: Named,
        client: RepositoryClient,
        limit: RateLimit | None,
        turn: Turn,
        trace: Trace | None = None,
    ) -> None:
        self._surroundings = surroundings
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
                raise statuses.repository_failure(str(self._reference), failure) from None
        if digest is not None:
            check_integrity(manifest, digest)
        if isinstance(manifest, Schema1Manifest):
            return await schema1_image(manifest, self._layer_size)
        assert isinstance(manifest, ImageManifest)
        return await image_of(manifest, config, self._layer_size)

    async def _choose(self, manifest: ListManifest, architecture: str, os: str) -> tuple[Manifest, str]:
        """The manifest in a list for a platform, and its digest. There is no falling back to other sources."""
        default_architecture, default_os = self._surroundings.platform
        entry = choose_entry(manifest.entries, architecture or default_architecture, os or default_os)
        if self._trace is not None:
            self._trace.entries, self._trace.chosen = manifest.entries, entry
        try:
            if entry is None:
                raise ClientFailure("no manifests in manifest list")
            chosen = await fetch_manifest(self._client, entry.digest, entry.digest, self._limit)
        except ClientFailure as failure:
            raise statuses.repository_failure(str(self._reference), failure) from None
        if isinstance(chosen, ListManifest):
            raise ClientFailure("unsupported image manifest type: *manifestlist.DeserializedManifestList")
        return chosen, entry.digest

    async def _layer_size(self, digest: str) -> int:
        await self.turn()
        return await self._surroundings.layer_size(self._client, self._limit, digest)


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
    if manifest.name != digest:
        content = manifest.payload if isinstance(manifest, Schema1Manifest) else manifest.content
        check_content(content, digest, "manifest")
