"""Listeners: HTTP and HTTPS on one port, a certificate for every name, any number of registries behind them.

What a client is shows in its first byte: a TLS handshake record begins with 0x16, no HTTP method does. The bytes are
only peeked at, so that whoever speaks with the client afterwards reads everything; the server name in the ClientHello
says which certificate it gets, or that the registry it wants speaks no TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from fake_registry.config import Host, Mtls, ServerCertificate, TlsFailure
from fake_registry.conversation import AnswerLines, Core, Pacing, RealTime
from fake_registry.handshakes import CURRENT, Handshake, problem_of
from fake_registry.listening import BACKLOG, Address, bind, fail_tls, first_bytes, gone, refuse_tls
from fake_registry.quick import QuickConnection
from fake_registry.racing import first_of
from fake_registry.tls import LOCAL_NAMES, CertificateAuthority, ServerContexts
from fake_registry.tunnel import NO_WAY, OPEN, tunnel_target, wants_tunnel

if TYPE_CHECKING:
    from aiohttp.web_server import Server

    from fake_registry.exchange import Connection
    from fake_registry.given_certificates import GivenContexts

_LOADING: Final = threading.Lock()
"""Whoever loads aiohttp: its modules need each other in circles, of which two threads at once see unfinished ones."""

_MAX_GREETINGS: Final = 1024
_OUT_OF_FILES_PAUSE: Final = 0.5

log = logging.getLogger(__name__)


class Registries(Core, Protocol):
    """A core that also says which hosts it has and how each of them is to be spoken with."""

    def host(self, name: str) -> Host | None:
        """The configuration of a host, if it has one."""
        ...

    def known_hosts(self) -> Collection[str]:
        """The names of all hosts."""
        ...

    def certificate(self, name: str) -> ServerCertificate | None:
        """The certificate that was given for a host, if one was; empty is the name of who says none."""
        ...

    def handshake(self, name: str) -> TlsFailure | None:
        """How the next TLS handshake with the host of that name is to fail, if it is."""
        ...

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        """A client, by its address, has not come through the handshake with a host (empty: it named none)."""
        ...


class RegistryServer:
    """Serves a registry core on any number of listeners. An asynchronous context manager that closes them.

    `authority` signs the certificates (made when the first client needs one, if not given). Seconds: `greeting` is how
    long a client may take to say what it wants, TLS handshake included; `idle` how long a connection may wait for the
    next request, whole headers included; `stall` how long one may send nothing in the middle of a body; `grace` how
    long requests under way are waited for by `close`. `pacing` is how time passes for clients that are kept waiting on
    purpose, `clock` gives the seconds since 1970 that answers are dated with.
    """

    def __init__(
        self,
        core: Registries,
        authority: CertificateAuthority | None = None,
        *,
        greeting: float = 10.0,
        idle: float = 75.0,
        stall: float = 60.0,
        grace: float = 5.0,
        pacing: Pacing | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._pacing: Pacing = RealTime() if pacing is None else pacing
        self._certificates = _Certificates(core, authority)
        self._greeting = greeting
        self._idle = idle
        self._patience = stall
        self._grace = grace
        self._lines = AnswerLines(clock)
        self._manager: Server | None = None
        self._listeners: set[socket.socket] = set()
        self._greetings: dict[asyncio.Task[None], socket.socket] = {}
        self._connections: set[Connection | QuickConnection] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def authority(self) -> CertificateAuthority:
        """The authority that signs the certificates."""
        return self._certificates.authority

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, serving: str | None = None) -> Address:
        """Listens on an address (port 0: a free one), and says on which.

        A host name is the address of one registry only where that is `serving`: then its scheme alone decides what the
        listener speaks, even if another registry of the same name and another port speaks something else.

        Raises:
            OSError: the address is in use, not ours, or unknown.
        """
        return await self.listen(bind(host, port), serving=serving)

    async def listen(self, listeners: list[socket.socket], *, serving: str | None = None) -> Address:
        """Takes over sockets that listen already; the address is that of the first."""
        loop = asyncio.get_running_loop()
        for listener in listeners:
            self._listeners.add(listener)
            loop.add_reader(listener.fileno(), self._accept, listener, serving)
        return Address.of(listeners[0])

    async def close(self) -> None:
        """Stops listening, lets requests under way finish within the grace time, and closes every connection."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()
        greetings = list(self._greetings)
        for task in greetings:
            task.cancel()
        await asyncio.gather(*greetings, return_exceptions=True)
        for connection in self._connections:
            connection.give_up()
        if self._manager is not None:
            self._manager.pre_shutdown()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * self._grace):
                    await self._manager.shutdown(self._grace)
        for connection in list(self._connections):
            connection.cut()
        self._manager = None

    def _accept(self, listener: socket.socket, serving: str | None) -> None:
        """Takes all clients that wait. Whatever they do next, the event loop is not kept waiting."""
        loop = asyncio.get_running_loop()
        for _ in range(BACKLOG):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors or memory: without a pause the loop would do nothing but fail here.
                log.error("cannot accept connections: %s", error)  # noqa: TRY400 - no traceback for a full system
                loop.remove_reader(listener.fileno())
                loop.call_later(_OUT_OF_FILES_PAUSE, self._resume, listener, serving)
                return
            client.setblocking(False)
            if len(self._greetings) >= _MAX_GREETINGS:
                next(iter(self._greetings)).cancel()
            task = loop.create_task(self._greet(client, serving))
            self._greetings[task] = client
            task.add_done_callback(self._greetings.pop)

    def _resume(self, listener: socket.socket, serving: str | None) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener, serving)

    async def _greet(self, client: socket.socket, serving: str | None) -> None:
        """Finds out what a client wants and hands its connection on; closes it if that takes too long."""
        handed_on = False
        shaking: Handshake | None = None
        try:
            async with asyncio.timeout(self._greeting):
                hello = await first_bytes(client)
                tunnelled = None
                if hello is None and wants_tunnel(client):
                    tunnelled = await self._tunnel(client)
                    if tunnelled is None:
                        return
                    hello = await first_bytes(client)
                if hello is None:
                    await self._hand_on(client, None, None)
                    handed_on = True
                    return
                name = hello.server_name
                chosen = self._certificates.context(name or tunnelled, serving, client.getsockname()[0])
                handshake = self._handshake(client, serving or name or "")
                if chosen is None:
                    handshake.failed("the host speaks clear text only")
                    await refuse_tls(client)
                    return
                failure = self._core.handshake(serving or name or "")
                if failure is None:
                    shaking = handshake
                    if chosen.mtls is not None:
                        CURRENT.set(handshake)
                    await self._hand_on(client, chosen, name)
                    handed_on = True
                elif failure != "stall":
                    await fail_tls(client, failure)
            if not handed_on and failure == "stall":
                await self._stall(client)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            if shaking is not None:
                shaking.failed(problem_of(error))
            log.debug("connection given up: %s", error)
        finally:
            if not handed_on:
                client.close()

    def _handshake(self, client: socket.socket, host: str) -> Handshake:
        """What tells the core if the handshake with a client comes to nothing."""
        remote = ""
        with contextlib.suppress(OSError):  # it has gone already
            remote = str(Address(*client.getpeername()[:2]))
        return Handshake(functools.partial(self._core.handshake_failed, host, remote))

    async def _stall(self, client: socket.socket) -> None:
        """Says nothing more to a client, until it goes away or the pacing says that it has."""
        await first_of(gone(client), self._pacing.wait(math.inf, "handshake"))

    async def _tunnel(self, client: socket.socket) -> str | None:
        """Lets a client take this listener for its proxy; the name of the host that it wants, None if it has none."""
        target = await tunnel_target(client)
        if target is None:
            return None
        host = self._core.host(target)
        open_for_it = host is None or host.scheme != "down"
        await asyncio.get_running_loop().sock_sendall(client, OPEN if open_for_it else NO_WAY)
        return target.rpartition(":")[0].strip("[]") if open_for_it else None

    async def _hand_on(self, client: socket.socket, chosen: _Chosen | None, name: str | None) -> None:
        secure, mtls = chosen is not None, None if chosen is None else chosen.mtls
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._connection(secure=secure, sni=name, mtls=mtls),
            client,
            ssl=None if chosen is None else chosen.context,
            ssl_handshake_timeout=None if chosen is None else self._greeting + 1,
        )

    def _connection(self, *, secure: bool, sni: str | None, mtls: Mtls | None) -> QuickConnection:
        return QuickConnection(
            self._core,
            self._lines,
            lambda: self._successor(secure=secure, sni=sni, mtls=mtls),
            self._connections,
            secure=secure,
            sni=sni,
            mtls=mtls,
            idle=self._idle,
        )

    def _successor(self, *, secure: bool, sni: str | None, mtls: Mtls | None) -> Connection:
        """aiohttp's protocol, for connections that bring more than simple requests. aiohttp takes longer to load than
        all else together, and is loaded for the first of them, unless that has been done."""
        with _LOADING:
            from aiohttp.web_server import Server  # noqa: PLC0415 - see above

            from fake_registry.exchange import Connection, Exchanges  # noqa: PLC0415

        if self._manager is None:
            exchanges = Exchanges(self._core, self._pacing, stall=self._patience, lines=self._lines)
            self._manager = Server(exchanges)
        return Connection(
            self._manager, self._connections, secure=secure, sni=sni, mtls=mtls, keepalive_timeout=self._idle
        )

    async def load(self) -> None:
        """Loads what the first client with more than a simple request would have to wait for, beside the loop."""
        await asyncio.to_thread(_load)


def _load() -> None:
    with _LOADING:
        importlib.import_module("fake_registry.exchange")


class _Chosen(NamedTuple):
    """The context of a handshake, and what it asks of the client."""

    context: ssl.SSLContext
    mtls: Mtls | None


class _Certificates:
    """Which certificate a client gets."""

    def __init__(self, core: Registries, authority: CertificateAuthority | None) -> None:
        self._core = core
        self._authority = authority
        self._untrusted: ServerContexts | None = None
        self._given: GivenContexts | None = None

    @property
    def authority(self) -> CertificateAuthority:
        if self._authority is None:
            self._authority = CertificateAuthority.create()
        return self._authority

    def context(self, name: str | None, serving: str | None, address: str) -> _Chosen | None:
        """The context for a client that asked for `name` at our `address`; None where clear text only is spoken."""
        host = self._host(name if serving is None else serving)
        scheme, mtls = (None, None) if host is None else (host.scheme, host.mtls)
        if scheme == "http":
            return None
        given = None if scheme == "selfsigned" else self._core.certificate((name if serving is None else serving) or "")
        if given is not None:
            return _Chosen(self._contexts_of_given().of(given, mtls, self._vouching(mtls)), mtls)
        names = tuple(dict.fromkeys((*LOCAL_NAMES, address.partition("%")[0])))
        if name is not None and name != "localhost":
            names = (name,)
        if scheme == "selfsigned":
            if self._untrusted is None:
                self._untrusted = ServerContexts(CertificateAuthority.create())
            contexts = self._untrusted
        else:
            contexts = self.authority.contexts
        return _Chosen(contexts.for_names(*names, mtls=mtls, authority=self._vouching(mtls)), mtls)

    def _vouching(self, mtls: Mtls | None) -> str:
        """The authority of client certificates where `mtls` does not say another one."""
        return "" if mtls is None else self.authority.ca_pem.decode()

    def _contexts_of_given(self) -> GivenContexts:
        if self._given is None:
            from fake_registry.given_certificates import GivenContexts  # noqa: PLC0415 - few have any

            self._given = GivenContexts()
        return self._given

    def _host(self, name: str | None) -> Host | None:
        """The registry of that name; a server name has no port, so any port of it will do."""
        if name is None:
            return None
        host = self._core.host(name)
        if host is None:
            with_port = (known for known in self._core.known_hosts() if known.rpartition(":")[0] == name)
            host = next((found for found in map(self._core.host, with_port) if found is not None), None)
        return host
