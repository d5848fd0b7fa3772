"""TLS handshakes that come to nothing: what the journal says of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.raw import client_hello, connected, trusting
from support.registry import NOW

from fake_registry import FakeRegistry
from fake_registry.config import Host, Mtls
from fake_registry.core.journal import Entry
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.handshakes import problem_of
from fake_registry.listening import Address
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

OURS = CertificateAuthority.create()
OTHERS = Authority("Other CA")
HOSTS = {
    "plain.example.com:5000": Host(scheme="http"),
    "self.example.com": Host(scheme="selfsigned"),
    "mtls.example.com": Host(mtls=Mtls()),
}


class Core(RegistryCore):
    """Says when a handshake has come to nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(Tree.open(path), HOSTS, clock=lambda: NOW)
        self.noted = asyncio.Event()

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        super().handshake_failed(name, remote, problem)
        self.noted.set()


async def shake(address: Address, context: ssl.SSLContext, name: str) -> None:
    """A handshake of a client that sends alerts, which those of event loops do not, and hears the end."""

    def talk() -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            while tls.recv(1000):
                pass

    await asyncio.to_thread(talk)


async def hang_up(address: Address, context: ssl.SSLContext, name: str) -> None:
    """The beginning of a handshake."""
    del context
    async with connected(address) as client:
        await client.send(client_hello(name))
        assert await client.reader.read(1)


async def say_nonsense(address: Address, context: ssl.SSLContext, name: str) -> None:
    """What is no hello at all."""
    del context, name
    async with connected(address) as client:
        await client.send(b"\x16\x03\x01\x00\x05hello")
        await client.rest()


def only_1_2() -> ssl.SSLContext:
    context = trusting(OURS.ca_pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def showing(path: Path) -> ssl.SSLContext:
    """A client that shows a certificate of an authority that nobody knows here."""
    context = trusting(OURS.ca_pem)
    file = path / "client.pem"
    file.write_bytes(b"".join(OTHERS.issue(common_name="me", client_only=True)))
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize(
    ("name", "context", "client", "note"),
    [
        ("quay.io", trusting(OTHERS.pem), shake, "the client refused it: unknown ca"),
        ("self.example.com", trusting(OURS.ca_pem), shake, "the client refused it: unknown ca"),
        ("quay.io", None, hang_up, "the client hung up"),
        ("", None, say_nonsense, None),
        ("plain.example.com", trusting(OURS.ca_pem), shake, "the host speaks clear text only"),
        ("mtls.example.com", trusting(OURS.ca_pem), shake, "peer did not return a certificate"),
        ("mtls.example.com", only_1_2(), shake, "peer did not return a certificate"),
        ("mtls.example.com", "other", shake, "certificate verify failed: unable to get local issuer certificate"),
    ],
    ids=["another CA", "self-signed", "hang up", "nonsense", "clear text", "no certificate", "none in 1.2", "another"],
)
def test_what_the_journal_says(
    run: Callable[[Any], Any], tmp_path: Path, name: str, context: Any, client: Any, note: str | None
) -> None:
    context = showing(tmp_path) if context == "other" else context

    async def exchange() -> list[Entry]:
        core = Core(tmp_path / "tree")
        async with RegistryServer(core, OURS) as server:
            address = await server.start()
            await client(address, context, name)
            await core.noted.wait()
        assert not len(core.journal)
        return core.journal.entries(kind="handshake")

    (entry,) = run(exchange())
    assert (entry.host, entry.kind, entry.status, entry.method, entry.time) == (name, "handshake", 0, "", NOW)
    assert entry.remote.startswith("127.0.0.1:")
    assert entry.note.startswith(f"TLS handshake: {note or ''}")


async def test_dawdling(tmp_path: Path) -> None:
    """A client that does not go on is given up; when exactly does not matter."""
    core = Core(tmp_path)
    async with RegistryServer(core, OURS, greeting=0.05) as server:
        with socket.create_connection(await server.start()) as client:
            client.sendall(client_hello("quay.io"))  # before anybody has taken the connection
            await core.noted.wait()
        assert [entry.note for entry in core.journal.handshakes] == [
            "TLS handshake: the client did not complete it in time"
        ]


async def test_what_goes_well_is_no_entry(tmp_path: Path) -> None:
    core = Core(tmp_path)
    async with RegistryServer(core, OURS) as server:
        async with connected(await server.start(), trusting(OURS.ca_pem), "quay.io") as client:
            await client.send(b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n")
            await client.rest()
        assert [(entry.kind, entry.remote) for entry in core.journal] == [("ping", "")]
        assert core.journal.handshakes == []


def test_for_people() -> None:
    with FakeRegistry() as registry:
        registry.core.handshake_failed("index.docker.io", "127.0.0.1:1", "the client refused it: unknown ca")
        registry.core.handshake_failed("", "127.0.0.1:1", "the client hung up")
        assert registry.listing() == (
            "nothing was asked\n"
            "refused docker.io  (TLS handshake: the client refused it: unknown ca)\n"
            "refused no host  (TLS handshake: the client hung up)"
        )
        assert [entry.host for entry in registry.journal.handshakes] == ["docker.io", ""]
        assert [entry.host for entry in registry.journal.entries(kind="handshake", host="docker.io")] == ["docker.io"]
        registry.reset()
        assert registry.journal.handshakes == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (TimeoutError(), "the client did not complete it in time"),
        (ConnectionResetError(), "the client hung up"),
        (ssl.SSLEOFError(8, "EOF occurred"), "the client hung up"),
        (ssl.SSLError(1, "something"), "the client hung up"),
    ],
)
def test_problems_without_a_reason(error: OSError, problem: str) -> None:
    assert problem_of(error) == problem
