"""What the control plane looks at and tells what to do: a registry in this process, or one in several."""

from __future__ import annotations

import asyncio
import os
from typing import Protocol

import msgspec

from fake_registry.control.documents import JournalPage
from fake_registry.control.metrics import Exposition, Metrics, exposition
from fake_registry.core.changes import Change, Made, make
from fake_registry.core.journal import Entry
from fake_registry.core.registry import RegistryCore


class JournalFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which entries of a journal: those that have all that is said here, and of them the last `limit`."""

    host: str | None = None
    method: str | None = None
    status: int | None = None
    kind: str | None = None
    repository: str | None = None
    user: str | None = None
    fault: str | None = None
    target: str | None = None
    since: float | None = None
    limit: int


class Controlled(Protocol):
    """A registry, however many processes it has."""

    @property
    def core(self) -> RegistryCore:
        """A core with the tree, the hosts and the accounts of the faults. Its journal may be empty."""
        ...

    async def change(self, change: Change) -> Made:
        """Changes the registry; when this returns, whoever asks it finds it changed."""
        ...

    async def journal(self, wanted: JournalFilter) -> JournalPage:
        """What was asked."""
        ...

    async def more(self, seconds: float) -> None:
        """Returns when something may have been asked since, and at the latest after so many seconds."""
        ...

    async def metrics(self) -> Exposition | None:
        """The counters; None if nobody counts."""
        ...

    async def problems(self) -> list[str]:
        """Why the registry cannot serve; empty if it can."""
        ...


class OneProcess:
    """A registry that is served in this process. Without `metrics` nobody counts."""

    def __init__(self, core: RegistryCore, metrics: Metrics | None = None) -> None:
        self.core = core
        self._metrics = metrics

    async def change(self, change: Change) -> Made:
        return make(self.core, change)

    async def journal(self, wanted: JournalFilter) -> JournalPage:
        return journal_page(self.core, wanted)

    async def more(self, seconds: float) -> None:
        await self.core.journal.more(seconds)

    async def metrics(self) -> Exposition | None:
        if self._metrics is None:
            return None
        return exposition({"": self._metrics.families()}, self.core.faults)

    async def problems(self) -> list[str]:
        return await asyncio.to_thread(tree_problems, self.core)


def journal_page(core: RegistryCore, wanted: JournalFilter) -> JournalPage:
    """What the journal of one process has."""
    filters = msgspec.structs.asdict(wanted)
    limit = filters.pop("limit")
    found = core.journal.entries(**filters)
    return JournalPage(core.journal.total, [_as_json_takes_it(one) for one in found[max(len(found) - limit, 0) :]])


def tree_problems(core: RegistryCore) -> list[str]:
    """Why the tree cannot be read; empty if it can."""
    root = core.tree.root
    if not root.exists():
        return []  # an absent directory is a new tree
    return [] if os.access(root, os.R_OK | os.X_OK) else [f"{root}: cannot be read"]


def _as_json_takes_it(entry: Entry) -> Entry:
    """Requests that are not UTF-8 have surrogates, which no JSON text can have."""
    texts = {
        name: value.encode("utf-8", "replace").decode()
        for name, value in msgspec.structs.asdict(entry).items()
        if isinstance(value, str) and not value.isascii()
    }
    return msgspec.structs.replace(entry, **texts) if texts else entry
