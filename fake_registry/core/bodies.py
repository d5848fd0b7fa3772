"""Bodies of requests: taken in pieces, never more than there may be."""

from __future__ import annotations

from typing import Final

from fake_registry.core import errors
from fake_registry.core.call import Call, Content
from fake_registry.core.threads import in_thread
from fake_registry.fixtures import Upload

PIECE: Final = 256 * 1024
"""Bytes of an upload that are gathered in memory before they are written."""

MANIFESTS_AT_ONCE: Final = 64 * 1024 * 1024
"""Bytes of manifests that may be on their way at once, over all clients."""

GATHERED_AT_ONCE: Final = 32 * 1024 * 1024
"""Bytes of uploads that are gathered in memory, over all clients; beyond that what comes is written as it comes."""

_MAX_LENGTH: Final = 19


def announced_length(call: Call) -> int | None:
    """How long the body is by its Content-Length; None if that does not say."""
    text = call.request.headers.get("content-length", "")
    if "transfer-encoding" in call.request.headers or not (text.isascii() and text.isdigit()):
        return None
    return int(text[:_MAX_LENGTH])


async def read_manifest_body(call: Call) -> bytes:
    """The whole body of a request that pushes a manifest.

    Raises:
        RegistryError: it is longer than a manifest may be, or other than announced, or too many are on their way.
    """
    most = call.host.config.limits.manifest_bytes
    announced = announced_length(call)
    if announced is not None and announced > most:
        raise errors.too_large(most)
    content, pieces, size = call.content, list[bytes](), 0
    try:
        if call.request.body is not None:
            async for piece in call.request.body:
                size += len(piece)
                content.pending += len(piece)
                pieces.append(piece)
                if size > most:
                    raise errors.too_large(most)
                if content.pending > MANIFESTS_AT_ONCE:
                    raise errors.too_many("too many manifests are on their way")
    finally:
        content.pending -= sum(map(len, pieces))
    if announced not in {None, size}:
        raise errors.size_invalid(announced or 0, size)
    return b"".join(pieces)


async def add_to_upload(call: Call, upload: Upload, expected: int | None) -> None:
    """Adds the body of a request to an upload. What came of one that breaks off stays: the client may go on from there.

    `expected` is how many bytes the client says that it is (None: it does not say).

    Raises:
        RegistryError: the blob would become longer than it may be, which ends the upload, or other bytes came than
            announced, which then do not count.
    """
    start, most = upload.size, call.host.config.limits.blob_bytes
    if most is not None and expected is not None and start + expected > most:
        raise errors.too_large(most)
    if call.request.body is not None:
        gathered = _Gathered(call.content, upload)
        try:
            async for piece in call.request.body:
                gathered.add(piece)
                size = upload.size + gathered.size
                if most is not None and size > most:
                    gathered.take()
                    await in_thread(upload.drop)
                    raise errors.too_large(most)
                if expected is not None and size - start > expected:
                    break
                if gathered.size >= PIECE or call.content.gathered > GATHERED_AT_ONCE:
                    await gathered.write()
        finally:
            await gathered.write()
    if expected is not None and upload.size - start != expected:
        found = upload.size - start
        await in_thread(upload.cut, start)
        raise errors.size_invalid(expected, found)


class _Gathered:
    """What came of an upload and is not written yet."""

    def __init__(self, content: Content, upload: Upload) -> None:
        self._content = content
        self._upload = upload
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)
        self._content.gathered += len(piece)

    def take(self) -> bytes:
        """All of it; nothing is left."""
        pieces, self._pieces = self._pieces, []
        self._content.gathered -= self.size
        self.size = 0
        return b"".join(pieces)

    async def write(self) -> None:
        if self._pieces:
            await in_thread(self._upload.write, self.take())
