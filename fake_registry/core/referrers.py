"""Referrers (distribution specification, "Listing Referrers")."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from fake_registry.core import errors
from fake_registry.core.call import Call, read_all
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import Response
from fake_registry.core.paths import first_parameters
from fake_registry.core.tags import Page, page_of
from fake_registry.fixtures import Referrer, Snapshot, is_repository_name
from fake_registry.oci import OCI_INDEX, Descriptor, Index

_ANSWER_BYTES: Final = 4 * 1024 * 1024 - 1024


async def listing(call: Call) -> Response:
    """``/v2/NAME/referrers/DIGEST``: an index of the manifests whose subject has the digest, which may be none.

    A registry with this endpoint never answers 404 here, not even for a repository that it does not know.
    """
    digest = call.digest()
    if not is_repository_name(call.target.name):
        raise errors.name_invalid(call.target.name)
    asked = first_parameters(call.request.query)
    wanted, page = asked.get("artifactType", ""), page_of(asked, None)
    snapshot = call.content.tree.snapshot(call.host.name, call.target.name)
    found = [] if snapshot is None else await _referrers(snapshot, digest)
    manifests, more = _on_page([item for item in found if wanted in {"", item.links.artifact_type}], page)
    headers = [("Content-Type", OCI_INDEX), API_VERSION]
    if wanted:
        headers.append(("OCI-Filters-Applied", "artifactType"))
    if more and manifests:
        query = {"last": manifests[-1].digest} | {
            key: asked[key] for key in ("n", "artifactType", "ns") if key in asked
        }
        headers.append(("Link", f'</v2/{call.target.name}/referrers/{digest}?{urlencode(query)}>; rel="next"'))
    index = Index(schema_version=2, media_type=OCI_INDEX, manifests=manifests)
    return Response(200, headers, msgspec.json.encode(index))


async def _referrers(snapshot: Snapshot, digest: str) -> list[Referrer]:
    await read_all(snapshot)
    return snapshot.referrers(digest)


def _on_page(found: list[Referrer], page: Page) -> tuple[list[Descriptor], bool]:
    """The descriptors of one answer, which is not longer than a manifest may be, and whether more come after them.

    They come behind that with the digest `last`; if it has been deleted since, from the beginning.
    """
    start = next((at for at, item in enumerate(found, 1) if item.descriptor.digest == page.last), 0)
    manifests, size = list[Descriptor](), 0
    for item in found[start : None if page.size is None else start + page.size]:
        descriptor = _descriptor(item)
        size += len(msgspec.json.encode(descriptor)) + 1
        if manifests and size > _ANSWER_BYTES:
            break
        manifests.append(descriptor)
    return manifests, start + len(manifests) < len(found)


def _descriptor(referrer: Referrer) -> Descriptor:
    return Descriptor(
        media_type=referrer.descriptor.media_type,
        digest=referrer.descriptor.digest,
        size=referrer.links.length,
        artifact_type=referrer.links.artifact_type,
        annotations=referrer.links.annotations,
    )
