"""The transport without sockets: it calls a registry core in the same process.

What a socket would have refused is refused here with the same words: hosts that do not exist or are down, TLS where
only clear text is spoken, certificates that nobody trusts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from fake_registry.config import Host, Hosts, Scheme
from fake_registry.core.messages import FileBody, Request, Response
from fake_registry.core.reasons import reason_phrase
from fake_registry.core.registry import RegistryCore
from mirror.importer.dial import HostList, parse_target, refused, unlisted
from mirror.importer.transport import Answer, TransportError

_OF_THE_SERVER: Final = frozenset({"connection", "date", "transfer-encoding"})
_NO_BODY: Final = frozenset({204, 304})
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_LINE_END: Final = re.compile(r"[\r\n]")


class EmbeddedTransport:
    """Exchanges with a registry core. With `hosts` only those exist, otherwise all that the core knows by now."""

    concurrency = 1

    def __init__(self, core: RegistryCore, hosts: Hosts | None = None) -> None:
        self._core = core
        if hosts is None:
            hosts = {name: core.host(name) or Host() for name in core.known_hosts()}
        self._hosts = HostList(hosts)
        self._peers: dict[tuple[str, str], Peer] = {}

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
        peer = self._peer(scheme, host)
        if scheme == "https":
            peer.check_tls(insecure=insecure)
        path, _, query = target.partition("?")
        response = await self._core.handle(
            Request(
                method=method,
                path=path,
                query=query,
                host=peer.name,
                headers=joined(tuple(headers)),
                secure=scheme == "https",
                sni=peer.sni,
            )
        )
        if response.drop:
            raise TransportError("EOF", hung_up=True)
        return received(method, response)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _peer(self, scheme: str, authority: str) -> Peer:
        """Whom a URL leads to.

        Raises:
            TransportError: nobody: there is no such host, or it refuses connections.
        """
        peer = self._peers.get((scheme, authority))
        if peer is None:
            target = parse_target(scheme, authority)
            host = self._hosts.find(target)
            if host is None:
                raise unlisted(target)
            if host.scheme == "down":
                raise refused(target)
            sni = None if scheme == "http" or target.is_ip else target.host
            peer = Peer(authority.rpartition("@")[2].removesuffix(":"), host.scheme, sni)
            self._peers[scheme, authority] = peer
        return peer


class Peer(NamedTuple):
    """The other side of a connection: the Host header for it, what it speaks, and the name for a TLS handshake."""

    name: str
    scheme: Scheme
    sni: str | None

    def check_tls(self, *, insecure: bool) -> None:
        """Fails as a TLS handshake would.

        Raises:
            TransportError: only clear text is spoken, or the certificate is none that is trusted.
        """
        if self.scheme == "http":
            raise TransportError("http: server gave HTTP response to HTTPS client")
        if self.scheme == "selfsigned" and not insecure:
            raise TransportError("tls: failed to verify certificate: x509: certificate signed by unknown authority")


def received(method: str, response: Response) -> Answer:
    """A response as a client gets it from our server: fields that HTTP itself needs are the server's own, values have
    one line, and a length that was announced is what is read.

    Raises:
        TransportError: less comes than was announced.
    """
    lines: list[tuple[str, str]] = []
    announced: int | None = None
    for name, value in response.headers:
        field = name.lower()
        if field == "content-length":
            announced = int(value) if value.isascii() and value.isdigit() else None
        elif field not in _OF_THE_SERVER and is_field_name(field):
            lines.append((field, _LINE_END.sub(" ", value).strip(" \t")))
    body = response.body
    length = body.length if isinstance(body, FileBody) else len(body)
    status = response.status
    if status >= 200 and status not in _NO_BODY:
        lines.append(("content-length", str(length if announced is None else announced)))
    content = b""
    if method != "HEAD" and status >= 200 and status not in _NO_BODY:
        content = read_part(body) if isinstance(body, FileBody) else body
        if announced is not None and announced != length:
            if announced > length:
                raise TransportError("unexpected EOF", in_body=True)
            content = content[:announced]
    return Answer(status, reason_phrase(status), lines, content)


@lru_cache(maxsize=256)
def is_field_name(name: str) -> bool:
    """Whether HTTP allows this name for a header."""
    return _FIELD_NAME.fullmatch(name) is not None


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
