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


class TreeWriter:
    """Takes manifests and small blobs. What was taken counts as there at once; `committed` says when it is durable.

    Repositories change every few hundred images or seconds, and with `close`: whoever is killed loses no more.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._batch = Batch(tree)
        self._thread = ThreadPoolExecutor(1, "tree")
        self._pending: dict[str, bytes] = {}
        self._flushing: dict[str, bytes] = {}
        self._sizes: dict[str, int] = {}
        self._images = 0
        self._since = time.monotonic()
        self._turn = asyncio.Lock()

    def pending(self, digest: str) -> bytes | None:
        """The bytes of a manifest that was taken and is not in its place yet."""
        return self._pending.get(digest) or self._flushing.get(digest)

    async def blob(self, data: bytes, digest: str) -> None:
        """Takes a small blob (raises `TreeError`)."""
        await self._run(lambda: self._batch.put_blob(data, digest))

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
        if self._images >= _IMAGES or time.monotonic() - self._since >= _SECONDS:
            await self.commit()

    def size(self, digest: str, size: int) -> None:
        """Takes the size of a layer that no manifest states."""
        self._sizes[digest] = size

    async def commit(self) -> None:
        """Makes everything durable that was taken so far (raises `TreeError`)."""
        async with self._turn:
            self._flushing, self._pending = self._pending, {}
            self._images, self._since = 0, time.monotonic()
            sizes, self._sizes = self._sizes, {}
            await self._run(self._batch.commit)
            if sizes:
                await self._run(lambda: self._tree.put_sizes(sizes))
            self._flushing = {}

    async def close(self) -> None:
        """Commits, and ends the thread."""
        try:
            await self.commit()
        finally:
            self._batch.drop()
            self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
