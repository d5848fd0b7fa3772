"""A registry for each test: it starts at once, and nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest
from support.leaks import held
from support.raw import connected

from fake_registry import FakeRegistry
from mirror import ImageApi

GET = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def ask(registry: FakeRegistry) -> None:
    """Two requests: one of them over TLS, on a port of its own."""
    async with connected(registry.address) as client:
        await client.send(GET)
        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK")
    port = int(registry.url("quay.io").rpartition(":")[2])
    async with connected(registry.address._replace(port=port), registry.ssl_context()) as client:
        await client.send(GET)
        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("times", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_many_in_a_row_leave_nothing(temporary: Path, times: int) -> None:
    async with FakeRegistry() as registry:  # what is made once for a process
        await ask(registry)
    before, tasks = held(), asyncio.all_tasks()
    for number in range(times):
        async with FakeRegistry() as registry:
            if number % 10 == 0:
                registry.push_image("quay.io/app")
                assert registry.ca_file.exists()
                await ask(registry)
            else:
                async with connected(registry.address) as client:
                    await client.send(GET)
                    assert (await client.rest()).startswith(b"HTTP/1.1 200 OK")
    assert held() == before
    assert asyncio.all_tasks() == tasks
    assert not any(os.scandir(temporary))


@pytest.mark.parametrize("thing", [FakeRegistry, ImageApi])
def test_clients_that_hold_their_end_do_not_hold_ours(thing: type[FakeRegistry | ImageApi]) -> None:
    """A connection over TLS that was answered for the last time, and that the client does not close."""
    with thing():  # what is made once for a process
        pass
    before = held()
    with contextlib.ExitStack() as stack:
        with thing() as served:
            registry = served.registry if isinstance(served, ImageApi) else served
            url = served.url if isinstance(served, ImageApi) else registry.url()
            plain = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            tls = stack.enter_context(served.ssl_context().wrap_socket(plain, server_hostname="127.0.0.1"))
            tls.sendall(GET)
            while b"\r\n\r\n" not in tls.recv(65536):
                pass
        assert len(held()[0]) == len(before[0]) + 1
    assert held() == before


def test_many_in_threads_leave_nothing(temporary: Path) -> None:
    with FakeRegistry() as registry:
        asyncio.run(ask(registry))
    before = held()
    for _ in range(30):
        with FakeRegistry() as registry:
            asyncio.run(ask(registry))
    assert held() == before
    assert not any(os.scandir(temporary))


async def test_clients_that_stay_are_left_behind(temporary: Path) -> None:
    before, tasks = held(), asyncio.all_tasks()
    async with FakeRegistry() as registry:
        registry.faults.add(kind="tags", latency="1h")
        async with connected(registry.address) as waiting, connected(registry.address) as silent:
            await waiting.send(b"GET /v2/app/tags/list HTTP/1.1\r\nHost: quay.io\r\n\r\n")
            await silent.send(b"GET /v2/ HT")
            async with connected(registry.address) as other:
                await other.send(GET)
                await other.rest()
            await registry.__aexit__(None, None, None)
            assert await waiting.rest() == b""
            assert await silent.rest() == b""
    assert held() == before
    assert asyncio.all_tasks() == tasks
    assert not any(os.scandir(temporary))


async def test_one_that_cannot_start_leaves_nothing(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_port(*_: object) -> None:
        raise OSError("no port left")

    monkeypatch.setattr("fake_registry.server.bind", no_port)
    before = held()
    for _ in range(2):
        with pytest.raises(OSError, match="no port left"):
            async with FakeRegistry():
                pass
        with pytest.raises(OSError, match="no port left"), FakeRegistry():
            pass
    assert held() == before
    assert not any(os.scandir(temporary))
