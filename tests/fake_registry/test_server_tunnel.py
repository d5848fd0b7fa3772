"""Clients that take a listener for their proxy."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.cores import TinyCore
from support.raw import Wire, connected

from fake_registry.config import Host
from fake_registry.core.messages import Response
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

AUTHORITY = CertificateAuthority.create()
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
GET = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def proxy(core: TinyCore) -> AsyncIterator[Wire]:
    async with RegistryServer(core, AUTHORITY) as server, connected(await server.start()) as connection:
        yield connection


def core(**hosts: Host) -> TinyCore:
    return TinyCore(
        lambda _: Response(200, [], b"here"), {name.replace("_", "."): host for name, host in hosts.items()}
    )


async def through(client: Wire, target: str, name: str) -> None:
    """Opens a tunnel, and TLS in it."""
    await client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: test\r\n\r\n".encode())
    assert await client.body(len(OPEN)) == OPEN
    context = ssl.create_default_context(cadata=AUTHORITY.ca_pem.decode())
    await client.writer.start_tls(context, server_hostname=name)


@pytest.mark.parametrize("target", ["quay.io", "10.1.2.3", "[2001:db8::1]"])
async def test_tls_through_a_tunnel(target: str) -> None:
    registries = core(quay_io=Host())
    async with proxy(registries) as client:
        await through(client, f"{target}:443", target.strip("[]"))
        await client.send(GET)
        assert (await client.rest()).endswith(b"here")
    (request,) = registries.requests
    assert request.secure
    assert request.sni == ("quay.io" if target == "quay.io" else None)


async def test_clear_text_through_a_tunnel() -> None:
    registries = core(quay_io=Host(scheme="http"))
    async with proxy(registries) as client:
        await client.send(b"CONNECT quay.io:80 HTTP/1.1\r\n\r\n")
        assert await client.body(len(OPEN)) == OPEN
        await client.send(GET)
        assert (await client.rest()).endswith(b"here")
    assert not registries.requests[0].secure


async def test_a_host_that_is_down_has_no_tunnel() -> None:
    async with proxy(core(down_example_com=Host(scheme="down"))) as client:
        await client.send(b"CONNECT down.example.com HTTP/1.1\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT  HTTP/1.1\r\n\r\n",
        b"CONNECT quay.io:443\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/2\r\n\r\n",
        b"CONNECT quay io:443 HTTP/1.1\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.1\r\n\r\n\x16too soon",
        b"CONNECT " + b"x" * 301 + b" HTTP/1.1\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.1\r\nX: " + b"x" * 17_000,
    ],
)
async def test_what_is_no_connect_request_is_refused(data: bytes) -> None:
    async with proxy(core()) as client:
        await client.send(data)
        assert (await client.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_client_that_goes_away() -> None:
    async with proxy(core()) as client:
        await client.send(b"CONNECT quay.io:443 HTTP/1.1\r\n")
        client.writer.write_eof()
        assert await client.rest() == b""


async def test_there_is_one_tunnel_only() -> None:
    async with proxy(core()) as client:
        await client.send(b"CONNECT quay.io:443 HTTP/1.1\r\n\r\n")
        assert await client.body(len(OPEN)) == OPEN
        await client.send(b"CONNECT quay.io:443 HTTP/1.1\r\n\r\n")
        assert b"established" not in await client.rest()
