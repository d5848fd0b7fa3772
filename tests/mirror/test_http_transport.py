"""Exchanges over sockets with our own registry server: what is sent, what comes back, and who is asked."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.certificates import Authority
from support.cores import Answering, TinyCore
from support.peers import listening, nobody

from fake_registry.config import Host, Hosts
from fake_registry.core.messages import Response
from fake_registry.server import Address, RegistryServer
from fake_registry.tls import CertificateAuthority
from mirror.errors import InputError
from mirror.importer import http_transport
from mirror.importer.dial import Endpoint, Refused, SocketAddress
from mirror.importer.failures import ClientFailure
from mirror.importer.http_transport import HttpTransport
from mirror.importer.transport import Answer, Transport, TransportError

AUTHORITY = CertificateAuthority.create()
OK = Response(200, [("Content-Type", "application/json")], b"{}")


@asynccontextmanager
async def serving(
    answer: Answering | Response = OK, hosts: Hosts | None = None
) -> AsyncIterator[tuple[TinyCore, Address]]:
    core = TinyCore((lambda _: answer) if isinstance(answer, Response) else answer, hosts)
    async with RegistryServer(core, AUTHORITY) as server:
        yield core, await server.start()


async def get(
    transport: Transport,
    url: str,
    headers: Sequence[tuple[str, str]] = (("user-agent", "Go-http-client/1.1"),),
    *,
    method: str = "GET",
    insecure: bool = False,
) -> Answer:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return await transport.send(method, scheme, host, f"/{path}", headers, insecure=insecure)


async def failure(transport: Transport, url: str, *, insecure: bool = False) -> str:
    with pytest.raises(TransportError) as caught:
        await get(transport, url, insecure=insecure)
    return str(caught.value)


async def test_every_host_is_at_one_address_under_its_own_name() -> None:
    async with serving() as (core, address), HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
        for url in ("https://quay.io/v2/", "https://registry.example.com:5000/v2/", "http://plain.example.com/v2/"):
            assert (await get(transport, url)).body == b"{}"
    assert [(asked.host, asked.sni, asked.secure) for asked in core.requests] == [
        ("quay.io", "quay.io", True),
        ("registry.example.com:5000", "registry.example.com", True),
        ("plain.example.com", None, False),
    ]


async def test_exactly_the_given_headers_are_sent() -> None:
    given = [
        ("user-agent", "Go-http-client/1.1"),
        ("accept", "a/b"),
        ("accept", "c/d"),
        ("authorization", "Basic eA=="),
    ]
    async with serving() as (core, address), HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
        await get(transport, "https://quay.io/v2/", given)
    assert core.requests[0].headers == {
        "host": "quay.io",
        "user-agent": "Go-http-client/1.1",
        "accept": "a/b, c/d",
        "authorization": "Basic eA==",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/v2/a%2Fb/tags/list?n=1&last=%2f",
        "/v2/./../x//y",
        "/token?scope=repository%3Ans%2Fapp%3Apull&service=quay.io",
        "/v2/%C3%A4?a=b+c%20d",
        "/v2/?a=b&a=c&&",
    ],
)
async def test_targets_are_sent_as_they_are(target: str) -> None:
    async with serving() as (core, address), HttpTransport(connect=address) as transport:
        await get(transport, f"http://quay.io{target}")
    assert core.requests[0].target == target


async def test_the_answer_comes_as_it_was_sent() -> None:
    zipped = gzip.compress(b"{}")
    answer = Response(
        302,
        [
            ("Location", "/elsewhere"),
            ("Set-Cookie", "a=b"),
            ("WWW-Authenticate", "Basic x"),
            ("WWW-Authenticate", "Bearer y"),
            ("Content-Encoding", "gzip"),
        ],
        zipped,
    )
    async with serving(answer) as (core, address), HttpTransport(connect=address) as transport:
        found = await get(transport, "http://quay.io/v2/")
        await get(transport, "http://quay.io/v2/")
    assert (found.status, found.status_text, found.body) == (302, "302 Found", zipped)
    assert found.header("location") == "/elsewhere"
    assert found.header_lines("www-authenticate") == ["Basic x", "Bearer y"]
    assert len(core.requests) == 2  # the redirect was not followed
    assert all("cookie" not in asked.headers for asked in core.requests)


async def test_head_has_headers_only() -> None:
    sized = Response(200, [("Content-Length", "104857600")])
    async with serving(sized) as (_, address), HttpTransport(connect=address) as transport:
        answer = await get(transport, "http://quay.io/v2/a/blobs/x", method="HEAD")
    assert (answer.header("content-length"), answer.body) == ("104857600", b"")


async def test_what_is_hung_up_on_is_sent_once() -> None:
    async with serving() as (core, address), HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
        for scheme in ("http", "https"):
            await get(transport, f"{scheme}://quay.io/v2/")  # from here on the connection has been used before
            core.requests.clear()
            core._answer = lambda _: Response(0, drop=True)
            with pytest.raises(TransportError) as caught:
                await get(transport, f"{scheme}://quay.io/v2/")
            assert (str(caught.value), caught.value.hung_up) == ("EOF", True)
            assert len(core.requests) == 1
            core._answer = lambda _: OK


async def test_connections_are_kept_and_limited() -> None:
    started = asyncio.Event()
    waiting = 0

    async def answer(_: object) -> Response:
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            started.set()
        await started.wait()
        return OK

    async with serving(answer) as (core, address), HttpTransport(connect=address, concurrency=3) as transport:
        assert transport.concurrency == 3
        await asyncio.gather(*(get(transport, "http://quay.io/v2/") for _ in range(12)))
        session = transport._session
        assert session is not None
        assert session.connector is not None
        connections = {id(proto) for idle in session.connector._conns.values() for proto, _ in idle}
    assert len(core.requests) == 12
    assert len(connections) == 3


async def test_bodies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_transport, "MAX_BODY", 100_000)
    async with serving(Response(200, [], b"x" * 100_001)) as (_, address), HttpTransport(connect=address) as transport:
        answer = await get(transport, "http://quay.io/")
    assert answer.broken is not None
    assert (str(answer.broken), answer.broken.in_body) == ("body of more than 100000 bytes", True)
    with pytest.raises(ClientFailure, match="body of more than 100000 bytes"):
        _ = answer.body


async def test_long_bodies_are_read_whole() -> None:
    body = bytes(range(256)) * 8192
    async with (
        serving(Response(200, [], body)) as (_, address),
        HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport,
    ):
        answers = [await get(transport, f"{scheme}://quay.io/") for scheme in ("http", "https")]
    assert [answer.body for answer in answers] == [body, body]


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.99:1")
    async with serving() as (_, address), HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
        for scheme in ("http", "https"):
            assert (await get(transport, f"{scheme}://quay.io/v2/")).status == 200


HOSTS: Hosts = {
    "quay.io": Host(),
    "docker.io": Host(),
    "registry.example.com:5000": Host(),
    "plain.example.com:5000": Host(scheme="http"),
    "selfsigned.example.com": Host(scheme="selfsigned"),
    "down.example.com": Host(scheme="down"),
}

LISTED = [
    ("https://quay.io/v2/", None),
    ("https://quay.io:443/v2/", None),
    ("https://QUAY.io/v2/", None),
    ("https://registry-1.docker.io/v2/", None),
    ("https://registry.example.com:5000/v2/", None),
    ("http://plain.example.com:5000/v2/", None),
    ("https://plain.example.com:5000/v2/", "http: server gave HTTP response to HTTPS client"),
    (
        "https://selfsigned.example.com/v2/",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    ("https://down.example.com/v2/", "dial tcp 192.0.2.10:443: connect: connection refused"),
    ("http://down.example.com/v2/", "dial tcp 192.0.2.10:80: connect: connection refused"),
    ("https://quay.io:8443/v2/", "dial tcp: lookup quay.io: no such host"),
    ("https://registry.example.com/v2/", "dial tcp: lookup registry.example.com: no such host"),
    ("https://Nowhere.example.com:5000/v2/", "dial tcp: lookup Nowhere.example.com: no such host"),
    ("https://localhost:5000/v2/", "dial tcp 192.0.2.10:5000: connect: connection refused"),
    ("https://10.1.2.3/v2/", "dial tcp 192.0.2.10:443: connect: connection refused"),
    ("http://[::1]:5000/v2/", "dial tcp 192.0.2.10:5000: connect: connection refused"),
    ("https://quay.io:99999/v2/", "dial tcp: address 99999: invalid port"),
    ("https:///v2/", "http: no Host in request URL"),
    (f"https://{'a' * 64}.example.com/v2/", f"dial tcp: lookup {'a' * 64}.example.com: no such host"),
]


@pytest.mark.parametrize(("url", "text"), LISTED)
async def test_only_listed_hosts_exist(url: str, text: str | None) -> None:
    async with serving(OK, HOSTS) as (_, address):
        resolve: dict[str, Endpoint] = {
            name: Refused() if host.scheme == "down" else tuple(address) for name, host in HOSTS.items()
        }
        async with HttpTransport(resolve=resolve, ca=AUTHORITY.ca_pem, addresses="fixed") as transport:
            if text is None:
                assert (await get(transport, url)).status == 200
            else:
                assert await failure(transport, url) == text


async def test_insecure_accepts_any_certificate() -> None:
    async with serving(OK, HOSTS) as (_, address), HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
        url = "https://selfsigned.example.com/v2/"
        assert (await get(transport, url, insecure=True)).status == 200
        assert "unknown authority" in await failure(transport, url)  # and that changes nothing for the others
        assert (await get(transport, url, insecure=True)).status == 200
        assert "HTTP response" in await failure(transport, "https://plain.example.com:5000/v2/", insecure=True)


async def test_a_listener_that_serves_one_host_speaks_as_that_host_does() -> None:
    hosts = {"twice.example.com": Host(), "twice.example.com:5000": Host(scheme="http")}
    core = TinyCore(lambda _: OK, hosts)
    async with RegistryServer(core, AUTHORITY) as server:
        resolve = {name: tuple(await server.start(serving=name)) for name in hosts}
        async with HttpTransport(resolve=resolve, ca=AUTHORITY.ca_pem) as transport:
            assert (await get(transport, "https://twice.example.com/v2/")).status == 200
            assert (await get(transport, "http://twice.example.com:5000/v2/")).status == 200
            text = await failure(transport, "https://twice.example.com:5000/v2/")
    assert text == "http: server gave HTTP response to HTTPS client"


async def test_listed_hosts_and_one_address_for_the_rest() -> None:
    down = {"down.example.com": Refused()}
    async with serving() as (_, address), HttpTransport(connect=address, resolve=down) as transport:
        assert (await get(transport, "http://other.example.com/v2/")).status == 200
        assert "connection refused" in await failure(transport, "http://down.example.com/v2/")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_the_other_family_is_tried(family: socket.AddressFamily) -> None:
    """Whichever is resolved first: the one that answers is used, and if none does the first one's failure counts."""
    async with AsyncExitStack() as stack:
        closed = stack.enter_context(nobody())
        _, address = await stack.enter_async_context(serving())
        there, not_there = ("127.0.0.1", address.port), ("127.0.0.1", closed)

        async def lookup(host: str, port: int) -> list[SocketAddress]:
            good = SocketAddress(socket.AF_INET, there)
            bad = SocketAddress(family, not_there if family == socket.AF_INET else ("::1", closed, 0, 0))
            return [bad, good] if host == "half.example.com" else [bad, bad]

        async with HttpTransport(lookup=lookup) as transport:
            assert (await get(transport, "http://half.example.com/v2/")).status == 200
            text = await failure(transport, "http://dead.example.com/v2/")
    shown = f"127.0.0.1:{closed}" if family == socket.AF_INET else f"[::1]:{closed}"
    assert text in {
        f"dial tcp {shown}: connect: connection refused",
        f"dial tcp {shown}: connect: cannot assign requested address",  # machines without IPv6
    }


async def test_dialling_takes_only_so_long() -> None:
    async with HttpTransport(dial_timeout=0.05, lookup=_nobody_answers) as transport:
        with pytest.raises(TransportError) as caught:
            await get(transport, "http://slow.example.com/v2/")
    assert str(caught.value).startswith("dial tcp 127.0.0.1:")
    assert str(caught.value).endswith(": i/o timeout")
    assert caught.value.timeout


async def _nobody_answers(host: str, port: int) -> list[SocketAddress]:
    """A listener whose queue is full: the system does not answer further connections to it."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    _KEEP.extend([server, *(socket.socket() for _ in range(4))])
    for client in _KEEP[1:]:
        client.setblocking(False)
        client.connect_ex(server.getsockname())
    return [SocketAddress(socket.AF_INET, server.getsockname())]


_KEEP: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _close_kept() -> object:
    yield
    while _KEEP:
        _KEEP.pop().close()


async def test_temporary_failures_of_the_resolver_may_be_repeated() -> None:
    async def lookup(host: str, port: int) -> list[SocketAddress]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with HttpTransport(lookup=lookup) as transport:
        with pytest.raises(TransportError, match=r"lookup quay\.io: Temporary failure in name resolution") as caught:
            await get(transport, "https://quay.io/v2/")
    assert caught.value.timeout


NOT_PEM = [b"", b"junk", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]


@pytest.mark.parametrize("ca", NOT_PEM)
def test_authorities_have_to_be_certificates(ca: bytes) -> None:
    with pytest.raises(InputError, match="PEM"):
        HttpTransport(ca=ca)


def test_bundles_may_have_comments() -> None:
    HttpTransport(ca="# Főtanúsítvány\n".encode() + AUTHORITY.ca_pem)


async def test_an_intermediate_authority_is_trusted_by_itself(tmp_path: Path) -> None:
    """Go trusts whatever is in its pool of roots."""
    middle = Authority("Middle", parent=Authority("Root"))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.read()

    context = middle.server_context(tmp_path, "quay.io")
    async with (
        listening(answer, context) as port,
        HttpTransport(connect=("127.0.0.1", port), ca=middle.pem) as transport,
    ):
        assert (await get(transport, "https://quay.io/v2/")).body == b"{}"
