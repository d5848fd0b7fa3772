"""Clients of registries that send them elsewhere for blobs: in process, and over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from fake_registry import FakeRegistry
from fake_registry.config import Host
from fake_registry.core.journal import Journal
from fake_registry.core.messages import Request
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from support.registry import Clock, body


@dataclass(frozen=True)
class Got:
    """An answer: headers by name in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers["location"]


class Client(Protocol):
    """Asks for a URL, and follows nothing."""

    journal: Journal
    clock: Clock

    async def __call__(self, url: str, method: str = "GET", **headers: str) -> Got: ...


class Direct:
    """Asks a core."""

    def __init__(self, tree: Tree, hosts: Mapping[str, Any], clock: Clock, **options: Any) -> None:
        self.core = RegistryCore(
            tree, {name: msgspec.convert(host, Host) for name, host in hosts.items()}, clock=clock, **options
        )
        self.journal, self.clock = self.core.journal, clock

    async def __call__(self, url: str, method: str = "GET", **headers: str) -> Got:
        parts = urlsplit(url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method, parts.path, parts.query, parts.netloc, sent, parts.scheme == "https", remote="127.0.0.1:40000"
        )
        response = await self.core.handle(request)
        found = {name.lower(): value for name, value in response.headers}
        found.setdefault("content-length", str(response.length))
        return Got(response.status, found, body(response))


class OverSockets:
    """Asks a registry that listens."""

    def __init__(self, registry: FakeRegistry, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self.journal, self.clock = registry.journal, clock

    async def __call__(self, url: str, method: str = "GET", **headers: str) -> Got:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        target = URL(url, encoded=True)
        async with self._session.request(method, target, headers=sent, allow_redirects=False) as answer:
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Got(answer.status, found, await answer.read())


@asynccontextmanager
async def client(kind: str, tree: Tree, hosts: Mapping[str, Any]) -> AsyncIterator[Client]:
    """A client of a registry with these hosts: "direct", or over "sockets"."""
    clock = Clock()
    if kind == "direct":
        yield Direct(tree, hosts, clock)
        return
    async with (
        FakeRegistry(tree, hosts=hosts, clock=clock) as registry,
        aiohttp.ClientSession(connector=registry.connector(), auto_decompress=False) as session,
    ):
        yield OverSockets(registry, session, clock)
