"""Referrers (distribution specification, "Listing Referrers")."""

from __future__ import annotations

import msgspec

from fake_registry.core import errors
from fake_registry.core.call import Call, read_all
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import Response
from fake_registry.core.paths import parameters
from fake_registry.fixtures import Referrer, Snapshot, is_repository_name
from fake_registry.oci import OCI_INDEX, Descriptor, Index


async def listing(call: Call) -> Response:
    """``/v2/NAME/referrers/DIGEST``: an index of the manifests whose subject has the digest, which may be none.

    A registry with this endpoint never answers 404 here, not even for a repository that it does not know.
    """
    digest = call.digest()
    if not is_repository_name(call.target.name):
        raise errors.name_invalid(call.target.name)
    wanted = next((value for key, value in parameters(call.request.query) if key == "artifactType"), "")
    snapshot = call.content.tree.snapshot(call.host.name, call.target.name)
    found = [] if snapshot is None else await _referrers(snapshot, digest)
    index = Index(
        schema_version=2,
        media_type=OCI_INDEX,
        manifests=[_descriptor(item) for item in found if wanted in {"", item.links.artifact_type}],
    )
    headers = [("Content-Type", OCI_INDEX), API_VERSION]
    if wanted:
        headers.append(("OCI-Filters-Applied", "artifactType"))
    return Response(200, headers, msgspec.json.encode(index))


async def _referrers(snapshot: Snapshot, digest: str) -> list[Referrer]:
    await read_all(snapshot)
    return snapshot.referrers(digest)


def _descriptor(referrer: Referrer) -> Descriptor:
    return Descriptor(
        media_type=referrer.descriptor.media_type,
        digest=referrer.descriptor.digest,
        size=referrer.links.length,
        artifact_type=referrer.links.artifact_type,
        annotations=referrer.links.annotations,
    )
