"""Finding a host and connecting to it: the addresses, the order of attempts and the error texts of Go's net package.

Source: net ``dial.go`` (RFC 6555 with Go's delays), ``lookup.go``, ``dnsclient.go``; net/http ``transport.go``.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from fake_registry.fixtures.names import canonical_host
from mirror.hostport import join_host_port
from mirror.importer.failures import FailureKind
from mirror.importer.transport import TransportError

FIXED_ADDRESS: Final = "192.0.2.10"
"""The address of every registry in texts that must not depend on where a listener happens to be (RFC 5737)."""

FIXED_CLIENT: Final = "192.0.2.1:40000"
"""Our own side of a connection in such texts."""

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_FALLBACK_DELAY: Final = 0.3
_LEAST_ATTEMPT: Final = 2.0
_TEMPORARY: Final = frozenset(
    {errno.EINTR, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EWOULDBLOCK, errno.ETIMEDOUT}
)
_DOMAIN_NAME: Final = re.compile(
    r"(?=.{1,254}\Z)(?=.*[A-Za-z_-])[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)

Addresses = Literal["fixed", "real"]
"""Which addresses texts show: those that were dialled, or the fixed one."""


@dataclass(frozen=True)
class Refused:
    """A host that exists and refuses connections."""


Endpoint = tuple[str, int] | Refused


class Target(NamedTuple):
    """Whom a request is for: host name or IP address (without brackets), and port, as in its URL."""

    host: str
    port: int

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address."""
        return is_ip(self.host)


def parse_target(scheme: str, authority: str) -> Target:
    """The target of ``scheme://authority``; user information is not part of it.

    Raises:
        TransportError: there is no host, or the port is none.
    """
    text = authority.rpartition("@")[2]
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        raise TransportError("http: no Host in request URL")
    if not port:
        return Target(host, DEFAULT_PORTS[scheme])
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise TransportError(f"dial tcp: address {port}: invalid port")
    return Target(host, int(port))


def is_ip(host: str) -> bool:
    """Whether `host` is an IP address, an IPv6 zone included."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def refused(target: Target, address: str = FIXED_ADDRESS) -> TransportError:
    """A connection that was refused."""
    return TransportError(
        f"dial tcp {join_host_port(address, str(target.port))}: connect: connection refused", kind="refused"
    )


def fixed_read(target: Target) -> str:
    """``read tcp LOCAL->REMOTE: read`` of a connection to a target, in texts with fixed addresses."""
    return f"read tcp {FIXED_CLIENT}->{join_host_port(FIXED_ADDRESS, str(target.port))}: read"


def no_such_host(host: str) -> TransportError:
    """A name that does not exist, as the system's resolver has it reported."""
    return TransportError(f"dial tcp: lookup {host}: no such host", kind="no-host")


def unlisted(target: Target) -> TransportError:
    """The failure of a host that is not on the list of those that exist."""
    if target.is_ip or target.host.lower() == "localhost":
        return refused(target)
    return no_such_host(target.host)


E = TypeVar("E")


class HostList(Generic[E]):
    """The hosts that exist, and where or what they are. Names are those of registries: ``plain.example.com:5000``.

    A name without a port is that host on the default ports, 443 and 80, unless these are named, too. Names of Docker
    Hub are one host.
    """

    def __init__(self, endpoints: Mapping[str, E]) -> None:
        self._endpoints: dict[tuple[str, int], E] = {}
        for name, endpoint in sorted(endpoints.items(), key=lambda item: _names_port(item[0])):
            for scheme in DEFAULT_PORTS:
                self._endpoints[_key(parse_target(scheme, name))] = endpoint

    def find(self, target: Target) -> E | None:
        """What is known of a target; None if it does not exist."""
        return self._endpoints.get(_key(target))


def _names_port(name: str) -> bool:
    return parse_target("https", name).port == parse_target("http", name).port


def _key(target: Target) -> tuple[str, int]:
    return canonical_host(target.host), target.port


def errno_text(error: OSError) -> str:
    """The text of a system error as Go prints it."""
    return os.strerror(error.errno).lower() if error.errno else "EOF"


class SocketAddress(NamedTuple):
    """An address as the socket module has it."""

    family: int
    address: tuple[Any, ...]

    def __str__(self) -> str:
        return join_host_port(self.address[0], str(self.address[1]))


Lookup = Callable[[str, int], Awaitable[Sequence[SocketAddress]]]
"""Gives the addresses of a host name or IP address, best first; raises socket.gaierror as the resolver does."""


async def system_lookup(host: str, port: int) -> Sequence[SocketAddress]:
    """Asks the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [SocketAddress(family, address) for family, _, _, _, address in dict.fromkeys(found)]


class Dialer:
    """Connects to targets.

    With `hosts` only those exist; with `via` everything else is at that one address; without both, `lookup` finds
    them. `timeout` (seconds) bounds an attempt to connect to a target, all its addresses together.
    """

    def __init__(
        self,
        *,
        hosts: HostList[Endpoint] | None = None,
        via: tuple[str, int] | None = None,
        addresses: Addresses = "real",
        timeout: float = 30.0,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._lookup = lookup
        self._hosts = hosts
        self._via = via
        self._fixed = addresses == "fixed"
        self._timeout = timeout

    def reset_text(self, target: Target, connection: socket.socket | asyncio.BaseTransport | None) -> str:
        """``read tcp LOCAL->REMOTE: read`` of a connection to a target."""
        if self._fixed or connection is None:
            return fixed_read(target)
        if isinstance(connection, socket.socket):
            ends = connection.getsockname(), connection.getpeername()
        else:
            ends = connection.get_extra_info("sockname"), connection.get_extra_info("peername")
        local, remote = (join_host_port(end[0], str(end[1])) for end in ends)
        return f"read tcp {local}->{remote}: read"

    async def dial(self, target: Target) -> socket.socket:
        """A connected socket that does not block.

        Raises:
            TransportError: the target does not exist or cannot be reached.
        """
        if not target.is_ip and _DOMAIN_NAME.fullmatch(target.host) is None:
            raise no_such_host(target.host)
        endpoint = None if self._hosts is None else self._hosts.find(target)
        if isinstance(endpoint, Refused):
            raise refused(target)
        if endpoint is None:
            if self._hosts is not None and self._via is None:
                raise unlisted(target)
            endpoint = self._via or target
        try:
            addresses = await self._lookup(*endpoint)
        except socket.gaierror as error:
            raise _lookup_error(endpoint[0], error) from None
        return await self._connect(addresses, target)

    async def _connect(self, addresses: Sequence[SocketAddress], target: Target) -> socket.socket:
        """Tries all addresses; those of the other family than the first's start a little later, as RFC 6555 has it."""
        primary = [address for address in addresses if address.family == addresses[0].family]
        fallback = [address for address in addresses if address.family != addresses[0].family]
        if not fallback:
            return await self._try_each(primary, target)
        return await _race(self._try_each(primary, target), self._try_each(fallback, target))

    async def _try_each(self, addresses: Sequence[SocketAddress], target: Target) -> socket.socket:
        """One after the other; the first failure is the one that is reported."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        failure: TransportError | None = None
        for count, address in enumerate(addresses):
            rest = deadline - loop.time()
            share = min(rest, max(rest / (len(addresses) - count), _LEAST_ATTEMPT))
            try:
                return await _attempt(address, share)
            except OSError as error:
                failure = failure or self._dial_error(error, address, target)
        assert failure is not None
        raise failure

    def _dial_error(self, error: OSError, address: SocketAddress, target: Target) -> TransportError:
        shown = join_host_port(FIXED_ADDRESS, str(target.port)) if self._fixed else str(address)
        if error.errno is None:
            return TransportError(f"dial tcp {shown}: i/o timeout", timeout=True)
        call = "socket" if error.errno in {errno.EMFILE, errno.ENFILE} else "connect"
        text = f"dial tcp {shown}: {call}: {errno_text(error)}"
        kind: FailureKind = "refused" if error.errno == errno.ECONNREFUSED else "unreachable"
        return TransportError(text, timeout=error.errno in _TEMPORARY, kind=kind)


def _lookup_error(host: str, error: socket.gaierror) -> TransportError:
    if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
        return no_such_host(host)
    return TransportError(
        f"dial tcp: lookup {host}: {error.strerror}", timeout=error.errno == socket.EAI_AGAIN, kind="no-host"
    )


async def _attempt(address: SocketAddress, seconds: float) -> socket.socket:
    client = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        client.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(client, address.address)
    except BaseException:
        client.close()
        raise
    return client


async def _race(first: Coroutine[Any, Any, socket.socket], second: Coroutine[Any, Any, socket.socket]) -> socket.socket:
    """The first connection that stands; if none does, the failure of the first."""
    tasks = [asyncio.ensure_future(first)]
    won: socket.socket | None = None
    try:
        await asyncio.wait(tasks, timeout=_FALLBACK_DELAY)
        if tasks[0].done() and tasks[0].exception() is None:
            won = tasks[0].result()
            return won
        tasks.append(asyncio.ensure_future(second))
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    won = task.result()
                    return won
        return tasks[0].result()
    finally:
        if len(tasks) == 1:
            second.close()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, socket.socket) and outcome is not won:
                outcome.close()
