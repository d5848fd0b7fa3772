"""Pushing blobs (distribution specification, "Pushing blobs", "Mounting a blob from another repository").

Whatever is answered with success is on the disk by then.
"""

from __future__ import annotations

import re
from typing import Final

from fake_registry.config import seconds
from fake_registry.core import errors
from fake_registry.core.bodies import add_to_upload, announced_length
from fake_registry.core.call import Call, look_for
from fake_registry.core.errors import API_VERSION
from fake_registry.core.messages import Response
from fake_registry.core.paths import first_parameters
from fake_registry.core.threads import in_thread
from fake_registry.core.tokens import Access
from fake_registry.errors import DigestError, UploadBusy, UploadGone
from fake_registry.fixtures import Snapshot, Upload, is_repository_name, mount_blob
from fake_registry.oci import is_algorithm, is_digest

_RANGE: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")
_REPOSITORIES_LOOKED_AT: Final = 1000


async def start(call: Call) -> Response:
    """POST ``/v2/NAME/blobs/uploads/``: begins an upload, or takes or mounts a whole blob at once."""
    call.written_name()
    asked = first_parameters(call.request.query)
    mount, digest = asked.get("mount"), asked.get("digest")
    for given in (mount, digest):
        if given is not None and not is_digest(given):
            raise errors.digest_invalid(given)
    if mount is not None:
        source = asked.get("from")
        _ask_for_scope(call, source)
        if await _mounted(call, mount, source):
            return _created(call, mount)
    guess = digest or mount
    algorithm = asked.get("digest-algorithm", "sha256") if guess is None else guess.partition(":")[0]
    if not is_algorithm(algorithm):
        raise errors.digest_invalid(algorithm)
    with await _begun(call, algorithm) as upload:
        if digest is not None and mount is None:
            return await _completed(call, upload, digest)
        return _accepted(call, upload.session, 0, begins=True)


async def status(call: Call) -> Response:
    """GET of an upload: how far it got."""
    name, session = call.written_name(), call.target.argument
    try:
        size = call.content.uploads.size(call.host.name, name, session)
    except UploadGone:
        raise errors.upload_unknown(session) from None
    return Response(204, [*_where(call, session, size), API_VERSION])


async def append(call: Call) -> Response:
    """PATCH of an upload: the next chunk, or everything in a stream."""
    with await _opened(call) as upload:
        await _add(call, upload)
        await _synced(upload)
        return _accepted(call, upload.session, upload.size)


async def complete(call: Call) -> Response:
    """PUT of an upload: the last chunk, if it is still to come, and the digest of the whole."""
    digest = first_parameters(call.request.query).get("digest", "")
    if not is_digest(digest):
        raise errors.digest_invalid(digest)
    with await _opened(call) as upload:
        return await _completed(call, upload, digest)


async def cancel(call: Call) -> Response:
    """DELETE of an upload."""
    name, session = call.written_name(), call.target.argument
    try:
        await in_thread(call.content.uploads.cancel, call.host.name, name, session)
    except UploadGone:
        raise errors.upload_unknown(session) from None
    return Response(204, [API_VERSION])


async def _begun(call: Call, algorithm: str) -> Upload:
    uploads, limits = call.content.uploads, call.host.config.limits
    host, name = call.host.name, call.target.name
    await in_thread(uploads.sweep, host, seconds(limits.upload_age))
    if await in_thread(uploads.count, host) >= limits.uploads:
        raise errors.too_many(f"{limits.uploads} uploads are under way")
    return await in_thread(uploads.begin, host, name, algorithm)


async def _opened(call: Call) -> Upload:
    name, session = call.written_name(), call.target.argument
    try:
        return await in_thread(call.content.uploads.open, call.host.name, name, session)
    except UploadGone:
        raise errors.upload_unknown(session) from None
    except UploadBusy:
        raise errors.upload_busy(session) from None


async def _add(call: Call, upload: Upload) -> None:
    """Adds the body, if it is what comes next."""
    announced = announced_length(call)
    text = call.request.headers.get("content-range")
    if text is not None:
        found = _RANGE.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise errors.chunk_invalid(text)
        first, length = int(found[1]), int(found[2]) - int(found[1]) + 1
        if first != upload.size:
            raise errors.out_of_order(text, tuple(_where(call, upload.session, upload.size)))
        if announced not in {None, length}:
            raise errors.size_invalid(length, announced or 0)
        announced = length
    await add_to_upload(call, upload, announced)


async def _synced(upload: Upload) -> None:
    try:
        await in_thread(upload.sync)
    except UploadGone:
        raise errors.upload_unknown(upload.session) from None


async def _completed(call: Call, upload: Upload, digest: str) -> Response:
    """Takes the rest of a blob and puts it into the repository. An upload of something else ends here, too."""
    await _add(call, upload)
    host, name, tree = call.host.name, call.target.name, call.content.tree
    try:
        await in_thread(upload.commit, digest)
    except UploadGone:
        raise errors.upload_unknown(upload.session) from None
    except DigestError:
        await in_thread(upload.drop)
        raise errors.digest_invalid(digest) from None
    await call.content.write(host, name, tree.remember_blob, host, name, digest)
    return _created(call, digest)


def _ask_for_scope(call: Call, source: str | None) -> None:
    """Asks for a token that is good for the source of a mount, too, where the user can have such a one."""
    guard = call.host.authenticator
    if guard is None or call.certified or source is None or not is_repository_name(source) or call.may("pull", source):
        return
    mounting = Access("repository", call.target.name, ["pull", "push"]), Access("repository", source, ["pull"])
    challenge = guard.wider(call.user, *mounting)
    if challenge is not None:
        raise challenge


async def _mounted(call: Call, digest: str, source: str | None) -> bool:
    """Mounts a blob if it can be found where the client may read it. `source` None: wherever that is."""
    host, name, tree = call.host.name, call.target.name, call.content.tree
    if tree.store.find(digest) is None and source is None:
        return False
    sources = [name, *([source] if source is not None else await in_thread(tree.repositories, host))]
    for repository in sources[:_REPOSITORIES_LOOKED_AT]:
        if not is_repository_name(repository) or not call.may("pull", repository):
            continue
        snapshot = tree.snapshot(host, repository)
        if snapshot is None or not await _serves(snapshot, digest):
            continue
        if repository == name:
            if snapshot.find_blob(digest) is not None:
                return True
        elif await call.content.write(host, name, mount_blob, tree, host, repository, name, digest):
            return True
    return False


async def _serves(snapshot: Snapshot, digest: str) -> bool:
    if not snapshot.has_blob(digest):
        await look_for(snapshot, digest)
    return snapshot.blob(digest) is not None


def _created(call: Call, digest: str) -> Response:
    headers = [("Location", call.path("blobs", digest)), ("Docker-Content-Digest", digest), API_VERSION]
    return Response(201, headers)


def _accepted(call: Call, session: str, size: int, *, begins: bool = False) -> Response:
    headers = [*_where(call, session, size), API_VERSION]
    least = call.host.config.limits.chunk_min_bytes
    if begins and least:
        headers.append(("OCI-Chunk-Min-Length", str(least)))
    return Response(202, headers)


def _where(call: Call, session: str, size: int) -> list[tuple[str, str]]:
    """Where an upload goes on, and what it has: ``0-0`` is also what one without any byte has."""
    return [
        ("Location", call.path("blobs/uploads", session)),
        ("Range", f"0-{max(size - 1, 0)}"),
        ("Docker-Upload-UUID", session),
    ]
