"""Manifests (distribution specification, "Pulling manifests")."""

from __future__ import annotations

from fake_registry.core import errors
from fake_registry.core.answers import Answer, content_answer
from fake_registry.core.call import Call, look_for
from fake_registry.core.messages import Response
from fake_registry.errors import TreeError
from fake_registry.fixtures import Snapshot
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM, Descriptor, is_digest


async def get(call: Call) -> Response:
    """GET and HEAD of a manifest by tag or digest: its bytes as they stand, whatever the client accepts."""
    snapshot = call.snapshot()
    key = f"m{snapshot.serial} {call.target.argument}"
    answer = call.content.answers.get(key)
    if answer is None:
        answer = await _answer(snapshot, call.target.argument)
        call.content.answers.put(key, answer, answer.size + 1000)
    return answer.respond(call.request)


async def _answer(snapshot: Snapshot, reference: str) -> Answer:
    unknown = errors.manifest_unknown(reference) if is_digest(reference) else errors.tag_unknown(reference)
    descriptor = await _resolve(snapshot, reference)
    data = None if descriptor is None else snapshot.read_manifest(descriptor)
    if descriptor is None or data is None:
        raise unknown
    return content_answer(descriptor.digest, descriptor.media_type or _own_type(snapshot, descriptor, data), data)


async def _resolve(snapshot: Snapshot, reference: str) -> Descriptor | None:
    """What looks like a digest is one, even if somebody wrote it into an index as a tag."""
    if is_digest(reference):
        await look_for(snapshot, reference)
        return snapshot.manifest(reference)
    tagged = snapshot.tags.get(reference)
    if tagged is None and ":" in reference:
        raise errors.digest_invalid(reference)
    return tagged


def _own_type(snapshot: Snapshot, descriptor: Descriptor, data: bytes) -> str:
    """The media type of a manifest whose descriptor has none: what it says of itself, else what it looks like."""
    links = snapshot.store.links(descriptor.digest, descriptor.media_type, snapshot.own)
    if links is None:
        raise TreeError(f"{descriptor.digest} went away while it was read; expected it to stay")
    if links.media_type:
        return links.media_type
    if links.children:
        return OCI_INDEX
    if b'"fsLayers"' in data:
        return DOCKER_SCHEMA1_SIGNED
    return OCI_MANIFEST if links.config is not None or links.layers else OCTET_STREAM
