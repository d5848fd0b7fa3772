"""Manifests (distribution specification, "Pulling manifests", "Pushing Manifests", "Deleting Manifests")."""

from __future__ import annotations

from functools import partial
from typing import Final

from fake_registry.core import errors
from fake_registry.core.acceptance import accepted_type
from fake_registry.core.answers import Answer, content_answer
from fake_registry.core.bodies import read_manifest_body
from fake_registry.core.call import Call, look_for
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import Response
from fake_registry.core.paths import parameters
from fake_registry.core.threads import in_thread
from fake_registry.errors import MissingContentError, TreeError
from fake_registry.fixtures import Pushed, Snapshot, is_tag, push_manifest
from fake_registry.oci import (
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    OCTET_STREAM,
    Descriptor,
    is_digest,
    manifest_digest,
)

_WARNED_OF: Final = 3
"""So many digests are named in a warning."""


async def get(call: Call) -> Response:
    """GET and HEAD of a manifest by tag or digest: its bytes as they stand, whatever the client accepts."""
    snapshot = call.snapshot()
    key = f"m{snapshot.serial} {call.target.argument}"
    answer = call.content.answers.get(key)
    if answer is None:
        answer = await _answer(snapshot, call.target.argument)
        call.content.answers.put(key, answer, answer.size + 1000)
    return answer.respond(call.request)


async def put(call: Call) -> Response:
    """PUT of a manifest by tag, or by digest with any number of tags in the query."""
    name, reference = call.written_name(), call.target.argument
    algorithm, tags = _place(call, reference)
    data = await read_manifest_body(call)
    host, content = call.host.name, call.content
    media_type = await in_thread(accepted_type, data, call.request.headers.get("content-type", ""))
    if is_digest(reference) and await in_thread(manifest_digest, data, media_type, algorithm) != reference:
        raise errors.digest_invalid(reference)
    push = partial(push_manifest, algorithm=algorithm, complete=content.complete)
    try:
        pushed = await content.write(host, name, push, content.tree, host, name, data, media_type, tags)
    except MissingContentError as error:
        raise errors.manifest_blob_unknown(error.digests[0], len(error.digests) - 1) from None
    digest = pushed.descriptor.digest
    headers = [("Location", call.path("manifests", digest)), ("Docker-Content-Digest", digest), API_VERSION]
    if pushed.links.subject is not None:
        headers.append(("OCI-Subject", pushed.links.subject.digest))
    if is_digest(reference):
        headers += [("OCI-Tag", tag) for tag in tags]
    if pushed.absent:
        headers.append(("Warning", _warning(pushed)))
    return Response(201, headers)


async def delete(call: Call) -> Response:
    """DELETE of a tag, which leaves its manifest, or of a manifest, which takes its tags along."""
    reference = call.target.argument
    call.snapshot()
    host, name, tree = call.host.name, call.target.name, call.content.tree
    if is_digest(reference):
        if not await call.content.write(host, name, tree.delete_manifest, host, name, reference):
            raise errors.manifest_unknown(reference)
    elif not await call.content.write(host, name, tree.delete_tag, host, name, reference):
        raise errors.digest_invalid(reference) if ":" in reference else errors.tag_unknown(reference)
    return Response(202, [API_VERSION])


def _place(call: Call, reference: str) -> tuple[str, list[str]]:
    """Where a manifest goes: the algorithm of its digest, and its tags."""
    if is_digest(reference):
        tags = list(dict.fromkeys(tag for key, tag in parameters(call.request.query) if key == "tag"))
        algorithm = reference.partition(":")[0]
    elif ":" in reference:
        raise errors.digest_invalid(reference)
    else:
        algorithm, tags = "sha256", [reference]
    for tag in tags:
        if not is_tag(tag):
            raise errors.tag_invalid(tag)
    return algorithm, tags


def _warning(pushed: Pushed) -> str:
    """Says what a manifest names that its repository does not have."""
    digests = [link.digest for link in pushed.absent]
    more = f" and {len(digests) - _WARNED_OF} more" if len(digests) > _WARNED_OF else ""
    return f'299 - "the repository does not have {", ".join(digests[:_WARNED_OF])}{more}"'


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
