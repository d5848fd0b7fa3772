"""What becomes of images on their way, and how that is told: for copies from registries and pushes to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol

import msgspec

Status = Literal["copied", "pushed", "unchanged", "planned", "failed"]


class ImageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of an image, or of the list of tags of a repository.

    ``target`` is where it was pushed to, or its place in the tree if it has another one there. ``blobs`` and ``bytes``
    are what was moved for it (what would be, if nothing is written), manifests counted; ``mounted`` is how many blobs
    only had to be named. ``missing`` are manifests that its index names and that are not where it comes from.
    ``unaskedIndexes`` is how many indexes there are in it whose manifests were not asked about: what refers to those
    would not have come along, as the registry lists nothing for the index itself.
    """

    image: str
    target: str = ""
    status: Status
    digest: str = ""
    blobs: int = 0
    bytes: int = 0
    mounted: int = 0
    referrers: int = 0
    unasked_indexes: int = 0
    missing: list[str] = []
    reason: str = ""


class Progress(Protocol):
    """Is told how a run goes on."""

    def found(self, images: int) -> None:
        """So many more images are to be looked at."""
        ...

    def begun(self, digest: str, size: int) -> None:
        """A large blob (of `size` bytes, -1: not known) is on its way."""
        ...

    def received(self, digest: str, count: int) -> None:
        """So many more bytes of it are there; less than 0: they were wrong."""
        ...

    def ended(self, digest: str) -> None:
        """It is there, or will not come."""
        ...

    def done(self, result: ImageResult) -> None:
        """An image is done."""
        ...

    def waits(self, reason: str) -> None:
        """Nothing happens for a while."""
        ...


class Account:
    """What one image took."""

    def __init__(self) -> None:
        self.blobs = self.bytes = self.mounted = self.referrers = self.unasked_indexes = 0
        self.missing: list[str] = []

    def add(self, size: int) -> None:
        """A blob, or a manifest, of so many bytes was moved."""
        self.blobs += 1
        self.bytes += max(size, 0)


class Turns:
    """Lets one at a time have something, by its name: so that nobody else moves the same blob meanwhile."""

    def __init__(self) -> None:
        self._busy: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Holds a name while the block runs."""
        lock = self._busy.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._busy.pop(name, None)


async def together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Does several things at once; the first failure stops the others, and is raised as it is."""
    if len(work) == 1:
        await work[0]
        return
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
