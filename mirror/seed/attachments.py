"""Copying what belongs to images: signatures, attestations and whatever else refers to them or to their platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from fake_registry.oci import INDEX_TYPES, MANIFEST_TYPES, Descriptor, manifest_links
from mirror.seed.content_copier import DEEPEST, ContentCopier
from mirror.seed.copy_options import CopyOptions
from mirror.seed.outcome import Account, Turns, together
from mirror.seed.platforms import wanted_children
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.repository import Fetched, Repository
from mirror.seed.sources import Source
from mirror.seed.tag_filters import attached_to
from mirror.seed.tree_content import TreeContent
from mirror.seed.tree_writer import TreeWriter

_DEEPEST: Final = 3
_REMEMBERED: Final = 4096

Attached = Mapping[str, Sequence[str]]
"""The tags of a repository that belong to images, by the digests of those."""


class _Way(NamedTuple):
    """Where what belongs to an image comes from and goes to, which tags do, and who counts.

    ``passed`` are the manifests of the image that were met: an index may name one more than once.
    """

    source: Source
    origin: Repository
    attached: Attached
    account: Account
    passed: set[tuple[str, bool]]


class _Found(NamedTuple):
    """What was found out about a manifest: whether the registry was asked for its list, and whether that has any."""

    asked: bool
    lists: bool


class Attachments:
    """Copies attachments. A manifest that several images have is asked about once.

    Tags that belong to a manifest are known from the list of tags. What refers to it in other ways only the registry's
    list for that manifest says, which is a request. It is made for every image; for the manifests of an index only
    where that of the index has any: who signs or describes platforms does so with the index as well. With the option
    ``all`` it is made for them in any case.
    """

    def __init__(self, held: TreeContent, content: ContentCopier, writer: TreeWriter, options: CopyOptions) -> None:
        self._held = held
        self._content = content
        self._writer = writer
        self._options = options
        self._found: dict[tuple[Repository, str], _Found] = {}
        self._turns = Turns()
        self._tags: dict[str, asyncio.Task[Attached]] = {}

    async def copy(
        self,
        source: Source,
        origin: Repository,
        image: Fetched,
        account: Account,
        attached: Attached | None = None,
    ) -> None:
        """Copies what belongs to an image that was copied; without `attached` tags are looked for.

        Raises:
            RemoteError: something cannot be had.
        """
        tags = attached if attached is not None else await self._attached_tags(origin)
        way = _Way(source, origin, tags, account, set())
        await self._image(way, image.descriptor, image.data, 0, asks=True)

    async def _image(self, way: _Way, image: Descriptor, data: bytes | None, depth: int, *, asks: bool) -> None:
        """What belongs to a manifest and to those that it is the index of, as far as they are wanted and there."""
        if depth > DEEPEST or (image.digest, asks) in way.passed:
            return
        way.passed.add((image.digest, asks))
        async with self._turns.alone(f"{way.origin}@{image.digest}"):  # whoever has the same image waits for this
            before = self._found.get((way.origin, image.digest))
            found = await self._of(way, image.digest, 0, asks=asks)
        children = [] if data is None else wanted_children(data, manifest_links(data), self._options.platforms)
        asks_below = self._options.referrers == "all" or (asks and found.lists)
        if children and asks and found.asked and not asks_below and (before is None or not before.asked):
            way.account.unasked_indexes += 1
        if asks_below or way.attached:
            missing = set(way.account.missing)
            below = [child for child in children if child.digest not in missing]
            await together([self._image(way, one, self._index(one), depth + 1, asks=asks_below) for one in below])

    def _index(self, manifest: Descriptor) -> bytes | None:
        """The bytes of a manifest of an index if it is an index itself."""
        is_image = manifest.media_type in MANIFEST_TYPES - INDEX_TYPES
        return None if is_image else self._held.manifest(manifest.digest, manifest.media_type)

    async def _of(self, way: _Way, digest: str, depth: int, *, asks: bool) -> _Found:
        """What refers to a manifest: what tags name after it, as cosign's do, and what the registry lists."""
        key = (way.origin, digest)
        before = self._found.get(key)
        if before is not None and (before.asked or not asks):
            return before
        self._remember(key, _Found(asked=asks, lists=False))  # what refers to one another is met again below
        try:
            taken = set() if before is not None else await self._tagged(way, digest)
            listed = await way.origin.referrers(digest) if asks else None
            for referrer in listed or ():
                if referrer.digest not in taken and not self._is_here(way.source, referrer):
                    await self._referrer(way, referrer.digest, "")
                if depth + 1 < _DEEPEST:
                    await self._of(way, referrer.digest, depth + 1, asks=True)
        except BaseException:
            self._found.pop(key, None)
            raise
        found = _Found(asked=listed is not None, lists=bool(listed))
        self._remember(key, found)
        return found

    async def _tagged(self, way: _Way, digest: str) -> set[str]:
        """Copies what tags name after a manifest; the digests of that."""
        taken: set[str] = set()
        for tag in way.attached.get(digest, ()):
            known = self._held.named(msgspec.structs.replace(way.source, tag=tag, digest=""))
            if known is None or await way.origin.digest(tag) != known.digest:
                taken.add(await self._referrer(way, tag, tag))
        return taken

    def _remember(self, key: tuple[Repository, str], found: _Found) -> None:
        self._found[key] = found
        if len(self._found) > _REMEMBERED:
            del self._found[next(iter(self._found))]

    def _is_here(self, source: Source, referrer: Descriptor) -> bool:
        """Whether the repository has a referrer; what else the tree has may be that of another one."""
        named = self._held.named(msgspec.structs.replace(source, tag="", digest=referrer.digest))
        return named is not None and self._held.manifest(referrer.digest, referrer.media_type) is not None

    async def _referrer(self, way: _Way, reference: str, tag: str) -> str:
        """Copies what refers to an image; returns its digest, empty if it is not there."""
        source, origin, account = way.source, way.origin, way.account
        try:
            descriptor, data = await self._content.manifest(origin, reference, "", account)
        except RemoteError as error:
            if error.status != 404:
                raise
            return ""  # deleted meanwhile, or a list that is out of date
        await self._content.content(origin, descriptor, data, account, payload=True)
        account.referrers += 1
        if not self._options.dry_run:
            media_type = descriptor.media_type
            await self._writer.manifest(source.host, source.repository, data, media_type, tag, descriptor.digest)
        return descriptor.digest

    async def _attached_tags(self, origin: Repository) -> Attached:
        """The tags of a repository that belong to images, looked at once."""
        name = str(origin)
        if name not in self._tags:
            self._tags[name] = asyncio.create_task(_look(origin))
        return await asyncio.shield(self._tags[name])


def attachments(tags: Iterable[str]) -> Attached:
    """The tags among these that belong to images."""
    found: dict[str, list[str]] = {}
    for tag in sorted(tags):
        digest = attached_to(tag)
        if digest is not None:
            found.setdefault(digest, []).append(tag)
    return found


async def _look(origin: Repository) -> Attached:
    try:
        return attachments(await origin.tags())
    except RemoteError as error:
        if error.status in {401, 403, 404, 405}:
            return {}  # who may pull an image need not be allowed to list tags
        raise
