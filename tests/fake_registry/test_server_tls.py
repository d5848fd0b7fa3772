"""HTTP and HTTPS on one port: who gets which certificate, and what becomes of clients that dawdle."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from support.cores import TinyCore
from support.raw import client_hello, connected, in_records, trusting

from fake_registry import server as server_module
from fake_registry.config import Host
from fake_registry.core.messages import Request, Response
from fake_registry.listening import NO_TLS_HERE, Address, bind
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

AUTHORITY = CertificateAuthority.create()
TRUSTING = trusting(AUTHORITY.ca_pem)
GET = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n\r\n"
HOSTS = {
    "quay.io": Host(),
    "plain.example.com:5000": Host(scheme="http"),
    "clear.example.com": Host(scheme="http"),
    "selfsigned.example.com": Host(scheme="selfsigned"),
}


def serving(**options: Any) -> RegistryServer:
    return RegistryServer(
        TinyCore(lambda asked: Response(200, [], repr(asked.sni).encode()), HOSTS), AUTHORITY, **options
    )


async def body_of(address: Address, context: ssl.SSLContext | None = None, name: str | None = None) -> bytes:
    """The body of the answer to a GET."""
    async with connected(address, context, name) as client:
        await client.send(GET)
        return await client.body(int((await client.head()).rpartition(b" ")[2]))


def test_both_on_one_port(run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        async with serving() as server:
            address = await server.start()
            assert await body_of(address) == b"None"
            assert await body_of(address, TRUSTING, "quay.io") == b"'quay.io'"
            assert await body_of(address, TRUSTING, "Anything.At-All.example.com") == b"'anything.at-all.example.com'"
            assert await body_of(address, TRUSTING, "under_score.example.com") == b"'under_score.example.com'"
            assert await body_of(address, TRUSTING, "127.0.0.1") == b"None"
            assert await body_of(address, TRUSTING, "localhost") == b"'localhost'"

    run(exchange())


async def test_the_protocol_is_http_1_1() -> None:
    async with serving() as server, connected(await server.start(), TRUSTING, "quay.io") as client:
        tls = client.writer.get_extra_info("ssl_object")
        assert (tls.selected_alpn_protocol(), tls.version()) == ("http/1.1", "TLSv1.3")


async def test_old_tls_is_refused() -> None:
    old = trusting(AUTHORITY.ca_pem)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving() as server:
        address = await server.start()
        assert await body_of(address, old, "quay.io") == b"'quay.io'"
        hello = bytearray(client_hello("quay.io"))
        hello = hello.replace(b"\x00\x2b", b"\xfe\x2b")  # without the list of versions it is TLS 1.2; now ask for 1.1
        hello[9:11] = b"\x03\x02"
        async with connected(address) as client:
            await client.send(bytes(hello))
            assert b"HTTP" not in await client.rest()


async def test_certificates_nobody_trusts() -> None:
    async with serving() as server:
        address = await server.start()
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            await body_of(address, TRUSTING, "selfsigned.example.com")
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        assert await body_of(address, careless, "selfsigned.example.com") == b"'selfsigned.example.com'"


@pytest.mark.parametrize("name", ["plain.example.com", "clear.example.com", "CLEAR.example.com"])
def test_clear_text_hosts_do_not_understand_tls(name: str, run: Callable[[Any], Any]) -> None:
    async def exchange() -> bytes:
        async with serving() as server, connected(await server.start()) as client:
            await client.send(client_hello(name))
            return await client.rest()

    assert run(exchange()) == NO_TLS_HERE


async def test_a_listener_for_one_host() -> None:
    async with serving() as server:
        clear, encrypted = await server.start(serving="clear.example.com"), await server.start(serving="quay.io")
        async with connected(clear) as client:
            await client.send(client_hello("quay.io"))
            assert await client.rest() == NO_TLS_HERE
        assert await body_of(encrypted, TRUSTING, "clear.example.com") == b"'clear.example.com'"


@pytest.mark.parametrize("size", [1, 7, 100, 16384])
def test_hellos_in_many_records(size: int, run: Callable[[Any], Any]) -> None:
    async def exchange() -> bytes:
        async with serving() as server, connected(await server.start()) as client:
            await client.send(in_records(client_hello("clear.example.com"), size))
            return await client.rest()

    assert run(exchange()) == NO_TLS_HERE


def test_hellos_byte_by_byte(run: Callable[[Any], Any]) -> None:
    """The slow client gets its answer, and nobody waits for it."""

    async def exchange() -> bytes:
        async with serving() as server:
            address = await server.start()
            async with connected(address) as slow:
                for byte in client_hello("clear.example.com"):
                    await slow.send(bytes([byte]))
                    if byte == 0:
                        assert await body_of(address) == b"None"
                return await slow.rest()

    assert run(exchange()) == NO_TLS_HERE


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00",
        client_hello("quay.io")[:-1],
        b"\x16\x03\x01\x40\x00" + bytes(9000),
    ],
)
def test_clients_that_dawdle_are_closed(start: bytes, run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        async with serving(greeting=0.1) as server, connected(await server.start()) as client:
            if start:
                await client.send(start)
            assert await client.rest() == b""

    run(exchange())


def test_clients_that_hang_up_early(run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        async with serving(greeting=0.1) as server:
            address = await server.start()
            for start in (b"", b"\x16", client_hello("quay.io")[:-1]):
                async with connected(address) as client:
                    if start:
                        await client.send(start)
                    client.writer.write_eof()
                    await client.rest()
            server._greeting = 60.0  # who comes now may be slow
            assert await body_of(address) == b"None"

    run(exchange())


async def test_headers_that_never_end() -> None:
    async with serving(idle=0.1) as server, connected(await server.start()) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: quay.io\r\nA")
        assert await client.rest() == b""


async def test_too_many_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has waited longest makes room."""
    monkeypatch.setattr(server_module, "_MAX_GREETINGS", 3)
    async with serving() as server:
        address = await server.start()
        async with connected(address) as first, connected(address), connected(address):
            assert await body_of(address) == b"None"
            assert await first.rest() == b""


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff" + bytes(100),
        b"\x16\x02\x00\x00\x05hello",
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
        b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00",
        b"\x16\x03\x01\x00\x26\x01\x00\x00\x22\x03\x03" + bytes(32) + b"\xff",
        b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\x00" + bytes(16380) + (b"\x16\x03\x01\x40\x00" + bytes(16384)) * 2,
    ],
)
def test_hostile_hellos(junk: bytes, run: Callable[[Any], Any]) -> None:
    """What is no ClientHello goes to the TLS library, which knows what to say."""

    async def exchange() -> None:
        async with serving() as server:
            address = await server.start()
            async with connected(address) as client:
                await client.send(junk)
                client.writer.write_eof()
                assert b"HTTP" not in await client.rest()
            assert await body_of(address) == b"None"

    run(exchange())


def test_closing_does_not_wait_for_the_idle(run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        server = serving(grace=3600)
        address = await server.start()
        async with (
            connected(address) as fresh,
            connected(address) as idle,
            connected(address, TRUSTING, "quay.io") as encrypted,
        ):
            for client in (idle, encrypted):
                await client.send(GET)
                await client.head()
            await server.close()
            await fresh.rest()
        with pytest.raises(OSError):
            await body_of(address)
        await server.close()

    run(exchange())


@pytest.mark.parametrize("context", [None, TRUSTING], ids=["http", "https"])
def test_closing_lets_requests_finish(context: ssl.SSLContext | None, run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        asked, finish = asyncio.Event(), asyncio.Event()

        async def answer(_: Request) -> Response:
            asked.set()
            await finish.wait()
            return Response(200, [], b"done")

        server = RegistryServer(TinyCore(answer), AUTHORITY)
        async with connected(await server.start(), context, "quay.io" if context else None) as client:
            await client.send(GET)
            await asked.wait()
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            finish.set()
            assert (await client.head()).startswith(b"HTTP/1.1 200 OK")
            assert await client.body(4) == b"done"
            await closing

    run(exchange())


@pytest.mark.parametrize("context", [None, TRUSTING], ids=["http", "https"])
def test_closing_is_bounded(context: ssl.SSLContext | None, run: Callable[[Any], Any]) -> None:
    async def exchange() -> None:
        asked = asyncio.Event()

        async def answer(_: Request) -> Response:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        server = RegistryServer(TinyCore(answer), AUTHORITY, grace=0.1)
        async with connected(await server.start(), context, "quay.io" if context else None) as client:
            await client.send(GET)
            await asked.wait()
            await server.close()
            assert await client.rest() == b""

    run(exchange())


async def test_several_listeners() -> None:
    async with serving() as server:
        addresses = [await server.start() for _ in range(3)]
        assert len({address.port for address in addresses}) == 3
        assert [await body_of(address) for address in addresses] == [b"None"] * 3


def test_addresses() -> None:
    assert str(Address("127.0.0.1", 5000)) == "127.0.0.1:5000"
    assert str(Address("::1", 5000)) == "[::1]:5000"


def test_binding_an_address_twice() -> None:
    (listener,) = bind("127.0.0.1", 0)
    with listener, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", listener.getsockname()[1])


def test_binding_a_name_takes_one_port() -> None:
    listeners = bind("localhost", 0)
    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        listener.close()


def test_binding_what_is_not_ours() -> None:
    with pytest.raises(OSError):
        bind("192.0.2.10", 0)
    with pytest.raises(socket.gaierror):
        bind("not a host", 0)
