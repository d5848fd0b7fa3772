"""What the control plane reads and writes, as JSON."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from fake_registry.config import Fault, FaultAction, FaultMatch
from fake_registry.core.faults import EVERYWHERE, FaultAccount
from fake_registry.core.journal import Entry

PREFIX: Final = "/_ismirror/"
"""Where everything of the control plane lies."""


class Problem(msgspec.Struct, frozen=True):
    """Why a request was not done."""

    error: str


class Page(str):
    """HTML, for a browser."""

    __slots__ = ()


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the registry is. ``problems`` say why it cannot serve."""

    status: str
    problems: list[str] = []


class JournalPage(msgspec.Struct, frozen=True):
    """Requests and their answers, in order. ``total`` counts all that there ever were, the forgotten ones too."""

    total: int
    entries: list[Entry]


class NewFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault rule to be added."""

    host: Annotated[str, Meta(description="Whose requests it is for; * for those of all hosts.")] = EVERYWHERE
    name: str = ""
    match: FaultMatch = FaultMatch()
    action: FaultAction
    times: Annotated[int, Meta(ge=-1)] = -1

    def rule(self) -> Fault:
        """The rule without its host (raises ValueError if match and action do not go together)."""
        return Fault(name=self.name, match=self.match, action=self.action, times=self.times)


class FaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """A fault rule and what became of it.

    ``seen`` requests matched, ``fired`` of them met the fault; ``met`` tells whether that is as often as it was meant
    to be. ``configured`` rules come from the configuration.
    """

    id: str
    host: str
    name: str
    match: FaultMatch
    action: FaultAction
    times: int
    configured: bool
    seen: int
    fired: int
    met: bool

    @classmethod
    def of(cls, account: FaultAccount) -> FaultReport:
        """The report of an account."""
        fault = account.fault
        return cls(
            id=account.id,
            host=account.host,
            name=fault.name,
            match=fault.match,
            action=fault.action,
            times=fault.times,
            configured=account.configured,
            seen=account.seen,
            fired=account.fired,
            met=account.met,
        )


class HostState(msgspec.Struct, frozen=True):
    """A host of the tree or of the configuration, and how many repositories the tree has of it."""

    host: str
    scheme: str
    repositories: int


class RepositoryState(msgspec.Struct, frozen=True):
    """A repository: how many tags, and how many manifests its ``index.json`` names. ``problem`` if that is broken."""

    repository: str
    tags: int
    manifests: int
    problem: str = ""


class TreeState(msgspec.Struct, frozen=True):
    """All hosts."""

    hosts: list[HostState]


class HostContent(msgspec.Struct, frozen=True):
    """One host with its repositories."""

    host: str
    repositories: list[RepositoryState]
