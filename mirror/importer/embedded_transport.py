"""The transport without sockets: it calls a registry core in the same process.

What a socket would have refused is refused here with the same words: hosts that do not exist or are down, TLS where
only clear text is spoken, certificates that nobody trusts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from fake_registry.config import Host, Hosts
from fake_registry.core.messages import FileBody, Request
from fake_registry.core.reasons import reason_phrase
from fake_registry.core.registry import RegistryCore
from mirror.importer.dial import HostList, Refused, Target, parse_target, refused, unlisted
from mirror.importer.transport import Answer, TransportError

_LISTED = ("", 0)


class EmbeddedTransport:
    """Exchanges with a registry core. With `hosts` only those exist, otherwise all that the core knows."""

    concurrency = 1

    def __init__(self, core: RegistryCore, hosts: Hosts | None = None) -> None:
        self._core = core
        self._listed: HostList | None = None
        if hosts is not None:
            self._listed = HostList(
                {name: Refused() if host.scheme == "down" else _LISTED for name, host in hosts.items()}
            )
        self._targets: dict[tuple[str, str], tuple[Target, str | None]] = {}

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        """Makes one exchange; see `mirror.importer.transport.Transport`."""
        del timeout  # nothing here takes time
        where, sni = self._target(scheme, host)
        if scheme == "https":
            self._check_tls(self._host(host, where), insecure=insecure)
        else:
            self._host(host, where)
        path, _, query = target.partition("?")
        response = await self._core.handle(
            Request(
                method=method,
                path=path,
                query=query,
                host=host,
                headers=joined(tuple(headers)),
                secure=scheme == "https",
                sni=sni,
            )
        )
        if response.drop:
            raise TransportError("EOF", hung_up=True)
        body = response.body
        content = read_part(body) if isinstance(body, FileBody) else body
        lines = [(name.lower(), value) for name, value in response.headers]
        return Answer(response.status, reason_phrase(response.status), lines, b"" if method == "HEAD" else content)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _target(self, scheme: str, host: str) -> tuple[Target, str | None]:
        """Whom a URL means, and the server name that a TLS handshake would send."""
        found = self._targets.get((scheme, host))
        if found is None:
            target = parse_target(scheme, host)
            sni = None if scheme == "http" or target.is_ip else target.host
            found = self._targets[scheme, host] = (target, sni)
        return found

    def _host(self, authority: str, target: Target) -> Host:
        """The configuration of a host that exists.

        Raises:
            TransportError: it does not exist, or refuses connections.
        """
        if self._listed is not None:
            endpoint = self._listed.find(target)
            if endpoint is None:
                raise unlisted(target)
            if isinstance(endpoint, Refused):
                raise refused(target)
        host = self._core.host(authority)
        if host is None:
            raise unlisted(target)
        if host.scheme == "down":
            raise refused(target)
        return host

    def _check_tls(self, host: Host, *, insecure: bool) -> None:
        if host.scheme == "http":
            raise TransportError("http: server gave HTTP response to HTTPS client")
        if host.scheme == "selfsigned" and not insecure:
            raise TransportError("tls: failed to verify certificate: x509: certificate signed by unknown authority")


@lru_cache(maxsize=256)
def joined(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Header lines as a mapping; lines of one name are joined. The result is shared: it is not to be changed."""
    lines: dict[str, str] = {}
    for name, value in headers:
        lines[name] = f"{lines[name]}, {value}" if name in lines else value
    return lines


def read_part(part: FileBody) -> bytes:
    """The bytes of a part of a file."""
    with part.path.open("rb") as file:
        return os.pread(file.fileno(), part.length, part.offset)
