"""Where the content comes from that imports are tried with: a fixture tree, or real registries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fake_registry.config import Host, Hosts
from fake_registry.core.journal import Entry, Journal
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, canonical_host, is_host
from mirror.clock import Clock
from mirror.errors import InputError
from mirror.importer.dial import Endpoint
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.importer.http_transport import HttpTransport
from mirror.importer.transport import Transport
from mirror.preflight.commands import TriedRegistries, TriedTree
from mirror.session import order_matters

_ANSWER_BYTES: Final = 4 << 20


class Damages(Journal):
    """A journal that keeps only what a registry could not answer because the tree is damaged."""

    def __init__(self) -> None:
        super().__init__(limit=1)
        self.found: dict[str, None] = {}

    def append(self, entry: Entry) -> None:
        """Looks at an entry."""
        super().append(entry)
        if entry.status >= 500 and entry.note:
            self.found[entry.note] = None


class Content(NamedTuple):
    """A transport to it, whether its answers depend on the order of the requests, what there is of it, and of a tree
    what is damaged, and whether there is anything in it."""

    transport: Transport
    in_order: bool
    tried: TriedTree | TriedRegistries | None = None
    damages: Collection[str] = ()
    is_empty: bool = False


def of_tree(path: str, hosts: Hosts | None, without: Iterable[str], clock: Clock) -> Content:
    """A tree, with the hosts of the policy, or else all that it has; `without` are those that are to be gone.

    Raises:
        TreeError: it is no tree.
        InputError: what is to be gone is no host.
    """
    tree = Tree.open(path)
    journal = Damages()
    # Hardly anything is asked for twice.
    core = RegistryCore(tree, hosts, clock=lambda: clock.now().timestamp(), journal=journal, answer_bytes=_ANSWER_BYTES)
    known = {name: core.host(name) or Host() for name in core.known_hosts()} if hosts is None else dict(hosts)
    gone = _gone(without)
    kept = {name: host for name, host in known.items() if canonical_host(name) not in gone}
    tried = TriedTree(path, frozenset(map(canonical_host, kept)), hosts is not None, frozenset(gone))
    return Content(EmbeddedTransport(core, kept), order_matters(kept), tried, journal.found, not tree.hosts())


def of_registries(
    places: Mapping[str, Endpoint], without: Iterable[str], ca: bytes | None, *, per_host: int
) -> Content:
    """Real registries, each under its name at its place; there are no others."""
    gone = _gone(without)
    kept = {name: place for name, place in places.items() if canonical_host(name) not in gone}
    transport = HttpTransport(resolve=kept, ca=ca, system=True, concurrency=per_host)
    tried = TriedRegistries(frozenset(map(canonical_host, kept)), frozenset(gone))
    return Content(transport, in_order=False, tried=tried)


def _gone(without: Iterable[str]) -> set[str]:
    """The names of hosts that are to be gone; one that is not there anyway is no mistake."""
    for name in without:
        if not is_host(name.lower()):
            raise InputError(f"--without-source: {name!r} is not a host such as quay.io")
    return {canonical_host(name) for name in without}


def parse_against(text: str) -> tuple[str, Endpoint]:
    """``HOST=URL``, or ``HOST`` alone for a registry that is where its name says.

    Raises:
        InputError: it is none.
    """
    name, given, url = text.partition("=")
    problem = f"--against: {text!r} is not HOST=URL such as mirror.example.com=https://10.0.0.5:5000"
    if not is_host(name.lower()):
        raise InputError(problem)
    try:
        parts = urlsplit(url if given else f"https://{name}")
        port = parts.port
    except ValueError:
        raise InputError(problem) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise InputError(problem)
    return name, (parts.hostname, port or (443 if parts.scheme == "https" else 80))
