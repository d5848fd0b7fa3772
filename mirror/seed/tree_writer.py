"""Writing to a tree from the event loop: in batches, on a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from fake_registry.fixtures import Batch, Tree

T = TypeVar("T")

_IMAGES: Final = 256
_SECONDS: Final = 3.0
_REST: Final = 20


class TreeWriter:
    """Takes manifests and small blobs. What was taken counts as there at once.

    Content is in its place, durably, after a few hundred images or seconds; what a writer has taken that is killed
    before, the next one finds (`begin`). Repositories change as often, and with `close`; but since an ``index.json`` is
    written as a whole, they rest for twenty times what that takes. So all changes together take a twentieth of a run,
    however long the index gets.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._batch = Batch(tree)
        self._thread = ThreadPoolExecutor(1, "tree")
        self._pending: dict[str, bytes] = {}
        self._flushing: dict[str, bytes] = {}
        self._blobs: set[str] = set()
        self._flushing_blobs: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._images = 0
        self._since = time.monotonic()
        self._rests_until = 0.0
        self._turn = asyncio.Lock()

    async def begin(self) -> None:
        """Takes over what writers have taken that were killed (raises `TreeError`)."""
        await self._run(self._batch.take_over)

    def pending(self, digest: str) -> bytes | None:
        """The bytes of a manifest that was taken and is not in its place yet."""
        return self._pending.get(digest) or self._flushing.get(digest)

    def holds(self, digest: str) -> bool:
        """Whether a small blob was taken and is not in its place yet."""
        return digest in self._blobs or digest in self._flushing_blobs

    def knows_size(self, digest: str) -> bool:
        """Whether the size of a layer was taken and is not in its place yet."""
        return digest in self._sizes

    async def blob(self, data: bytes, digest: str) -> None:
        """Takes a small blob (raises `TreeError`)."""
        await self._run(lambda: self._batch.put_blob(data, digest))
        self._blobs.add(digest)

    async def content(self, data: bytes, media_type: str, digest: str) -> None:
        """Takes a manifest that an index names (raises `TreeError`)."""
        self._pending[digest] = data
        await self._run(lambda: self._batch.put_manifest_content(data, media_type, digest))

    async def manifest(self, host: str, repository: str, data: bytes, media_type: str, tag: str, digest: str) -> None:
        """Takes a manifest for a repository, with a tag or (an empty one) without (raises `TreeError`)."""
        self._pending[digest] = data
        await self._run(
            lambda: self._batch.put_manifest(host, repository, data, media_type, tag or None, digest=digest)
        )
        self._images += 1
        now = time.monotonic()
        if self._images >= _IMAGES or now - self._since >= _SECONDS:
            self._images, self._since = 0, now
            async with self._turn:
                await self._flush()
                if now >= self._rests_until:
                    await self._change()

    def size(self, digest: str, size: int) -> None:
        """Takes the size of a layer that no manifest states."""
        self._sizes[digest] = size

    async def commit(self) -> None:
        """Makes everything durable that was taken so far (raises `TreeError`)."""
        async with self._turn:
            await self._flush()
            await self._change()

    async def _flush(self) -> None:
        """Puts content in its place."""
        self._flushing, self._pending = self._pending, {}
        self._flushing_blobs, self._blobs = self._blobs, set()
        sizes = dict(self._sizes)
        await self._run(self._batch.flush)
        if sizes:
            await self._run(lambda: self._tree.put_sizes(sizes))
        self._sizes = {digest: size for digest, size in self._sizes.items() if digest not in sizes}
        self._flushing, self._flushing_blobs = {}, set()

    async def _change(self) -> None:
        """Changes the repositories."""
        start = time.monotonic()
        await self._run(self._batch.commit)
        now = time.monotonic()
        self._rests_until = now + _REST * (now - start)

    async def close(self) -> None:
        """Commits, and ends the thread."""
        try:
            await self.commit()
        finally:
            self._batch.drop()
            self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
