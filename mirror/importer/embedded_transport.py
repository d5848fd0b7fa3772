"""The transport without sockets: it calls a registry core in the same process.

What a socket would have refused is refused here with the same words: hosts that do not exist or are down, TLS where
only clear text is spoken, certificates that nobody trusts. What goes wrong with an answer on its way, on purpose, goes
wrong here as well.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import msgspec

from fake_registry.config import Host, Hosts, Scheme
from fake_registry.core.messages import FAITHFUL, Delivery, FileBody, PartsBody, Request, Response, StreamBody
from fake_registry.core.reasons import status_text
from fake_registry.core.registry import RegistryCore
from mirror.hostport import join_host_port
from mirror.importer.answer_failures import value_failure
from mirror.importer.dial import DEFAULT_PORTS, HostList, Target, fixed_read, parse_target, refused, unlisted
from mirror.importer.transport import Answer, TransportError, first_values
from mirror.importer.waiting import Waits

_OF_THE_SERVER: Final = frozenset({"date", "transfer-encoding"})
_PING: Final = "/v2/"
_NO_BODY: Final = frozenset({204, 304})
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_LINE_END: Final = re.compile(r"[\r\n]")

_BAD_REQUEST: Final = Response(
    400, [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")], b"400 Bad Request"
)
"""The server's own answer to a target that its reader of HTTP takes for none."""


class _KnownHosts(Protocol):
    """The hosts that exist."""

    def find(self, target: Target) -> Host | None:
        """What is known of a target; None if it does not exist."""
        ...


class _CoreHosts:
    """The hosts that a core knows at the moment: those of its configuration, and those that there is something of."""

    def __init__(self, core: RegistryCore) -> None:
        self._core = core

    def find(self, target: Target) -> Host | None:
        """What is known of a target. As in a `HostList` a name without a port is that host on both default ports."""
        for name in _spellings(target):
            found = self._core.host(name)
            if found is not None:
                return found
        return None


@lru_cache(maxsize=256)
def _spellings(target: Target) -> tuple[str, ...]:
    """The names under which a target may be known, with its port and without."""
    with_port = join_host_port(target.host, str(target.port))
    if target.port not in DEFAULT_PORTS.values():
        return (with_port,)
    return with_port, f"[{target.host}]" if ":" in target.host else target.host


class EmbeddedTransport:
    """Exchanges with a registry core. With `hosts` only those exist, otherwise all that the core knows at the time."""

    concurrency = 1

    def __init__(self, core: RegistryCore, hosts: Hosts | None = None) -> None:
        self._core = core
        self._hosts: _KnownHosts = _CoreHosts(core) if hosts is None else HostList(hosts)
        self._spoken: dict[str, Scheme] = {}
        """What is spoken where, as the last ping found it."""
        self._demanding: dict[str, bool] = {}
        """Likewise, where clients need a certificate, which an importer never has."""
        self._open: set[tuple[str, bool]] = set()
        """The TLS connections that HTTP would have kept: with whom, and whether any certificate would do."""

    def configure(self, hosts: Hosts | None) -> None:
        """Takes other hosts, as when it was made."""
        self._hosts = _CoreHosts(self._core) if hosts is None else HostList(hosts)
        self._open.clear()

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
        peer, spoken = self._peer(scheme, host, target)
        connection = (peer.place, insecure)
        if scheme == "https" and connection not in self._open:
            self._shake_hands(peer, spoken, timeout, insecure=insecure)
            self._open.add(connection)
        path, _, query = target.partition("?")
        request = Request(
            method=method,
            path=path,
            query=query,
            host=peer.name,
            headers=joined(tuple(headers)),
            secure=scheme == "https",
            sni=peer.sni,
        )
        response = await self._core.handle(request) if target.isascii() else _BAD_REQUEST
        try:
            if response.drop:
                raise TransportError("EOF", hung_up=True)
            answer, is_last = received(method, response, timeout, peer.target)
        except TransportError:
            self._open.discard(connection)
            raise
        if is_last:
            self._open.discard(connection)
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""

    def _shake_hands(self, peer: Peer, spoken: Scheme, timeout: float | None, *, insecure: bool) -> None:
        """Fails as a TLS handshake would.

        Raises:
            TransportError: only clear text is spoken, the certificate is none that is trusted, or it is to fail.
        """
        if spoken == "http":
            raise TransportError("http: server gave HTTP response to HTTPS client", kind="plain-http")
        failure = self._core.handshake(peer.sni or peer.target.host)
        if failure == "reset":
            raise TransportError(f"{fixed_read(peer.target)}: connection reset by peer", kind="lost")
        if failure is None and spoken == "selfsigned" and not insecure:
            # Over sockets a second handshake finds out what was wrong with the first one; it may fail, too.
            failure = self._core.handshake(peer.sni or peer.target.host)
            if failure is None:
                text = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                raise TransportError(text, kind="untrusted")
        if failure == "alert":
            raise TransportError("remote error: tls: handshake failure", kind="tls")
        if failure == "stall":
            waits = Waits(timeout)
            waits.spend(math.inf, "handshake")
            raise waits.failure()
        if failure is not None:
            raise TransportError("EOF", kind="lost")
        if self._demanding.get(peer.place):
            raise TransportError("remote error: tls: certificate required", kind="tls")

    def _peer(self, scheme: str, authority: str, path: str) -> tuple[Peer, Scheme]:
        """Whom a URL leads to, and what is spoken there. Everything begins with a ping: what follows it is not asked
        anew whether there is such a host.

        Raises:
            TransportError: nobody: there is no such host, or it refuses connections.
        """
        peer = _peer(scheme, authority)
        spoken = None if path == _PING else self._spoken.get(peer.place)
        if spoken is None:
            host = self._hosts.find(peer.target)
            if host is None:
                raise unlisted(peer.target)
            if host.scheme == "down":
                raise refused(peer.target)
            spoken = self._spoken[peer.place] = host.scheme
            self._demanding[peer.place] = host.mtls is not None and host.mtls.required
        return peer, spoken


class Peer(NamedTuple):
    """The other side of a connection: the Host header for it, the name for a TLS handshake, whom the URL means, and
    where connections to it are counted."""

    name: str
    sni: str | None
    target: Target
    place: str


@lru_cache(maxsize=256)
def _peer(scheme: str, authority: str) -> Peer:
    """
    Raises:
        TransportError: there is no host, or the port is none.
    """
    target = parse_target(scheme, authority)
    sni = None if scheme == "http" or target.is_ip else target.host
    name = authority.rpartition("@")[2].removesuffix(":")
    return Peer(name, sni, target, f"{target.host}:{target.port}")


def received(method: str, response: Response, timeout: float | None, target: Target) -> tuple[Answer, bool]:
    """A response as a client gets it from our server, and whether it is the last one on its connection.

    Fields that HTTP itself needs are the server's own, values have one line, a length that was announced is what is
    read, and what goes wrong on the way does.

    Raises:
        TransportError: no status and headers come.
    """
    status, body = response.status, response.body
    has_body = status >= 200 and status not in _NO_BODY
    head = _arriving(tuple(response.headers), response.length if has_body else None)
    simple = response.delivery is None and not head.refused
    if simple and isinstance(body, bytes) and head.announced in {None, len(body)}:
        content = body if has_body and method != "HEAD" else b""
        return Answer(status, status_text(status), head.lines, content, values=head.values), head.is_last
    delivery, waits = response.delivery or FAITHFUL, Waits(timeout)
    if delivery.delay:
        waits.spend(delivery.delay, "head")
    if not delivery.has_answer and waits.gave_up is None:
        raise _lost(delivery, waits, target)
    if waits.gave_up is not None:
        raise waits.failure()
    if head.refused:
        raise TransportError(head.refused, took=waits.head)
    content, broken = b"", None
    if has_body and method != "HEAD":
        content, broken = _body(response, head.announced, waits, target)
    answer = Answer(status, status_text(status), head.lines, content, broken, waits.head, head.values)
    return answer, (head.is_last or broken is not None or delivery.end in {"cut", "reset"})


class Head(msgspec.Struct, frozen=True):
    """The header lines that come through, the first value of each, the length that they announce, whether they end the
    connection, and what keeps a client from taking them."""

    lines: Sequence[tuple[str, str]]
    values: dict[str, str]
    announced: int | None
    is_last: bool
    refused: str


@lru_cache(maxsize=1024)
def _arriving(headers: tuple[tuple[str, str], ...], length: int | None) -> Head:
    """What comes of the headers; `length` is that of the body, if the answer has one: the line that says so is the
    last."""
    lines: list[tuple[str, str]] = []
    announced: int | None = None
    last = False
    wrong = ""
    for name, value in headers:
        field = _field_name(name)
        if field == "content-length":
            announced = int(value) if value.isascii() and value.isdigit() else None
        elif field == "connection":
            last = last or value.lower() == "close"
        elif field:
            shown = (value if value.isprintable() else _LINE_END.sub(" ", value)).rstrip(" \t")
            lines.append((field, shown.lstrip(" \t")))
            wrong = wrong or value_failure(name, shown)
    if length is not None:
        lines.append(("content-length", str(length if announced is None else announced)))
    return Head(lines, first_values(lines), announced, last, wrong)


@lru_cache(maxsize=256)
def _field_name(name: str) -> str:
    """The name of a field in lower case; empty for what does not come through."""
    field = name.lower()
    return field if field not in _OF_THE_SERVER and is_field_name(field) else ""


def _body(
    response: Response, announced: int | None, waits: Waits, target: Target
) -> tuple[bytes, TransportError | None]:
    """The part of a body that comes, and the failure that keeps the rest."""
    delivery = response.delivery or FAITHFUL
    body = response.body
    assert not isinstance(body, StreamBody), "registries that are recorded are asked over sockets"
    content = delivery.sent(_read(body), 0)
    length = len(content) if announced is None else min(announced, len(content))
    missing = announced is not None and announced > length
    after = length if delivery.after is None else min(delivery.after, length)
    if delivery.end is not None and (after < length or (missing and delivery.end == "reset")):
        return content[:after], _lost(delivery, waits, target)
    return content[:length], TransportError("unexpected EOF", in_body=True) if missing else None


def _lost(delivery: Delivery, waits: Waits, target: Target) -> TransportError:
    """How an answer, or its body, is lost that ends early."""
    in_body = delivery.has_answer
    if delivery.end == "stall":
        waits.spend(math.inf, "body" if in_body else "head")
        return waits.body_failure() if in_body else waits.failure()
    if delivery.end == "reset":
        return reset_by_peer(target, in_body=in_body, took=0.0 if in_body else waits.head)
    text = "unexpected EOF" if in_body else "EOF"
    return TransportError(text, hung_up=not in_body, in_body=in_body, took=0.0 if in_body else waits.head)


def reset_by_peer(target: Target, *, in_body: bool = False, took: float = 0.0) -> TransportError:
    """A connection that the other side resets."""
    text = f"{fixed_read(target)}: connection reset by peer"
    return TransportError(text, hung_up=not in_body, in_body=in_body, took=took)


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


def _read(body: bytes | FileBody | PartsBody) -> bytes:
    """All of a body."""
    if isinstance(body, PartsBody):
        return b"".join(map(_read, body.parts))
    return read_part(body) if isinstance(body, FileBody) else body


def read_part(part: FileBody) -> bytes:
    """The bytes of a part of a file."""
    with part.path.open("rb") as file:
        return os.pread(file.fileno(), part.length, part.offset)
