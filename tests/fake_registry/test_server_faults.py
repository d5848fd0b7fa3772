"""Faults as clients see them on their sockets, with and without TLS, on both event loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.raw import Wire, connected, trusting
from support.registry import put_image

from fake_registry.config import Fault, FaultAction, FaultMatch, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.listening import Address
from fake_registry.oci import compute_digest
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

AUTHORITY = CertificateAuthority.create()
LARGE = bytes(range(256)) * 4096
LAYER = b"0123456789"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[Any]], Any]]:
    """Runs a coroutine on one of the loops that the product runs on."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run  # type: ignore[misc]


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Waits:
    """A pacing that is told how long clients are kept waiting, and does not wait."""

    def __init__(self, *, patient: bool = True) -> None:
        self.waits: list[tuple[float, str]] = []
        self._patient = patient

    async def wait(self, seconds: float, stage: str) -> bool:
        self.waits.append((seconds, stage))
        return self._patient


class Session:
    """A client of a registry with faults."""

    def __init__(self, core: RegistryCore, server: RegistryServer, scheme: str) -> None:
        self.core = core
        self._server = server
        self._scheme = scheme
        self._address: Address | None = None

    async def address(self) -> Address:
        if self._address is None:
            self._address = await self._server.start()
        return self._address

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Wire]:
        address = await self.address()
        context = trusting(AUTHORITY.ca_pem) if self._scheme == "https" else None
        async with connected(address, context, "quay.io") as wire:
            yield wire


@asynccontextmanager
async def session(tree: Tree, scheme: str, *faults: Fault, pacing: Waits | None = None) -> AsyncIterator[Session]:
    core = RegistryCore(tree, {"quay.io": Host(scheme=scheme, faults=list(faults))})  # type: ignore[arg-type]
    async with RegistryServer(core, AUTHORITY, pacing=pacing) as server:  # type: ignore[arg-type]
        yield Session(core, server, scheme)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path)
    put_image(tree, "app", "v1", layers=[LAYER, LARGE])
    return tree


def fault(kind: str | None = None, times: int = -1, **action: Any) -> Fault:
    match = FaultMatch() if kind is None else FaultMatch(kind=kind)  # type: ignore[arg-type]
    return Fault(match=match, action=FaultAction(**action), times=times)


def get(path: str = "/v2/", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: quay.io\r\n\r\n".encode()


def blob(content: bytes = LAYER) -> bytes:
    return get(f"/v2/app/blobs/{compute_digest(content)}")


async def until_reset(wire: Wire) -> bytes:
    """What comes before the connection is reset, which it has to be."""
    data = b""
    with pytest.raises(ConnectionResetError):
        while piece := await wire.reader.read(65536):
            data += piece
    return data


def test_cut_before(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault(cut="before")) as found, found.connection() as wire:
            await wire.send(get())
            assert await wire.rest() == b""

    run(work())


@pytest.mark.parametrize("size", [0, 3, 9])
def test_cut_in_the_body(run: Any, tree: Tree, scheme: str, size: int) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault("blob", cut=size)) as found, found.connection() as wire:
            await wire.send(blob())
            assert b"Content-Length: 10" in await wire.head()
            assert await wire.rest() == LAYER[:size]

    run(work())


def test_cut_behind_the_end(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault(cut=2)) as found, found.connection() as wire:
            await wire.send(get())
            await wire.head()
            assert await wire.rest() == b"{}"

    run(work())


def test_reset_before(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault(reset="before")) as found, found.connection() as wire:
            await wire.send(get())
            assert await until_reset(wire) == b""

    run(work())


@pytest.mark.parametrize(("content", "size"), [(LAYER, 0), (LAYER, 4), (LARGE, 100_000)])
def test_reset_in_the_body(run: Any, tree: Tree, scheme: str, content: bytes, size: int) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault("blob", reset=size)) as found, found.connection() as wire:
            await wire.send(blob(content))
            await wire.head()
            assert await until_reset(wire) == content[:size]

    run(work())


def test_head_requests_have_no_body_to_be_cut(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault(stall=0)) as found, found.connection() as wire:
            for _ in range(2):
                await wire.send(blob().replace(b"GET", b"HEAD"))
                assert b"Content-Length: 10" in await wire.head()

    run(work())


@pytest.mark.parametrize(("place", "start"), [("before", b""), (0, b""), (4, b"0123")])
def test_stall(run: Any, tree: Tree, scheme: str, place: Any, start: bytes) -> None:
    """Nothing more comes, for as long as anybody asks; the server ends in spite of it."""

    async def work() -> None:
        async with session(tree, scheme, fault("blob", stall=place)) as found:
            async with found.connection() as wire:
                await wire.send(blob())
                if place != "before":
                    await wire.head()
                    assert await wire.body(len(start)) == start
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await wire.reader.read(1)
            async with found.connection() as other:
                await other.send(get())
                await other.head()
                assert await other.body(2) == b"{}"
                await other.send(blob())
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await other.body(100_000)

    run(work())


def test_latency(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        waits = Waits()
        async with session(tree, scheme, fault(latency="1m20s"), pacing=waits) as found, found.connection() as wire:
            await wire.send(get())
            await wire.head()
        assert waits.waits == [(80.0, "head")]

    run(work())


def test_latency_takes_its_time(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault(latency=0.05)) as found, found.connection() as wire:
            start = asyncio.get_running_loop().time()
            await wire.send(get())
            await wire.head()
            assert asyncio.get_running_loop().time() - start > 0.045

    run(work())


def test_clients_that_do_not_wait(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        waits = Waits(patient=False)
        async with session(tree, scheme, fault(latency=20), pacing=waits) as found, found.connection() as wire:
            await wire.send(get())
            assert await wire.rest() == b""

    run(work())


def test_wrong_lengths(run: Any, tree: Tree, scheme: str) -> None:
    async def work() -> None:
        faults = fault(content_length=1, times=1), fault(content_length=9, times=1)
        async with session(tree, scheme, *faults) as found, found.connection() as wire:
            await wire.send(get())
            assert await wire.head() == HEAD + b"Content-Length: 1"
            assert await wire.body(1) == b"{"
            await wire.send(get())
            assert await wire.head() == HEAD + b"Content-Length: 9\r\nConnection: close"
            assert await wire.rest() == b"{}"

    run(work())


@pytest.mark.parametrize(("at", "position"), [(0, 0), (4, 4), (-1, -1), (99_999_999, -1), (-99_999_999, 0)])
@pytest.mark.parametrize("content", [LAYER, LARGE])
def test_wrong_bytes(run: Any, tree: Tree, scheme: str, content: bytes, at: int, position: int) -> None:
    async def work() -> None:
        async with session(tree, scheme, fault("blob", corrupt=at)) as found, found.connection() as wire:
            await wire.send(blob(content))
            assert compute_digest(content).encode() in await wire.head()
            expected = bytearray(content)
            expected[position] ^= 1
            assert await wire.body(len(content)) == expected

    run(work())


@pytest.mark.parametrize("failure", ["alert", "close", "reset"])
def test_handshakes_that_fail(run: Any, tree: Tree, failure: Any) -> None:
    expected = {"alert": ssl.SSLError, "close": ConnectionError, "reset": ConnectionResetError}

    async def work() -> None:
        async with session(tree, "https", fault(tls=failure, times=1)) as found:
            with pytest.raises((expected[failure], ssl.SSLEOFError)) as caught:
                async with found.connection():
                    pass
            if failure == "alert":
                assert getattr(caught.value, "reason", "") == "SSLV3_ALERT_HANDSHAKE_FAILURE"
            async with found.connection() as wire:
                await wire.send(get())
                await wire.head()
            assert [(account.seen, account.fired) for account in found.core.faults] == [(2, 1)]

    run(work())


def test_handshakes_that_stall(run: Any, tree: Tree) -> None:
    async def work() -> None:
        async with session(tree, "https", fault(tls="stall")) as found:
            address = await found.address()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), found.connection():
                    pass
            with socket.create_connection(address) as client:
                client.send(b"\x16")  # left alone, it does not keep the server from ending

    run(work())


def test_clear_text_needs_no_handshake(run: Any, tree: Tree) -> None:
    async def work() -> None:
        async with session(tree, "http", fault(tls="reset")) as found, found.connection() as wire:
            await wire.send(get())
            assert b"200 OK" in await wire.head()

    run(work())
