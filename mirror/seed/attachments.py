"""Copying what belongs to images: signatures, attestations and whatever else refers to them or to their platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from fake_registry.oci import Descriptor
from mirror.seed.content_copier import ContentCopier
from mirror.seed.copy_options import CopyOptions
from mirror.seed.outcome import Account, together
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.repository import Repository
from mirror.seed.sources import Source
from mirror.seed.tag_filters import attached_to
from mirror.seed.tree_content import TreeContent
from mirror.seed.tree_writer import TreeWriter

_DEEPEST: Final = 3
_REMEMBERED: Final = 4096

Attached = Mapping[str, Sequence[str]]
"""The tags of a repository that belong to images, by the digests of those."""


class Attachments:
    """Copies attachments. A manifest that several images have is asked about once."""

    def __init__(self, held: TreeContent, content: ContentCopier, writer: TreeWriter, options: CopyOptions) -> None:
        self._held = held
        self._content = content
        self._writer = writer
        self._options = options
        self._asked: dict[tuple[Repository, str], None] = {}
        self._tags: dict[str, asyncio.Task[Attached]] = {}

    async def copy(
        self,
        source: Source,
        origin: Repository,
        digests: Iterable[str],
        account: Account,
        attached: Attached | None = None,
    ) -> None:
        """Copies what belongs to an image, given the digests of its manifests; without `attached` tags are looked for.

        Raises:
            RemoteError: something cannot be had.
        """
        tags = attached if attached is not None else await self._attached_tags(origin)
        await together([self._of(source, origin, digest, tags, account, 0) for digest in dict.fromkeys(digests)])

    async def _of(
        self, source: Source, origin: Repository, digest: str, attached: Attached, account: Account, depth: int
    ) -> None:
        """What refers to a manifest: what tags name after it, as cosign's do, and what the registry lists."""
        if depth >= _DEEPEST or not self._first(origin, digest):
            return
        taken: set[str] = set()
        for tag in attached.get(digest, ()):
            known = self._held.named(msgspec.structs.replace(source, tag=tag, digest=""))
            if known is None or await origin.digest(tag) != known.digest:
                taken.add(await self._referrer(source, origin, tag, tag, account))
        for referrer in await origin.referrers(digest) or ():
            if referrer.digest not in taken and not self._is_here(source, referrer):
                await self._referrer(source, origin, referrer.digest, "", account)
            await self._of(source, origin, referrer.digest, attached, account, depth + 1)

    def _first(self, origin: Repository, digest: str) -> bool:
        """Whether nobody asked about a manifest lately; from now on somebody did."""
        key = (origin, digest)
        if key in self._asked:
            return False
        self._asked[key] = None
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return True

    def _is_here(self, source: Source, referrer: Descriptor) -> bool:
        """Whether the repository has a referrer; what else the tree has may be that of another one."""
        named = self._held.named(msgspec.structs.replace(source, tag="", digest=referrer.digest))
        return named is not None and self._held.manifest(referrer.digest, referrer.media_type) is not None

    async def _referrer(self, source: Source, origin: Repository, reference: str, tag: str, account: Account) -> str:
        """Copies what refers to an image; returns its digest, empty if it is not there."""
        try:
            descriptor, data = await self._content.manifest(origin, reference, "", account)
        except RemoteError as error:
            if error.status != 404:
                raise
            return ""  # deleted meanwhile, or a list that is out of date
        await self._content.content(origin, descriptor, data, account, 0, payload=True)
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
