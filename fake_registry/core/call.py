"""One request on its way through the core, with what its handler needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import msgspec

from fake_registry.config import TokenFlaw
from fake_registry.core import errors
from fake_registry.core.answers import Answer
from fake_registry.core.faults import Met
from fake_registry.core.hosts import VirtualHost, holder_for, namespace_of
from fake_registry.core.messages import Request
from fake_registry.core.paths import Target
from fake_registry.core.proofs import NOBODY, User
from fake_registry.core.rates import Allowance
from fake_registry.core.threads import in_thread
from fake_registry.core.tokens import Access
from fake_registry.errors import ContentError
from fake_registry.fixtures import (
    BoundedCache,
    FoundFile,
    Snapshot,
    Tree,
    UploadIds,
    Uploads,
    is_host,
    is_repository,
    is_repository_name,
)
from fake_registry.oci import is_digest

ANSWER_BYTES: Final = 64 << 20

Result = TypeVar("Result")


class Content:
    """The tree, the answers that were made from it, and the check that large files get before they are served.

    Manifests and small blobs are read where they are asked for, once; a thread would cost more than the read.
    ``complete`` says that a manifest is taken only with everything that it names. ``pending`` is how many bytes of
    manifests are in memory that are still on their way, ``gathered`` how many of uploads. `answer_bytes` is how many
    bytes of answers are kept. With a `seed` uploads have the same ids each time.
    """

    def __init__(
        self, tree: Tree, *, complete: bool = False, answer_bytes: int = ANSWER_BYTES, seed: int | None = None
    ) -> None:
        self.tree = tree
        self.upload_ids = UploadIds(seed)
        self.uploads = Uploads(tree.store, self.upload_ids)
        self.complete = complete
        self.pending = 0
        self.gathered = 0
        self.answers: BoundedCache[Answer] = BoundedCache(answer_bytes)
        self._checks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._writers: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def write(self, host: str, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Changes a repository off the event loop. Those who change the same one wait here and not in threads."""
        writer = self._writers.setdefault((host, name), asyncio.Lock())
        async with writer:
            return await in_thread(function, *arguments)

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


class Call(msgspec.Struct):
    """A request, the host that it is for, what its path names, and who it comes from once that is known.

    ``fault`` is what goes wrong with it on purpose, ``note`` what the journal says of its answer,
    ``allowance`` what the client has left of the host's rate limits.
    """

    request: Request
    host: VirtualHost
    target: Target
    content: Content
    user: User = NOBODY
    fault: Met | None = None
    note: str = ""
    allowance: Allowance | None = None

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

    def written_name(self) -> str:
        """The name of the repository, to be written to (raises `RegistryError` if the tree can have none like it)."""
        name = self.target.name
        if not is_repository(name) or not is_host(self.host.name):
            raise errors.name_invalid(name)
        return name

    def path(self, kind: str, argument: str) -> str:
        """A path that leads to something of the repository, on the host that this request is for."""
        namespace = namespace_of(self.request)
        query = f"?{urlencode({'ns': namespace})}" if namespace else ""
        return f"/v2/{self.target.name}/{kind}/{argument}{query}"

    @property
    def certified(self) -> str:
        """Who asks, where a certificate says it, and no credentials say anything else; empty if none does."""
        if self.request.certified is None:
            return ""
        if self.host.authenticator is not None and "authorization" in self.request.headers:
            return ""
        return holder_for(self.request, self.host)

    def may(self, action: str, repository: str | None = None) -> bool:
        """Whether who asks may do something ("pull", "push", "delete") with a repository: the one that the path names,
        or another one, such as the source of a mount."""
        name = self.target.name if repository is None else repository
        guard, rules = self.host.authenticator, self.host.access
        certified = self.certified
        if guard is not None and not certified:
            return guard.may(self.request, self.user, Access("repository", name, [action]))
        return rules is None or action in rules.allowed(User(certified), name)

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
