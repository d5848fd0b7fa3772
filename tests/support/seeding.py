"""A registry on a socket, and copies from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fake_registry.config import Fault, Host
from fake_registry.core.journal import Entry
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority
from mirror.clock import ManualClock
from mirror.seed.copy_options import CopyOptions
from mirror.seed.copying import CopySummary, copy_images
from mirror.seed.outcome import ImageResult
from mirror.seed.pushing import PushSummary, push_images
from mirror.seed.remote.credentials import Login, Logins
from mirror.seed.remote.network import Network
from mirror.seed.remote.patience import Patience
from mirror.seed.remote.registries import Registries
from mirror.seed.sources import distinct, parse_source
from mirror.seed.tag_filters import TagFilter
from mirror.seed.targets import parse_target, shipments
from support.registry import HOST

AUTHORITY = CertificateAuthority.create()


class Silent:
    """A progress that only counts."""

    def __init__(self) -> None:
        self.images = 0
        self.bytes = 0
        self.under_way: set[str] = set()
        self.results: list[ImageResult] = []
        self.reasons: list[str] = []

    def found(self, images: int) -> None:
        self.images += images

    def begun(self, digest: str, size: int) -> None:
        self.under_way.add(digest)

    def received(self, digest: str, count: int) -> None:
        assert digest in self.under_way
        self.bytes += count

    def ended(self, digest: str) -> None:
        self.under_way.remove(digest)

    def done(self, result: ImageResult) -> None:
        self.results.append(result)

    def waits(self, reason: str) -> None:
        self.reasons.append(reason)


class Upstream:
    """A registry that plays many hosts, on a clock that moves only when somebody waits."""

    def __init__(self, core: RegistryCore, address: tuple[str, int], clock: ManualClock) -> None:
        self.core = core
        self.address = address
        self.clock = clock
        self.told: list[str] = []
        """What the last copy or push was told about waits."""

    @property
    def journal(self) -> list[Entry]:
        return list(self.core.journal)

    def asked(self, kind: str, method: str = "GET") -> list[str]:
        """What was asked for: the ends of the paths."""
        return [one.target.rpartition("/")[2] for one in self.journal if (one.kind, one.method) == (kind, method)]

    @asynccontextmanager
    async def registries(self, **fields: Any) -> AsyncIterator[Registries]:
        """All registries at the address of this one, or (`connect`: None) where proxies lead to."""
        logins: dict[str, Login] = fields.pop("logins", {})
        files: list[Path] = fields.pop("files", [])
        sources = fields.pop("sources", None)
        options = {"ca": AUTHORITY.ca_pem, "connect": self.address}
        options |= {name: fields.pop(name) for name in ("ca", "connect", "proxies") if name in fields}
        async with Network(**options) as network:
            patience = fields.pop("patience", Patience())
            yield Registries(network, Logins(files, logins), sources, clock=self.clock, patience=patience, **fields)

    async def copy(
        self, target: Path, *sources: str, tags: TagFilter | None = None, reach: Any = None, **options: Any
    ) -> CopySummary:
        """Copies into a tree, and checks that everything is accounted for; `reach` is for `registries`."""
        progress = Silent()
        reach = (reach or {}) | {"logins": options.pop("logins", {})}
        async with self.registries(**reach) as registries:
            found = distinct(map(parse_source, sources), whole=tags is None)
            summary = await copy_images(
                Tree.open(target, create=True), registries, found, CopyOptions(**options), progress, tags
            )
        assert progress.images == len(progress.results) == len(summary.images)
        assert not progress.under_way
        self.told = progress.reasons
        return summary

    async def push(
        self, tree: Tree, target: str, *names: str, keep_hosts: bool = False, reach: Any = None, **options: Any
    ) -> PushSummary:
        """Pushes from a tree, and checks that everything is accounted for; `reach` is for `registries`."""
        progress = Silent()
        place = parse_target(target, keep_hosts=keep_hosts)
        reach = (reach or {}) | {"logins": options.pop("logins", {})}
        async with self.registries(**reach) as registries:
            found = shipments(tree, place, names)
            summary = await push_images(found, place, registries, progress, **options)
        assert progress.images == len(progress.results) == len(summary.images)
        assert not progress.under_way
        self.told = progress.reasons
        return summary


@asynccontextmanager
async def upstream(
    tree: Tree, faults: Sequence[Fault] = (), hosts: dict[str, Host] | None = None
) -> AsyncIterator[Upstream]:
    """Serves a tree; the faults are those of quay.io."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    hosts = {HOST: Host(faults=list(faults))} if hosts is None else hosts
    core = RegistryCore(tree, hosts, clock=lambda: clock.now().timestamp())
    async with RegistryServer(core, AUTHORITY) as server:
        address = await server.start()
        yield Upstream(core, (address.host, address.port), clock)
