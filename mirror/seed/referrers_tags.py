"""Lists of referrers under a tag, for registries that keep none themselves.

Source: OCI distribution specification 1.1, "Referrers Tag Schema".
"""

from __future__ import annotations

import msgspec

from fake_registry.oci import NOT_JSON, OCI_INDEX, Descriptor, Index, Links, compute_digest
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.repository import Repository


async def list_referrer(repository: Repository, tag: str, descriptor: Descriptor, links: Links) -> None:
    """Adds a manifest to the index under a tag, unless it is in it (raises `RemoteError`)."""
    listed: list[Descriptor] = []
    try:
        fetched = await repository.manifest(tag)
        listed = msgspec.json.decode(fetched.data, type=Index).manifests
    except RemoteError as error:
        if error.status != 404:
            raise
    except NOT_JSON:
        raise RemoteError(f"{repository}:{tag}: is no list of referrers") from None
    if any(one.digest == descriptor.digest for one in listed):
        return
    entry = Descriptor(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        artifact_type=links.artifact_type,
        annotations=links.annotations,
    )
    index = msgspec.json.encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=[*listed, entry]))
    described = Descriptor(media_type=OCI_INDEX, digest=compute_digest(index), size=len(index))
    await repository.push_manifest(tag, described, index)
