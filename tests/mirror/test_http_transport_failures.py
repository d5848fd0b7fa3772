"""Every failure that the importer's texts tell apart, made by real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvloop
from support.certificates import Authority
from support.peers import Peer, listening, nobody
from support.vectors import load

from mirror.clock import ManualClock
from mirror.importer.http_transport import HttpTransport
from mirror.importer.transport import Answer, TransportError

NOW = datetime(2026, 11, 23, 7, 28, 10, tzinfo=UTC)
TEXTS = {row["case"]: row["errorTemplate"] for row in load("network_errors")}

# Made by the layer above the transport, which has tests of its own.
ABOVE = {"TLS server, http client", "redirect loop on ping", "302 without Location on ping"}
ELSEWHERE = {"custom status line on ping", "server requires a client certificate"}


async def unknown_name(host: str, port: int) -> NoReturn:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    while not reader.at_eof():
        await reader.read()


def says(data: bytes, *, then: Peer = hang_up) -> Peer:
    """A peer that reads something, says `data`, and then does something else."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(data)
        await writer.drain()
        if then is not hang_up:
            await then(reader, writer)

    return peer


async def outcome(transport: HttpTransport, url: str, *, insecure: bool = False, timeout: float | None = None) -> Any:
    """The answer to a GET, or the failure, of its body too."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    async with transport:
        try:
            answer = await transport.send(
                "GET", scheme, host, slash + path, [("user-agent", "t")], insecure=insecure, timeout=timeout
            )
            return answer.broken or answer
        except TransportError as error:
            return error


async def failure_of(
    url: str,
    peer: Peer = hang_up,
    context: ssl.SSLContext | None = None,
    *,
    ca: bytes | None = None,
    insecure: bool = False,
    timeout: float | None = None,
    **options: Any,
) -> str:
    """The text of the failure, with the port replaced by PORT."""
    async with listening(peer, context) as port:
        options.setdefault("clock", ManualClock(NOW))
        transport = HttpTransport(ca=Authority().pem if ca is None else ca, **options)
        url = url.replace("PORT", str(port))
        found = await outcome(transport, url, insecure=insecure, timeout=timeout)
        assert isinstance(found, TransportError), found
        return f'Get "{url}": {found}'.replace(str(port), "PORT")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine on one of the loops that the product runs on."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def runner(work: Any) -> Any:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(work)

    return runner


AUTHORITY = Authority("Trusted CA")
YEAR_2020 = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
YEAR_2090 = datetime(2090, 1, 1, tzinfo=UTC)


async def row(case: str, tmp_path: Path) -> str:  # noqa: C901, PLR0912 - a table, one line a row
    """What happens in one of the recorded cases."""
    https, by_name, http = "https://127.0.0.1:PORT/v2/", "https://localhost:PORT/v2/", "http://127.0.0.1:PORT/v2/"
    trusted = {"ca": AUTHORITY.pem}

    def tls(*names: str, **kinds: Any) -> ssl.SSLContext:
        return AUTHORITY.server_context(tmp_path, *names, **kinds)

    match case:
        case "connection refused":
            with nobody() as port:
                found = await outcome(HttpTransport(ca=AUTHORITY.pem), f"https://127.0.0.1:{port}/v2/")
            return f'Get "{https}": {found}'.replace(str(port), "PORT")
        case "plain HTTP server, https client":
            return await failure_of(https, says(b"HTTP/1.0 400 Bad Request\r\n\r\n"))
        case "self-signed / unknown CA":
            return await failure_of(https, context=tls("127.0.0.1"))
        case "expired certificate":
            return await failure_of(https, context=tls("127.0.0.1", not_after=YEAR_2020))
        case "not yet valid certificate":
            return await failure_of(https, context=tls("127.0.0.1", not_before=YEAR_2090), **trusted)
        case "wrong host name (two SANs)":
            return await failure_of(by_name, context=tls("a.example.com", "b.example.com"), **trusted)
        case "wrong host, IP target without IP SANs":
            return await failure_of(https, context=tls("a.example.com"), **trusted)
        case "wrong IP SAN":
            return await failure_of(https, context=tls("10.0.0.1"), **trusted)
        case "certificate with CommonName only":
            return await failure_of(by_name, context=tls(common_name="localhost"), **trusted)
        case "peer closes during TLS handshake":
            return await failure_of(https, says(b""))
        case "peer closes before HTTP response":
            return await failure_of(http, says(b""))
        case "non-TLS garbage on https":
            return await failure_of(https, says(b"garbage in, garbage out\r\n"))
        case "garbage on http":
            return await failure_of(http, says(b"what that is\r\n\r\n"))
        case "TLS handshake timeout (transport limit 10s in production; 200ms here)":
            return await failure_of(https, wait, handshake_timeout=0.1)
        case "no response within the 15 s ping limit":
            return await failure_of(http, wait, timeout=0.1)
        case "dns failure":
            transport = HttpTransport(ca=AUTHORITY.pem, lookup=unknown_name)
            found = await outcome(transport, "https://no-such-host.invalid/v2/")
            return f'Get "https://no-such-host.invalid/v2/": {found}'.replace(": no", " on 10.255.255.53:53: no")
        case "invalid port":
            found = await outcome(HttpTransport(ca=AUTHORITY.pem), "https://127.0.0.1:99999/v2/")
            return f'Get "{https}": {found}'
    raise AssertionError(case)


@pytest.mark.parametrize("case", sorted(TEXTS.keys() - ABOVE - ELSEWHERE))
def test_recorded_texts(case: str, run: Callable[[Any], Any], tmp_path: Path) -> None:
    assert run(row(case, tmp_path)) == TEXTS[case]


@pytest.mark.parametrize("text", ["599 Custom Reason", "599 ", "599"])
def test_statuses_are_echoed(text: str, run: Callable[[Any], Any]) -> None:
    async def exchange() -> Answer:
        async with listening(says(f"HTTP/1.1 {text}\r\nContent-Length: 0\r\n\r\n".encode())) as port:
            found: Answer = await outcome(HttpTransport(ca=AUTHORITY.pem), f"http://127.0.0.1:{port}/v2/")
            return found

    answer = run(exchange())
    assert (answer.status, answer.status_text) == (599, text)


HTTP_ROWS = [
    (b"garbage", 'malformed HTTP response "garbage"'),
    (b"HTTP/1.1\r\n\r\n", 'malformed HTTP response "HTTP/1.1"'),
    (b"HTTP/1.1 2000 Fine\r\n\r\n", 'malformed HTTP status code "2000"'),
    (b"HTTX/1.1 200 OK\r\n\r\n", 'malformed HTTP version "HTTX/1.1"'),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 'malformed MIME header: missing colon: "no colon"'),
    (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", 'bad Content-Length "many"'),
    (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", 'invalid empty Content-Length ""'),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", 'bad Content-Length "9223372036854775808"'),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 'unsupported transfer encoding: "gzip"'),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        'too many transfer encodings: ["chunked" "chunked"]',
    ),
    (b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "malformed MIME header initial line:  folded"),
    (b"HTTP/1.1 200 OK\r\n: x\r\n y\r\n\r\n", "malformed MIME header line: : x y"),
    (b"HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n", "malformed MIME header line: X: \x7f"),
    (
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        'bad Content-Length "x"',
    ),
    (b"HTTP/1.1 200 OK\r\nConten", 'malformed MIME header: missing colon: "Conten"'),
    (b"HTTP/1.1 200 OK\r\nServer: x", "unexpected EOF"),
    (b"HTTP/1.1 200 OK\r\n", "unexpected EOF"),
    (b"\x16\x03\x01", 'malformed HTTP response "\\x16\\x03\\x01"'),
]


@pytest.mark.parametrize(("data", "text"), HTTP_ROWS, ids=[text for _, text in HTTP_ROWS])
def test_malformed_answers(data: bytes, text: str, run: Callable[[Any], Any]) -> None:
    found = run(failure_of("http://127.0.0.1:PORT/", says(data)))
    assert found == f'Get "http://127.0.0.1:PORT/": net/http: HTTP/1.x transport connection broken: {text}'


TLS_ROWS = [
    (b"\x15\x03\x03\x00\x02\x02\x28", "remote error: tls: handshake failure"),
    (b"\x15\x03\x03\x00\x02\x02\x70", "remote error: tls: unrecognized name"),
    (b"\x15\x03\x03\x00\x02\x02\x46", "remote error: tls: protocol version not supported"),
    (b"\x15\x03\x03\x00\x02\x02\x50", "remote error: tls: internal error"),
    (b"\x15\x03\x03\x00\x02\x02\x74", "remote error: tls: certificate required"),
    (b"\x15\x03\x03\x00\x02\x02\xc8", "remote error: tls: alert(200)"),
    (b"\x16\x03\x03\xff\xff" + b"x" * 64, "tls: oversized record received with length 65535"),
    (b"\x80\x2e\x01\x00\x02" + b"x" * 64, "tls: unsupported SSLv2 handshake received"),
    (b"\x17\x03\x03\x00\x05hello", "tls: first record does not look like a TLS handshake"),
    (
        b"\x16\x03\x02\x00\x2e\x02\x00\x00\x2a\x03\x02" + bytes(32) + b"\x00\xc0\x09\x00\x00\x02\xff\xff",
        "tls: server selected unsupported protocol version 302",
    ),
]


@pytest.mark.parametrize(("data", "text"), TLS_ROWS, ids=[text for _, text in TLS_ROWS])
@pytest.mark.parametrize("insecure", [False, True])
def test_what_is_no_good_tls(data: bytes, text: str, insecure: bool, run: Callable[[Any], Any]) -> None:
    assert run(failure_of("https://127.0.0.1:PORT/", says(data), insecure=insecure)).endswith(f'/": {text}')


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_resets_name_both_ends(scheme: str, run: Callable[[Any], Any]) -> None:
    found = run(failure_of(f"{scheme}://127.0.0.1:PORT/", reset))
    expected = r'.*": read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:PORT: read: connection reset by peer'
    assert re.fullmatch(expected, found)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_resets_with_fixed_addresses(scheme: str, run: Callable[[Any], Any]) -> None:
    found = run(failure_of(f"{scheme}://127.0.0.1:PORT/", reset, addresses="fixed"))
    assert found.endswith(": read tcp 192.0.2.1:40000->192.0.2.10:PORT: read: connection reset by peer")


@contextlib.asynccontextmanager
async def strict_tls(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server in a thread: asyncio's keep the alert of a failed handshake to themselves."""

    def serve_one(server: socket.socket) -> None:
        client, _ = server.accept()
        with context.wrap_socket(client, server_side=True, do_handshake_on_connect=False) as tls:
            with contextlib.suppress(ssl.SSLError):
                tls.do_handshake()
            # What the client had sent has to be read: closing over it would be a reset.
            tls.shutdown(socket.SHUT_WR)
            while tls.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = asyncio.create_task(asyncio.to_thread(serve_one, server))
        yield server.getsockname()[1]
        await serving


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (ssl.TLSVersion.TLSv1_2, "remote error: tls: handshake failure"),
        (ssl.TLSVersion.TLSv1_3, "remote error: tls: certificate required"),
    ],
)
def test_client_certificates_are_demanded(
    version: ssl.TLSVersion, text: str, run: Callable[[Any], Any], tmp_path: Path
) -> None:
    context = AUTHORITY.server_context(tmp_path, "127.0.0.1")
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED

    async def exchange() -> str:
        async with strict_tls(context) as port:
            return str(await outcome(HttpTransport(ca=AUTHORITY.pem), f"https://127.0.0.1:{port}/v2/"))

    assert run(exchange()) == text
    assert TEXTS["server requires a client certificate"].endswith(": remote error: tls: certificate required")


def test_authorities_that_may_not_sign_are_named(run: Callable[[Any], Any], tmp_path: Path) -> None:
    """They are trusted as far as they are in the file, whether OpenSSL counts them in or not."""
    powerless = Authority("No CA", ca=False)
    context = powerless.server_context(tmp_path, "127.0.0.1")

    async def exchange() -> str:
        async with listening(says(b""), context) as port:
            return str(await outcome(HttpTransport(ca=powerless.pem), f"https://127.0.0.1:{port}/v2/"))

    assert run(exchange()) == (
        "tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "
        '"x509: invalid signature: parent certificate cannot sign this kind of certificate" while trying to verify '
        'candidate authority certificate "No CA")'
    )


BODY_ROWS = [
    (b"Content-Length: 10\r\n\r\nshort", "unexpected EOF"),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "unexpected EOF"),
    (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello", "invalid byte in chunk length"),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", "malformed chunked encoding"),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "http: unexpected EOF reading trailer"),
]


@pytest.mark.parametrize(("rest", "text"), BODY_ROWS)
@pytest.mark.parametrize("at_once", [True, False])
def test_bodies_cut_short(rest: bytes, text: str, at_once: bool, run: Callable[[Any], Any]) -> None:
    headers, _, body = rest.partition(b"\r\n\r\n")

    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(50):  # the client runs on this loop: by then it has read what was said before
            await asyncio.sleep(0)
        writer.write(body)
        await writer.drain()

    async def exchange() -> Any:
        head = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n"
        async with listening(says(head + body) if at_once else says(head, then=later)) as port:
            return await outcome(HttpTransport(ca=AUTHORITY.pem), f"http://127.0.0.1:{port}/v2/")

    found = run(exchange())
    assert isinstance(found, TransportError)
    assert (str(found), found.in_body, found.hung_up) == (text, True, False)


def test_timeout_while_reading_the_body(run: Callable[[Any], Any]) -> None:
    async def exchange() -> Any:
        async with listening(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", then=wait)) as port:
            return await outcome(HttpTransport(ca=AUTHORITY.pem), f"http://127.0.0.1:{port}/", timeout=1)

    found = run(exchange())
    assert str(found) == "net/http: request canceled (Client.Timeout or context cancellation while reading body)"
    assert found.timeout
    assert found.in_body


@pytest.mark.parametrize(
    ("peer", "kinds"),
    [
        (says(b""), (False, True)),
        (reset, (False, True)),
        (says(b"HTTP/1.1 200"), (False, False)),
    ],
)
def test_what_may_be_repeated(peer: Peer, kinds: tuple[bool, bool], run: Callable[[Any], Any]) -> None:
    async def exchange() -> Any:
        async with listening(peer) as port:
            return await outcome(HttpTransport(ca=AUTHORITY.pem), f"http://127.0.0.1:{port}/")

    found = run(exchange())
    assert (found.timeout, found.hung_up) == kinds
