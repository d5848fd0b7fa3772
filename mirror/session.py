"""What a run of the importer needs around it: a transport to the registries, a clock, a cluster."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Final, Literal

from fake_registry.config import Hosts
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures.names import canonical_host
from mirror.clock import Clock, ManualClock, NamedUids, RandomUids, SystemClock, Uids
from mirror.errors import InputError
from mirror.gotext import GoTimeError, parse_rfc3339
from mirror.importer.dial import Endpoint, Refused, parse_target
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.importer.transport import Transport
from mirror.importer.waiting import Waits

TransportKind = Literal["embedded", "http"]
CONCURRENCY: Final = 8
"""Exchanges under way at once, unless the user says otherwise."""


def order_matters(hosts: Hosts) -> bool:
    """Whether the answers of some host depend on the order of the requests: then they go out one by one.

    So it is with routes that run out, with connections that break, with faults, and with rate limits:
    they count, and take time.
    """
    return any(route.times >= 0 or route.close for host in hosts.values() for route in host.routes) or any(
        host.faults or host.rate_limits for host in hosts.values()
    )


def _with_one_name(hosts: Hosts) -> Hosts:
    """The hosts by their canonical names; of Docker Hub's names its own counts, as in the registry."""
    ordered = sorted(hosts, key=lambda name: canonical_host(name) != name.lower())
    return {canonical_host(name): hosts[name] for name in reversed(ordered)}


def ambiguous(core: RegistryCore, hosts: Hosts) -> set[str]:
    """The hosts of which a TLS handshake does not tell what they speak: there is no name in it for an address, and
    never a port, by which alone they may differ from another host of the core."""
    schemes: dict[str, set[str]] = {}
    for known in core.known_hosts():
        host = core.host(known)
        if host is not None:
            schemes.setdefault(parse_target("https", known).host, set()).add(host.scheme)
    targets = {name: parse_target("https", name) for name in hosts}
    return {name for name, target in targets.items() if target.is_ip or len(schemes.get(target.host, ())) > 1}


@asynccontextmanager
async def open_transport(
    core: RegistryCore,
    hosts: Hosts | None,
    kind: TransportKind = "embedded",
    *,
    concurrency: int = CONCURRENCY,
) -> AsyncIterator[Transport]:
    """A transport to the registries of a core: to it directly, or over sockets and TLS on the loopback interface.

    With `hosts` only those exist, otherwise all that the core knows. Texts show fixed addresses either way.
    """
    if hosts is None:
        hosts = {name: host for name in core.known_hosts() if (host := core.host(name)) is not None}
    hosts = _with_one_name(hosts)
    if kind == "embedded":
        yield EmbeddedTransport(core, hosts)
        return
    from fake_registry.server import RegistryServer  # noqa: PLC0415 - sockets only where they are asked for
    from mirror.importer.http_transport import HttpTransport  # noqa: PLC0415

    waits = Waits()
    async with RegistryServer(core, pacing=waits) as server:
        shared = await server.start("127.0.0.1", 0)
        alone = ambiguous(core, hosts)
        resolve: dict[str, Endpoint] = {}
        for name, host in hosts.items():
            if host.scheme == "down":
                resolve[name] = Refused()
            else:
                address = await server.start("127.0.0.1", 0, serving=name) if name in alone else shared
                resolve[name] = (address.host, address.port)
        async with HttpTransport(
            resolve=resolve,
            ca=server.authority.ca_pem,
            addresses="fixed",
            concurrency=1 if order_matters(hosts) else concurrency,
            waits=waits,
        ) as transport:
            yield transport


def connected_transport(
    address: tuple[str, int],
    hosts: Hosts | None,
    ca: bytes | None,
    *,
    concurrency: int = CONCURRENCY,
) -> AbstractAsyncContextManager[Transport]:
    """A transport that sends every host's requests to one listener, under their real names. Texts show real addresses.

    Of `hosts` only those that are down matter: they refuse.

    Raises:
        InputError: `ca` holds no certificates.
    """
    from mirror.importer.http_transport import HttpTransport  # noqa: PLC0415

    down: dict[str, Endpoint] = {name: Refused() for name, host in (hosts or {}).items() if host.scheme == "down"}
    return HttpTransport(
        connect=address,
        resolve=down or None,
        ca=ca,
        concurrency=1 if order_matters(hosts or {}) else concurrency,
    )


def fixed_time(text: str | None, environment: Mapping[str, str] = os.environ) -> datetime | None:
    """The instant of ``--now``, else of ``SOURCE_DATE_EPOCH``; None where neither is given.

    Raises:
        InputError: it is no instant.
    """
    if text is not None:
        try:
            return parse_rfc3339(text)
        except GoTimeError:
            raise InputError(f"--now: {text!r} is not a time such as 2026-01-31T12:00:00Z") from None
    epoch = environment.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise InputError(f"SOURCE_DATE_EPOCH: {epoch!r} is not a number of seconds since 1970") from None


def clock_of(now: datetime | None, *, live: bool) -> tuple[Clock, Uids]:
    """A clock and a source of uids: fixed ones where the time is given, so that every run gives the same bytes.

    Without a time the clock starts now; it waits as long as it says only when `live`, that is against registries that
    somebody else runs.
    """
    if now is not None:
        return ManualClock(now), NamedUids()
    return (SystemClock() if live else ManualClock(datetime.now(UTC))), RandomUids()
