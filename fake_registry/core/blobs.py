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
    digest = call.target.argument
    snapshot = call.snapshot()
    key = f"b{snapshot.serial} {digest}"
    answer = call.content.answers.get(key)
    if answer is None:
        found = await _read(call, snapshot)
        if found is None:
            return _not_mirrored(call, snapshot, digest)
        if isinstance(found, FoundFile):  # may change on disk, so it is looked at each time
            body = FileBody(Path(found.path), 0, found.size)
            return ranged(content_answer(digest, OCTET_STREAM, body, ranges=True), call.request)
        answer = content_answer(digest, OCTET_STREAM, found, ranges=True)
        call.content.answers.put(key, answer, answer.size + 1000)
    return ranged(answer, call.request)


async def delete(call: Call) -> Response:
    """DELETE of a blob: this repository does not have it any more; others may."""
    digest = call.digest()
    call.snapshot()
    host, name, tree = call.host.name, call.target.name, call.content.tree
    if not await call.content.write(host, name, tree.delete_blob, host, name, digest):
        raise errors.blob_unknown(digest)
    return Response(202, [API_VERSION])


async def _read(call: Call, snapshot: Snapshot) -> bytes | FoundFile | None:
    """The content, verified, of a blob that the repository leads to; None if it is not in the tree."""
    digest = call.digest()
    if not snapshot.has_blob(digest):
        await look_for(snapshot, digest)
        if snapshot.blob(digest) is None:
            raise errors.blob_unknown(digest)
    found = snapshot.read_blob(digest)
    if isinstance(found, FoundFile):
        await call.content.verify(found, digest)
    return found


def _not_mirrored(call: Call, snapshot: Snapshot, digest: str) -> Response:
    """A blob that manifests name and the tree does not have: layers may be left out, anything else is missing."""
    blob = snapshot.blob(digest)
    if blob is None or blob.role not in {"layer", "child"}:
        raise errors.blob_unknown(digest)
    size = _known_size(snapshot, blob)
    if call.request.method != "HEAD" or size is None:
        raise errors.blob_not_mirrored(digest)
    answer: Answer = content_answer(digest, blob.descriptor.media_type, b"", ranges=True)
    response = answer.respond(call.request)
    if response.status == 200:
        response.headers.append(("Content-Length", str(size)))
    return response


def _known_size(snapshot: Snapshot, blob: Blob) -> int | None:
    """A layer's size by its first descriptor, else by the tree's list, else by any other manifest that says it."""
    digest = blob.descriptor.digest
    if blob.descriptor.size >= 0:
        return blob.descriptor.size
    size = snapshot.store.sizes().get(digest)
    return snapshot.stated_size(digest) if size is None else size
