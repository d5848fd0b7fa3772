"""One request on its way through the core, with what its handler needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from fake_registry.config import TokenFlaw
from fake_registry.core import errors
from fake_registry.core.answers import Answer
from fake_registry.core.auth import Access
from fake_registry.core.faults import Met
from fake_registry.core.hosts import VirtualHost
from fake_registry.core.messages import Request
from fake_registry.core.paths import Target
from fake_registry.errors import ContentError
from fake_registry.fixtures import BoundedCache, FoundFile, Snapshot, Tree, is_repository_name
from fake_registry.oci import is_digest

_ANSWER_BYTES: Final = 64 << 20


class Content:
    """The tree, the answers that were made from it, and the check that large files get before they are served.

    Manifests and small blobs are read where they are asked for, once; a thread would cost more than the read.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.answers: BoundedCache[Answer] = BoundedCache(_ANSWER_BYTES)
        self._checks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def verify(self, file: FoundFile, digest: str) -> None:
        """Reads a file that nobody has checked against its digest yet, once for all who wait, off the event loop.

        Raises:
            ContentError: it does not match.
        """
        store = self.tree.store
        verified = store.is_verified(file, digest)
        if verified is None:
            check = self._checks.setdefault(file.path, asyncio.Lock())
            async with check:
                verified = store.is_verified(file, digest)
                if verified is None:
                    verified = await asyncio.to_thread(store.verify, file, digest)
        if not verified:
            raise ContentError(digest)


@dataclass(slots=True)
class Call:
    """A request, the host that it is for, what its path names, and who it comes from once that is known.

    ``fault`` is what goes wrong with it on purpose, ``note`` what the journal says of its answer.
    """

    request: Request
    host: VirtualHost
    target: Target
    content: Content
    user: str = field(default="")
    fault: Met | None = field(default=None)
    note: str = field(default="")

    @property
    def flaw(self) -> TokenFlaw | None:
        """Why the token that the request asks for, or brings, is good for nothing; None if it is good."""
        return None if self.fault is None else self.fault.action.token

    def snapshot(self) -> Snapshot:
        """The repository that the path names.

        Raises:
            RegistryError: the name breaks the grammar, or the host has no such repository.
            TreeError: its ``index.json`` is broken.
        """
        name = self.target.name
        snapshot = self.content.tree.snapshot(self.host.name, name)
        if snapshot is None:
            if not is_repository_name(name):
                raise errors.name_invalid(name)
            raise errors.name_unknown(name)
        return snapshot

    def may(self, action: str, repository: str | None = None) -> bool:
        """Whether who asks may do something ("pull", "push", "delete") with a repository: the one that the path names,
        or another one, such as the source of a mount."""
        name = self.target.name if repository is None else repository
        guard, rules = self.host.authenticator, self.host.access
        if guard is not None:
            return guard.may(self.request, self.user, Access("repository", name, [action]))
        return rules is None or action in rules.allowed("", name)

    def digest(self) -> str:
        """The digest that the path names (raises `RegistryError` if it is none)."""
        if not is_digest(self.target.argument):
            raise errors.digest_invalid(self.target.argument)
        return self.target.argument


async def look_for(snapshot: Snapshot, digest: str) -> None:
    """Reads manifests until one leads to a digest or all are read, and lets others run in between."""
    more = not snapshot.knows(digest)
    while more:
        more = snapshot.advance() and not snapshot.knows(digest)
        await asyncio.sleep(0)


async def read_all(snapshot: Snapshot) -> None:
    """Reads all manifests of a repository, and lets others run in between."""
    more = True
    while more:
        more = snapshot.advance()
        await asyncio.sleep(0)
