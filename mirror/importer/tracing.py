"""What an import did, for whoever explains it: kept only where somebody asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mirror.importer.connector import Connector
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import Descriptor
from mirror.v1.image import Image


class Attempt(NamedTuple):
    """A source that was tried, as its pull spec is written; the failure is None where the manifest came from there."""

    reference: str
    failure: ClientFailure | None


@dataclass(slots=True)
class Trace:
    """What was done for one tag or digest.

    ``failure`` is how it ended, if badly; without attempts nothing could be tried. ``entries`` are those of the index
    that was found, ``chosen`` is the one that was taken of them (None: there was no index, or all of it was wanted).
    """

    failure: ClientFailure | None = None
    attempts: list[Attempt] = field(default_factory=list)
    entries: Sequence[Descriptor] = ()
    chosen: Descriptor | None = None


class Outcome(NamedTuple):
    """What came of one tag or digest; seconds that were slept for it."""

    image: Image | None
    manifests: list[Image] | None
    failure: ClientFailure | None
    trace: Trace | None
    slept: float = 0.0


JobKey = tuple[Any, ...]
"""What decides the outcome of a job, besides policy and pull secrets."""

ConversionKey = tuple[str, str, str, str, str, str]
"""What decides what becomes of a manifest: its registry and repository, the digest that is asked for if one is, its own
digest, import mode, architecture and OS."""


class Commons(Protocol):
    """What passes have in common that resolve the same pull specs, under the same policy and with the same secrets.

    Only for passes in which nothing depends on who comes first.
    """

    def connector(self, make: Callable[[], Connector], *, insecure: bool) -> Connector:
        """The connections for secure or insecure requests: those of all passes, or new ones."""
        ...

    async def outcome(self, key: JobKey, resolve: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """The outcome of a job: known already, or worked out now."""
        ...

    def knows(self, repository: str) -> bool:
        """Whether something of a repository is known from earlier times, so that asking for digests may be enough."""
        ...

    def converted(self, key: ConversionKey) -> Outcome | None:
        """What a manifest was made into before, if it was."""
        ...

    def keep(self, key: ConversionKey, outcome: Outcome) -> None:
        """Remembers what a manifest was made into; only what succeeds."""
        ...
