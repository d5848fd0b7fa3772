"""Blobs (distribution specification, "Pulling blobs")."""

from __future__ import annotations

from pathlib import Path

from fake_registry.core import errors
from fake_registry.core.answers import Answer, content_answer, ranged
from fake_registry.core.call import Call, look_for
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import FileBody, Response
from fake_registry.fixtures import Blob, FoundFile, Snapshot
from fake_registry.oci import OCTET_STREAM


async def get(call: Call) -> Response:
    """GET and HEAD of a blob, or a range of it. HEAD of a layer that is not in the tree says what is known of it."""
    snapshot = call.snapshot()
    answer = call.content.answers.get(f"b{snapshot.serial} {call.target.argument}")
    if answer is None:
        answer = await content(call, snapshot)
        if answer is None:
            return _not_mirrored(call, snapshot, call.target.argument)
    return ranged(answer, call.request)


async def content(call: Call, snapshot: Snapshot) -> Answer | None:
    """The answer with the content of the blob that the path names, in a repository; None if it is not in the tree.

    Raises:
        ContentError: it does not match its digest.
        RegistryError: the repository leads to no such blob.
    """
    digest = await served_digest(call, snapshot)
    found = snapshot.read_blob(digest)
    if found is None:
        return None
    if isinstance(found, FoundFile):  # may change on disk, so it is looked at each time
        await call.content.verify(found, digest)
        return content_answer(digest, OCTET_STREAM, FileBody(Path(found.path), 0, found.size), ranges=True)
    answer = content_answer(digest, OCTET_STREAM, found, ranges=True)
    call.content.answers.put(f"b{snapshot.serial} {digest}", answer, answer.size + 1000)
    return answer


async def served_digest(call: Call, snapshot: Snapshot) -> str:
    """The digest that the path names, of a blob that the repository leads to; its content need not be in the tree.

    Raises:
        RegistryError: it is no digest, or there is no such blob.
    """
    digest = call.digest()
    if not snapshot.has_blob(digest):
        await look_for(snapshot, digest)
        if snapshot.blob(digest) is None:
            raise errors.blob_unknown(digest)
    return digest


async def delete(call: Call) -> Response:
    """DELETE of a blob: this repository does not have it any more; others may."""
    digest = call.digest()
    call.snapshot()
    host, name, tree = call.host.name, call.target.name, call.content.tree
    if not await call.content.write(host, name, tree.delete_blob, host, name, digest):
        raise errors.blob_unknown(digest)
    return Response(202, [API_VERSION])


def described(call: Call, snapshot: Snapshot) -> Response | None:
    """What HEAD says of a blob that manifests name and the tree does not have; None if they do not say its size."""
    blob = snapshot.blob(call.target.argument)
    size = None if blob is None else _known_size(snapshot, blob)
    if blob is None or size is None:
        return None
    answer = content_answer(call.target.argument, blob.descriptor.media_type, b"", ranges=True)
    response = answer.respond(call.request)
    if response.status == 200:
        response.headers.append(("Content-Length", str(size)))
    return response


def _not_mirrored(call: Call, snapshot: Snapshot, digest: str) -> Response:
    """A blob that manifests name and the tree does not have: layers may be left out, anything else is missing."""
    blob = snapshot.blob(digest)
    if blob is None or blob.role not in {"layer", "child"}:
        raise errors.blob_unknown(digest)
    response = described(call, snapshot) if call.request.method == "HEAD" else None
    if response is None:
        raise errors.blob_not_mirrored(digest)
    return response


def _known_size(snapshot: Snapshot, blob: Blob) -> int | None:
    """A layer's size by its first descriptor, else by the tree's list, else by any other manifest that says it."""
    digest = blob.descriptor.digest
    if blob.descriptor.size >= 0:
        return blob.descriptor.size
    size = snapshot.store.sizes().get(digest)
    return snapshot.stated_size(digest) if size is None else size
