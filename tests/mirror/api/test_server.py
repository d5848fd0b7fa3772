"""The API on sockets: TLS, tokens, client certificates, streams, bodies that are too long, the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.api import GROUP, new_cluster

from fake_registry.tls import CertificateAuthority
from mirror.api.access import Access
from mirror.api.app import ApiCore
from mirror.api.authentication import Authenticator, UserConfig
from mirror.api.decoding import MAX_BODY
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.server import ApiServer
from mirror.errors import InputError

T = TypeVar("T")

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
STREAM = {"metadata": {"name": "a"}}


async def exchange(server: ApiServer, data: bytes, *, until_closed: bool = True) -> bytes:
    """Sends bytes over a connection of its own and reads the answer."""
    address = await server.start()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    found = await (reader.read() if until_closed else reader.readuntil(b"\r\n\r\n"))
    writer.close()
    await writer.wait_closed()
    return found


async def test_clear_text_looks_like_gos_server() -> None:
    async with ApiServer(ApiCore(new_cluster())) as server:
        found = await exchange(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = found.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    names = [line.partition(":")[0] for line in lines[1:]]
    assert names == ["Cache-Control", "Content-Type", "X-Content-Type-Options", "Date", "Content-Length", "Connection"]
    assert body == b"ok"


async def test_connections_are_kept_for_further_requests() -> None:
    async with ApiServer(ApiCore(new_cluster())) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}", connector=aiohttp.TCPConnector(limit=1)) as session:
            async with session.post(STREAMS, json=STREAM) as response:
                assert (response.status, response.reason) == (201, "Created")
            async with session.get(f"{STREAMS}/a") as response:
                assert (await response.json())["metadata"]["name"] == "a"
            async with session.head("/healthz") as response:
                assert (response.status, await response.read()) == (200, b"")


async def test_tls_with_a_token() -> None:
    authority = CertificateAuthority.create()
    access = Access(Authenticator([UserConfig(name="me", token="t")]))
    trusting = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with ApiServer(ApiCore(new_cluster(), access=access), authority) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"https://{address}") as session:
            async with session.get(STREAMS, ssl=trusting) as response:
                assert response.status == 401
            async with session.get(STREAMS, ssl=trusting, headers={"Authorization": "Bearer t"}) as response:
                assert response.status == 200


class ClientAuthority:
    """An authority for clients: a certificate with its key, and those that it signs."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients")])
        self.file = folder / "clients.pem"
        certificate = self._builder(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        pem = certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.file.write_bytes(pem)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))

    def issue(self, common_name: str, organization: str) -> Path:
        """A file with a client's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        certificate = self._builder(subject, key.public_key()).sign(self.key, hashes.SHA256())
        file = self.file.with_name("client.pem")
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        return file


async def test_client_certificates(tmp_path: Path) -> None:
    authority, clients = CertificateAuthority.create(), ClientAuthority(tmp_path)
    users: list[ApiRequest] = []

    class Noted(ApiCore):
        async def handle(self, request: ApiRequest) -> ApiResponse:
            users.append(request)
            return await super().handle(request)

    api = Noted(new_cluster(), access=Access(Authenticator(), client_ca=clients.file))
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with ApiServer(api, authority) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"https://{address}") as session, session.get(STREAMS, ssl=context) as found:
            assert found.status == 401
        context.load_cert_chain(clients.issue("jane", "team"))
        async with aiohttp.ClientSession(f"https://{address}") as session, session.get(STREAMS, ssl=context) as found:
            assert found.status == 200
    assert (users[-1].user.name, users[-1].user.groups) == ("jane", ("team", "system:authenticated"))


async def test_a_client_ca_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    api = ApiCore(new_cluster(), access=Access(Authenticator(), client_ca=tmp_path / "ca.pem"))
    async with ApiServer(api, CertificateAuthority.create()) as server:
        with pytest.raises(InputError, match=r"ca\.pem: no certificates"):
            await server.start()


async def test_bodies_beyond_the_limit() -> None:
    async with ApiServer(ApiCore(new_cluster())) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}") as session:
            async with session.post(STREAMS, data=BytesIO(b"{" + b"y" * MAX_BODY)) as response:
                assert response.status == 413
                message = (await response.json(content_type=None))["message"]
                assert message == "Request entity too large: limit is 3145728"
            async with session.get("/healthz") as response:
                assert response.status == 200


class Streaming(ApiCore):
    """Answers everything with a stream that never ends by itself."""

    def __init__(self) -> None:
        super().__init__(new_cluster())
        self.more = asyncio.Event()
        self.ended = asyncio.Event()

    async def handle(self, request: ApiRequest) -> ApiResponse:
        return ApiResponse(200, [("Content-Type", "application/json")], stream=self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                await self.more.wait()
                self.more.clear()
                yield b'{"type":"ADDED"}\n'
        finally:
            self.ended.set()


async def test_streams_begin_at_once_and_send_at_once() -> None:
    api = Streaming()
    async with ApiServer(api) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/") as response:
            assert (response.status, response.headers["Transfer-Encoding"]) == (200, "chunked")
            for _ in range(3):
                api.more.set()
                assert json.loads(await response.content.readline()) == {"type": "ADDED"}


async def test_a_client_that_goes_ends_its_stream() -> None:
    api = Streaming()
    async with ApiServer(api) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/") as response:
            assert response.status == 200
        await api.ended.wait()


async def test_the_end_of_the_server_ends_streams_properly() -> None:
    api = Streaming()
    async with ApiServer(api) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/") as response:
            closing = asyncio.create_task(server.close())
            assert await response.content.read() == b"", "a chunked body with its end"
            await closing
    assert api.ended.is_set()


async def test_the_end_of_the_server_waits_for_no_tls_client() -> None:
    """One that keeps its connection and never says that it closes it: the connection is gone all the same."""
    authority = CertificateAuthority.create()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    client = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    async with ApiServer(ApiCore(new_cluster()), authority) as server:
        reader, writer = await asyncio.open_connection(*await server.start())

        async def until_done(step: Callable[[], T]) -> T:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))

        await until_done(client.do_handshake)
        client.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await until_done(client.read)
        await server.close()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_old_clients_get_streams_until_the_connection_ends() -> None:
    api = Streaming()
    async with ApiServer(api) as server:
        address = await server.start()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"Connection: close" in await reader.readuntil(b"\r\n\r\n")
        api.more.set()
        assert await reader.readline() == b'{"type":"ADDED"}\n'
        writer.close()
        await api.ended.wait()


class Failing(ApiCore):
    async def handle(self, request: ApiRequest) -> ApiResponse:
        raise RuntimeError("secret detail")


async def test_what_fails_unexpectedly_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with ApiServer(Failing(new_cluster())) as server:
        address = await server.start()
        async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/version") as response:
            text = await response.text()
    assert (response.status, json.loads(text)["reason"]) == (500, "InternalError")
    assert "secret" not in text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70000 + b"\r\n\r\n"]
)
async def test_what_is_no_http_is_refused(data: bytes) -> None:
    async with ApiServer(ApiCore(new_cluster())) as server:
        found = await exchange(server, data)
    assert found.startswith(b"HTTP/1.1 4")
    assert b"Server:" not in found
    assert b"Traceback" not in found


async def test_silent_clients_are_cut_off() -> None:
    async with ApiServer(ApiCore(new_cluster()), greeting=0.01) as server:
        assert await exchange(server, b"") == b""
