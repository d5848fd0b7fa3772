"""What there is of a `FakeRegistry` between its start and its end."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from fake_registry.config import Certificates, Hosts
from fake_registry.core.origin import OriginSession
from fake_registry.core.registry import RegistryCore
from fake_registry.directory import directory_of
from fake_registry.errors import AuthorityError, TreeError, UsageError
from fake_registry.fixtures import Tree, canonical_host
from fake_registry.listening import Address, bind
from fake_registry.one_host import OneHost
from fake_registry.server import RegistryServer
from fake_registry.testing.authority import PROCESS_AUTHORITY
from fake_registry.testing.threads import Turns

_LOOPBACK: Final = "127.0.0.1"
_GRACE: Final = 0.5
"""Seconds that requests under way are waited for at the end: whoever left the registry does not wait for them."""


class CoreOptions(NamedTuple):
    """What a core is made with, beside its tree."""

    hosts: Hosts
    clock: Callable[[], float]
    token_key: bytes | None
    read_only: bool
    require_references: bool
    certificates: Certificates
    origin: Callable[[], OriginSession] | None
    default_host: str
    seed: int | None


class ClientFiles(NamedTuple):
    """Where a client's certificate and its key are (PEM)."""

    certificate: Path
    key: Path


class _Port(NamedTuple):
    """A port of one host: `server` serves it; without one it is closed, and `sockets` keep it from others."""

    address: Address
    sockets: list[socket.socket]
    server: RegistryServer | None


class Site:
    """A tree, a core over it, listeners, and a directory for what is temporary. Made and closed where a loop runs.

    `source` is the tree to serve, or to serve a copy of; without one the tree is new, and temporary.
    """

    def __init__(self, source: Tree | Path | None, *, copy: bool, options: CoreOptions) -> None:
        self.turns = Turns(asyncio.get_running_loop())
        self.loop = asyncio.get_running_loop()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._source = source if isinstance(source, Tree) or source is None else Tree.open(source)
        self._given = self._source is not None and not copy
        self.authority = PROCESS_AUTHORITY
        try:
            self.tree = self._own_tree() if self._source is None or copy else self._source
            self._session = None if options.origin is None else options.origin()
            self.core = RegistryCore(
                self.tree,
                options.hosts,
                clock=options.clock,
                token_key=options.token_key,
                read_only=options.read_only,
                require_references=options.require_references,
                certificates=options.certificates,
                origin=None if self._session is None else self._session.origin,
                default_host=options.default_host,
                directories=directory_of,
                seed=options.seed,
            )
            self._clock = options.clock
            self._server = RegistryServer(self.core, self.authority, grace=_GRACE, clock=options.clock)
        except BaseException:
            self._discard()
            raise
        self._ports: dict[str, _Port] = {}
        self._clients: dict[str, ClientFiles] = {}
        self._starting: list[asyncio.Task[Address]] = []

    async def start(self) -> None:
        """Listens on a free port of the loopback interface."""
        try:
            if self._session is not None:
                await self._session.__aenter__()
            self.address = await self._server.start(_LOOPBACK)
        except BaseException:
            self._discard()
            raise

    async def close(self) -> None:
        """Closes all ports and connections, and removes what is temporary."""
        await asyncio.gather(*self._starting)
        for port in self._ports.values():
            if port.server is not None:
                await port.server.close()
            for one in port.sockets:
                one.close()
        await self._server.close()
        await asyncio.sleep(0)  # connections that were cut are closed by the loop, in its next round
        try:
            if self._session is not None:
                await self._session.__aexit__(None, None, None)
        finally:
            self._discard()

    def port_of(self, host: str) -> Address:
        """The port of one host (a canonical name), made when it is first asked for; closed if nobody listens there."""
        port = self._ports.get(host)
        if port is None:
            port = self._ports[host] = self._open(host)
            config = self.core.host(host)
            if config is not None and config.blob_redirects is not None and config.blob_redirects.host:
                self.port_of(canonical_host(config.blob_redirects.host))  # its clients are sent there
        return port.address

    def ca_file(self) -> Path:
        """The authority's certificate in a file, written when it is first asked for."""
        path = self._directory() / "ca.pem"
        if not path.exists():
            path.write_bytes(self.authority.ca_pem)
        return path

    def client_files(self, user: str) -> ClientFiles:
        """The certificate and the key of a client, in files, written when they are first asked for.

        Raises:
            UsageError: no certificate can have that name.
        """
        files = self._clients.get(user)
        if files is None:
            try:
                pair = self.authority.issue_client(user)
            except AuthorityError as error:
                raise UsageError(str(error)) from None
            place = self._directory() / f"client-{len(self._clients)}"
            files = self._clients[user] = ClientFiles(place.with_suffix(".cert"), place.with_suffix(".key"))
            files.certificate.write_bytes(pair.certificate)
            files.key.touch(0o600)
            files.key.write_bytes(pair.key)
        return files

    def refill(self) -> None:
        """Brings a tree of its own into the state of the start. A tree that was given is left as it is."""
        if self._given:
            return
        for top in self.tree.root.iterdir():
            shutil.rmtree(top) if top.is_dir() and not top.is_symlink() else top.unlink()
        self._fill(self.tree.root)

    def _open(self, host: str) -> _Port:
        config = self.core.host(host)
        if config is not None and config.scheme == "down":
            closed = socket.socket()  # bound, but not listening: connecting to it is refused
            closed.bind((_LOOPBACK, 0))
            return _Port(Address.of(closed), [closed], None)
        sockets = bind(_LOOPBACK, 0)
        one = OneHost(self.core, host, self._own_port)
        server = RegistryServer(one, self.authority, grace=_GRACE, clock=self._clock)
        self._starting.append(self.loop.create_task(server.listen(sockets, serving=host)))
        return _Port(Address.of(sockets[0]), sockets, server)

    def _own_port(self, host: str) -> int | None:
        port = self._ports.get(host)
        return None if port is None else port.address.port

    def _directory(self) -> Path:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ismirror-", ignore_cleanup_errors=True)
        return Path(self._scratch.name)

    def _own_tree(self) -> Tree:
        root = self._directory() / "tree"
        root.mkdir()
        self._fill(root)
        return Tree.open(root)

    def _fill(self, root: Path) -> None:
        """Copies the tree of the start, if there is one; an empty directory is a new tree."""
        if self._source is not None and self._source.root.exists():
            try:
                shutil.copytree(self._source.root, root, symlinks=True, copy_function=_link, dirs_exist_ok=True)
            except (OSError, shutil.Error) as error:
                raise TreeError(f"{self._source.root}: cannot be copied: {error}") from error

    def _discard(self) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


def _link(source: str, target: str) -> None:
    """Copies a file: by a second name where it can be, as files of a tree are replaced but never changed."""
    try:
        Path(target).hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
