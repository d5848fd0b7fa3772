"""All registries that are asked in one run: each once, with the logins that there are for it."""

from __future__ import annotations

from collections.abc import Callable

from mirror.clock import Clock
from mirror.seed.pull_sources import Place, PullSources
from mirror.seed.remote.credentials import Logins
from mirror.seed.remote.network import Network
from mirror.seed.remote.patience import Patience
from mirror.seed.remote.registry import Registry
from mirror.seed.remote.repository import Repository


class Registries:
    """Finds repositories. `insecure` holds for all registries, `limit` for each of them (requests at once)."""

    def __init__(
        self,
        network: Network,
        logins: Logins,
        sources: PullSources | None = None,
        *,
        insecure: bool = False,
        limit: int = 8,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.network = network
        self._logins = logins
        self._sources = sources or PullSources()
        self._insecure = insecure
        self._limit = limit
        self._clock = clock
        self._patience = patience
        self._registries: dict[tuple[str, bool], Registry] = {}
        self._waits: Callable[[str], None] = lambda text: None
        self._repositories: dict[Place, Repository] = {}

    def tell(self, waits: Callable[[str], None]) -> None:
        """From now on `waits` is told why nothing happens for a while."""
        self._waits = waits

    def _tell(self, reason: str) -> None:
        self._waits(reason)

    async def places(self, host: str, repository: str, *, by_digest: bool) -> list[Repository]:
        """Where something can be pulled from, the mirrors first (raises `RemoteError`)."""
        places = self._sources.places(host, repository, by_digest=by_digest)
        return [await self.repository(place) for place in places]

    async def repository(self, place: Place) -> Repository:
        """A repository of a registry (raises `RemoteError` if a credential helper fails)."""
        found = self._repositories.get(place)
        if found is None:
            login = await self._logins.find(place.host, place.repository)
            registry = self._registry(place.host, insecure=place.insecure or self._insecure)
            found = self._repositories.setdefault(place, Repository(registry, place.repository, login))
        return found

    def _registry(self, host: str, *, insecure: bool) -> Registry:
        key = (host, insecure)
        if key not in self._registries:
            self._registries[key] = Registry(
                self.network,
                host,
                insecure=insecure,
                limit=self._limit,
                clock=self._clock,
                patience=self._patience,
                waits=self._tell,
            )
        return self._registries[key]
