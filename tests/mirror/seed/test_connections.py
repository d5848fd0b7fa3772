"""What clients of registries write to sockets, how often they use them again, and how they take what comes."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, cast

import pytest
from support.peers import listening, nobody
from support.seeding import AUTHORITY
from yarl import URL

from mirror.seed.remote import connection as connection_module
from mirror.seed.remote import dialing
from mirror.seed.remote.connection import Connection
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.network import Network
from mirror.seed.remote.proxies import Proxies
from mirror.seed.remote.registry import Access, Registry
from mirror.seed.remote.response import RemoteResponse

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers the requests of each connection in turn with `answers`, then hangs up; knows what came."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for answer in self.answers:
            try:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                return
            writer.write(answer)

    def url(self, path: str = "/", scheme: str = "http") -> URL:
        return URL(f"{scheme}://127.0.0.1:{self.port}{path}", encoded=True)


@asynccontextmanager
async def serving(*answers: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(*answers)
    async with listening(server.serve, context) as server.port:
        yield server


def server_context() -> ssl.SSLContext:
    return AUTHORITY.contexts.for_names("127.0.0.1", "localhost")


async def failure(network: Network, method: str, url: URL, **options: Any) -> RemoteError:
    """Why there is no answer."""
    with pytest.raises(RemoteError) as found:
        response = await network.send(method, url, {}, **options)
        try:
            await response.read(1 << 20)
        finally:
            response.release()
    return found.value


async def body(network: Network, method: str, url: URL, **options: Any) -> bytes:
    response = await network.send(method, url, {}, **options)
    try:
        return await response.read(1 << 20)
    finally:
        response.release()


# What is written


async def test_the_bytes_of_a_request() -> None:
    async with serving(*[EMPTY] * 3) as server, Network() as network:
        for method, path, headers, data in (
            ("GET", "/v2/?n=1&x=%2F#frag", {"Accept": "a/b"}, None),
            ("POST", "/a b/ä\x01X: y", {"user-agent": "me"}, b"a=b"),
            ("PUT", "", {"Content-Length": "0"}, b""),
        ):
            (await network.send(method, server.url(path), headers, body=data)).release()
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    assert server.requests[0] == (
        b"GET /v2/?n=1&x=%2F HTTP/1.1\r\n"
        + host
        + b"User-Agent: ismirror\r\nAccept-Encoding: identity\r\nAccept: a/b\r\n\r\n"
    )
    assert server.requests[1:] == [
        b"POST /a%20b/%C3%A4%01X:%20y HTTP/1.1\r\n"
        + host
        + b"Accept-Encoding: identity\r\nuser-agent: me\r\nContent-Length: 3\r\n\r\n",
        b"a=bPUT / HTTP/1.1\r\n"
        + host
        + b"User-Agent: ismirror\r\nAccept-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    ]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "a\r\nX: y"}),
        ("GET", {"Accept": "a\nX: y"}),
        ("GET", {"Accept": "a\x00"}),
        ("GET", {"X: y\r\nAccept": "a"}),
        ("GET", {"": "a"}),
        ("GET / HTTP/1.1\r\nX:", {}),
    ],
)
async def test_what_would_be_read_as_something_else_is_not_written(method: str, headers: dict[str, str]) -> None:
    async with serving(EMPTY) as server, Network() as network:
        with pytest.raises(RemoteError, match=r"cannot be sent|that can be sent") as found:
            await network.send(method, server.url(), headers)
        assert not found.value.passing
    assert server.connections == 0


@pytest.mark.parametrize(
    "text", ["http://a b/", "http://./", "http://a..b/", f"http://{'a' * 64}/", "ftp://a/", "/v2/"]
)
async def test_what_is_no_url(text: str) -> None:
    async with Network(connect=("127.0.0.1", 9)) as network:
        error = await failure(network, "GET", URL(text, encoded=True))
        assert str(error).endswith(": no URL that can be asked")


async def pieces(*found: bytes) -> AsyncIterator[bytes]:
    for piece in found:
        yield piece


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"Content-Length": "10"}, b"helloworld"),
        ({}, b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"),
    ],
)
async def test_bodies_that_come_in_pieces(headers: dict[str, str], sent: bytes) -> None:
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(2):
            came.append(await reader.readexactly(len(sent)))
            writer.write(EMPTY)
            if not headers:
                return
            await reader.readuntil(b"\r\n\r\n")

    async with listening(serve) as port, Network() as network:
        url = URL(f"http://127.0.0.1:{port}/")
        for _ in range(2 if headers else 1):
            response = await network.send("PUT", url, headers, body=lambda: pieces(b"hello", b"", b"world"))
            assert response.status == 200
            response.release()
    assert came == [sent] * len(came)


@pytest.mark.parametrize(
    ("length", "problem"), [("11", "a body with 1 bytes less than it should have"), ("9", "a body that is longer")]
)
async def test_a_body_of_another_length(length: str, problem: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port, Network() as network:
        with pytest.raises(RemoteError, match=problem):
            await network.send(
                "PUT",
                URL(f"http://127.0.0.1:{port}/"),
                {"Content-Length": length},
                body=lambda: pieces(b"hello", b"world"),
            )


async def test_an_answer_may_come_before_the_body_is_sent() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 16)
        finally:
            ended.set()

    async with serving(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n") as server, Network() as network:
        response = await network.send("PUT", server.url(), {}, body=endless)
        assert response.status == 413
        response.release()
        await ended.wait()


async def test_a_body_that_cannot_be_read() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise LookupError("gone")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port, Network() as network:
        with pytest.raises(LookupError, match="gone"):
            await network.send("PUT", URL(f"http://127.0.0.1:{port}/"), {}, body=broken)


# Connections that are used again


@pytest.mark.parametrize(
    ("answers", "connections"),
    [
        ([HELLO, HELLO], 1),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"], 2),
        ([b"HTTP/1.1 200 OK\r\n\r\nhello"], 2),
        ([HELLO + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG", b""], 2),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] * 2, 1),
    ],
)
async def test_which_connections_are_used_again(answers: list[bytes], connections: int) -> None:
    async with serving(*answers) as server, Network() as network:
        for _ in range(2):
            assert await body(network, "GET", server.url()) == b"hello"
    assert server.connections == connections


async def test_a_body_that_nobody_reads_ends_its_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", b"") as server, Network() as network:
        for _ in range(2):
            (await network.send("GET", server.url(), {})).release()
    assert server.connections == 2


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("HEAD", True), ("PUT", False), ("POST", False)])
async def test_what_a_used_connection_hangs_up_on(method: str, again: bool) -> None:
    numbers = count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if next(numbers) == 0:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(EMPTY)
        await reader.readuntil(b"\r\n\r\n")
        if next(numbers) > 1:
            writer.write(EMPTY)

    async with listening(serve) as port, Network() as network:
        url = URL(f"http://127.0.0.1:{port}/")
        assert await body(network, "GET", url) == b""
        if again:
            assert await body(network, method, url) == b""
        else:
            error = await failure(network, method, url)
            assert (error.hung_up, error.passing) == (True, True)
    assert next(numbers) == (4 if again else 2)


async def test_a_new_connection_that_is_hung_up_on_is_not_tried_again() -> None:
    async with serving(b"") as server, Network() as network:
        error = await failure(network, "GET", server.url("/v2/?secret=1"))
    assert str(error) == f"GET http://127.0.0.1:{server.port}/v2/: hung up without an answer"
    assert (error.hung_up, error.passing, server.connections) == (True, True, 1)


async def test_so_many_at_once() -> None:
    async with serving(*[HELLO] * 4) as server, Network(limit=1) as network:
        first = await network.send("GET", server.url(), {})
        others = [asyncio.create_task(body(network, "GET", server.url())) for _ in range(3)]
        assert await first.read(5) == b"hello"
        assert not any(other.done() for other in others)
        first.release()
        assert await asyncio.gather(*others) == [b"hello"] * 3
    assert server.connections == 1


async def test_who_gives_up_makes_room_for_others() -> None:
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if b"/never" in head:
            await reader.read()
        writer.write(HELLO)

    async with listening(serve) as port, Network(limit=1) as network:
        waiting = asyncio.create_task(network.send("GET", URL(f"http://127.0.0.1:{port}/never"), {}))
        await asked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await body(network, "GET", URL(f"http://127.0.0.1:{port}/")) == b"hello"


async def test_who_gives_up_while_reading_why_not_makes_room_for_others() -> None:
    head = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="https://127.0.0.1/"\r\nContent-Length: 9\r\n\r\n'
    async with serving(head, context=server_context()) as server, Network(ca=AUTHORITY.ca_pem, limit=1) as network:
        registry, reading = Registry(network, f"127.0.0.1:{server.port}"), asyncio.Event()

        async def read(response: RemoteResponse, limit: int) -> bytes:
            reading.set()
            return b"".join([piece async for piece in response.pieces()])[:limit]

        async def ask() -> None:
            async with registry.exchange("GET", "/v2/", Access(frozenset())):
                pass

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(RemoteResponse, "beginning", read)
            asking = asyncio.create_task(ask())
            await reading.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        response = await network.send("GET", server.url(scheme="https"), {})
        assert response.status == 401
        response.release()


# What comes


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "the answer broke off after 5 of 9 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "the answer broke off after 5 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n?",
            "the answer broke: Invalid character in chunk size",
        ),
        (b"SSH-2.0-server\r\n\r\n", "no HTTP answer: Expected HTTP/, RTSP/ or ICE/"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "the head of the answer is longer than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000), "more than 1048576 bytes"),
    ],
    ids=["cut", "cut chunks", "no chunks", "something else", "long head", "long body"],
)
async def test_answers_that_are_none(answer: bytes, problem: str) -> None:
    async with serving(answer) as server, Network() as network:
        error = await failure(network, "GET", server.url())
    assert str(error) == f"GET {server.url()}: {problem}"
    assert error.passing is (not problem.startswith("more than"))


async def test_what_came_before_a_connection_broke_is_given() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello") as server, Network() as network:
        response = await network.send("GET", server.url(), {})
        came = b""
        with pytest.raises(RemoteError, match="broke off"):
            async for piece in response.pieces():
                came += piece
        response.release()
    assert came == b"hello"


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "READ_TIMEOUT", 0.01)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port, Network() as network:
        error = await failure(network, "GET", URL(f"http://127.0.0.1:{port}/"))
    assert str(error) == f"GET http://127.0.0.1:{port}/: nothing came for too long"
    assert error.passing


async def test_a_server_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "READ_TIMEOUT", 0.005)
    monkeypatch.setattr(connection_module, "WRITE_TIMEOUT", 0.01)
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast("asyncio.Transport", writer.transport).pause_reading()
        await asked.wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with listening(serve) as port, Network() as network:
        error = await failure(network, "PUT", URL(f"http://127.0.0.1:{port}/"), body=endless)
        asked.set()
    assert str(error) == f"PUT http://127.0.0.1:{port}/: nothing came for too long"


async def test_a_head_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte of a body buys more time, one of the head does not."""
    monkeypatch.setattr(connection_module, "READ_TIMEOUT", 0.01)
    pipe, connection = Pipe(), Connection(lambda lost: None)
    connection.connection_made(pipe)
    asking = asyncio.create_task(connection.ask("GET", b"GET"))
    while not asking.done():
        await asyncio.sleep(0)
        connection.data_received(b"H")
    with pytest.raises(TimeoutError):
        await asking


async def test_the_answer_of_a_server_that_is_gone() -> None:
    """It said no, and closed the connection with a reset, before the next piece is written."""
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(lambda lost: None), *server.getsockname()
        )
        peer = server.accept()[0]

        async def too_much() -> AsyncIterator[bytes]:
            peer.recv(4)
            peer.sendall(answer)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            poll = select.poll()
            poll.register(connection.transport.get_extra_info("socket").fileno(), 0)  # for the reset
            assert poll.poll(10_000)
            for _ in range(3):
                yield b"hello"

        head = await connection.ask("PUT", b"PUT\r", too_much(), 15)
        assert head.status == 413
        connection.abort()


async def test_a_handshake_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "CONNECT_TIMEOUT", 0.01)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port, Network() as network:
        error = await failure(network, "GET", URL(f"https://127.0.0.1:{port}/"), insecure=True)
    assert str(error) == f"GET https://127.0.0.1:{port}/: nothing came for too long"


async def test_nobody_listens() -> None:
    with nobody() as port:
        async with Network(connect=("127.0.0.1", port)) as network:
            error = await failure(network, "GET", URL("http://quay.io/"))
    assert str(error) == "GET http://quay.io/: connection refused"
    assert error.passing


class Pipe(asyncio.Transport):
    """A transport that can be told to wait."""

    reading = True
    open = True

    def is_closing(self) -> bool:
        return not self.open

    def write(self, data: Any) -> None:
        assert data == b"GET"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.open = False

    def get_write_buffer_size(self) -> int:
        return 0


async def test_a_body_comes_as_fast_as_it_is_taken() -> None:
    pipe, connection = Pipe(), Connection(lambda lost: None)
    connection.connection_made(pipe)
    asking = asyncio.create_task(connection.ask("GET", b"GET"))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
    assert (await asking).status == 200
    states = []
    for _ in range(5):
        connection.data_received(bytes(300_000))
        states.append(pipe.reading)
    assert states == [True, True, True, False, False]
    assert len(await connection.piece()) == 1_500_000
    assert pipe.reading
    connection.data_received(bytes(1_500_000))
    assert not pipe.reading
    assert len(await connection.piece()) == 1_500_000
    assert await connection.piece() == b""
    assert connection.finish()
    assert pipe.open


async def test_bytes_that_nobody_asked_for_end_a_connection() -> None:
    pipe, connection = Pipe(), Connection(lambda lost: None)
    connection.connection_made(pipe)
    connection.data_received(b"HTTP/1.1 200 OK\r\n")
    assert not pipe.open


# Proxies


async def test_a_proxy_passes_clear_text_on() -> None:
    async with serving(HELLO) as server:
        proxies = Proxies({"HTTP_PROXY": f"http://me:p%40ss@127.0.0.1:{server.port}"})
        async with Network(proxies=proxies) as network:
            assert await body(network, "GET", URL("http://quay.io:8080/v2/?n=1")) == b"hello"
    [request] = server.requests
    assert request.startswith(b"GET http://quay.io:8080/v2/?n=1 HTTP/1.1\r\nHost: quay.io:8080\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n" in request


@pytest.mark.parametrize(
    ("answer", "problem", "passing"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407 Proxy Auth", False),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503 Busy", True),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "does not lead on", True),
        (b"HTTP/1.1 502 \x1b[2J\xff\r\nContent-Length: 0\r\n\r\n", "answers 502 ?[2J?", True),
        (b"", "hung up without an answer", True),
    ],
)
async def test_a_proxy_that_does_not_lead_on(answer: bytes, problem: str, passing: bool) -> None:
    async with serving(answer) as server:
        proxies = Proxies({"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{server.port}"})
        async with Network(proxies=proxies) as network:
            error = await failure(network, "GET", URL("https://quay.io/v2/"))
    assert problem in str(error)
    assert "secret" not in str(error)
    assert error.passing is passing
    [request] = server.requests
    assert request.startswith(b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in request


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_tunnel(scheme: str) -> None:
    """The proxy does what all do: it passes on whatever comes."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"CONNECT 127.0.0.2:")
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.0 200 Connection established\r\n\r\n")
        onward = asyncio.create_task(passed(reader, back))
        tasks.add(onward)
        try:
            await passed(there, writer)
        finally:
            onward.cancel()
            back.transport.abort()

    async def passed(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)

    inner = AUTHORITY.contexts.for_names("127.0.0.2")
    outer = server_context() if scheme == "https" else None
    async with serving(HELLO, HELLO, context=inner) as server, listening(serve, outer) as port:
        # loopback addresses have no proxies
        proxies = Proxies({})
        proxies.proxy = lambda url: URL(f"{scheme}://127.0.0.1:{port}")  # type: ignore[method-assign]
        async with Network(ca=AUTHORITY.ca_pem, proxies=proxies) as network:
            for _ in range(2):
                assert await body(network, "GET", URL(f"https://127.0.0.2:{server.port}/")) == b"hello"
        await asyncio.gather(*tasks, return_exceptions=True)
    assert server.connections == 1


# The end


def leading_to(port: int) -> list[socket.socket]:
    """The open sockets of this process that are connected to a port."""
    found = []
    for one in gc.get_objects():
        if isinstance(one, socket.socket) and one.fileno() >= 0:
            with suppress(OSError):  # those that listen
                found += [one] if one.getpeername() == ("127.0.0.1", port) else []
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nothing_is_left_open(scheme: str) -> None:
    answers = [HELLO, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]
    context = server_context() if scheme == "https" else None
    async with serving(*answers, context=context) as server:
        async with Network(ca=AUTHORITY.ca_pem) as network:
            url = server.url(scheme=scheme)
            responses = [await network.send("GET", url, {}) for _ in range(3)]
            for response in responses[:2]:
                await response.read(5)
                response.release()
            half = await network.send("GET", url, {})
            assert await half.piece() == b"hello"
            assert len(leading_to(server.port)) == 3
        assert leading_to(server.port) == []
        assert await responses[2].piece() == b"hello"
        with pytest.raises(RemoteError, match="broke off"):
            await half.piece()
