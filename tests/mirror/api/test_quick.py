"""The short way for simple requests: its answers are those of the long way, byte for byte, and it ends properly."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from support.api import GROUP, new_cluster
from support.raw import connected

from mirror.api.app import ApiCore
from mirror.api.decoding import MAX_BODY
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.quick import OpenConnections, QuickConnection, Successor, simple_head
from mirror.api.server import ApiServer

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
LONG_WAY = b"TE: trailers\r\n"  # nothing that an answer depends on, and nothing that is simple


def request(method: str, path: str, body: bytes = b"", more: bytes = b"") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: api.example.com\r\n".encode() + more
    if body:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


def stream(name: str) -> bytes:
    return json.dumps({"metadata": {"name": name}}).encode()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/version", b""),
        ("GET", "/healthz?verbose", b""),
        ("HEAD", "/healthz", b""),
        ("GET", f"{STREAMS}/a", b""),
        ("GET", f"{STREAMS}?limit=1", b""),
        ("GET", f"{STREAMS}/%61", b""),
        ("GET", f"{STREAMS}/missing", b""),
        ("GET", "/nowhere", b""),
        ("PUT", "/version", b"{}"),
        ("POST", STREAMS, stream("a")),
        ("POST", STREAMS, b"{"),
        ("DELETE", f"{STREAMS}/missing", b""),
        ("PATCH", f"{STREAMS}/a", b"{}"),
        ("GET", f"{GROUP}/imagestreams?watch=1&resourceVersion=1", b""),
    ],
)
async def test_both_ways_answer_alike(method: str, path: str, body: bytes) -> None:
    api = ApiCore(new_cluster())
    await api.handle(ApiRequest("POST", STREAMS, body=stream("a")))
    answers = []
    async with ApiServer(api) as server:
        address = await server.start()
        for more in (b"", LONG_WAY):
            async with connected(address) as wire:
                await wire.send(request(method, path, body, more))
                head = await wire.head()
                length = next((line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), b"0")
                content = b"" if method == "HEAD" else await wire.body(int(length.rpartition(b" ")[2]))
                answers.append((head, content))
    assert answers[0] == answers[1]
    assert b"Connection" not in answers[0][0]


@pytest.mark.parametrize(
    "field",
    [
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: Upgrade",
        b"Host: other",
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: +1",
        b"Content-Length: 1_0",
        b"Content-Length: \xb2",
        b"Content-Length: %d" % (MAX_BODY + 1),
        b"A : b",
        b"A: b\r\n c",
        b"A: \x00",
        b"A: \xff",
        b"A",
        b": b",
    ],
)
def test_what_is_not_simple_goes_the_long_way(field: bytes) -> None:
    line = b"GET /version HTTP/1.1\r\nHost: x"
    assert simple_head(line) is not None
    assert simple_head(line + b"\r\n" + field) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /version HTTP/1.0\r\nHost: x",
        b"GET http://x/version HTTP/1.1\r\nHost: x",
        b"GET /a b HTTP/1.1\r\nHost: x",
        b"OPTIONS / HTTP/1.1\r\nHost: x",
        b"get / HTTP/1.1\r\nHost: x",
        b"GET /version HTTP/1.1",
    ],
)
def test_request_lines_that_are_not_simple(line: bytes) -> None:
    assert simple_head(line) is None


async def test_requests_come_in_pieces_and_several_at_once() -> None:
    sent = request("POST", STREAMS, stream("a")) + request("GET", f"{STREAMS}/a") + request("POST", STREAMS, b"{}")
    sent += request("GET", "/version", more=LONG_WAY) + request("GET", f"{STREAMS}/b")
    for size in (len(sent), 97, 11):
        server, statuses = ApiServer(ApiCore(new_cluster())), []
        async with server, connected(await server.start()) as wire:
            for start in range(0, len(sent), size):
                await wire.send(sent[start : start + size])
            for _ in range(5):
                head = await wire.head()
                statuses.append(int(head[9:12]))
                await wire.body(int(head.rpartition(b"Content-Length: ")[2]))
        assert statuses == [201, 200, 422, 200, 404]


class Waiting(ApiCore):
    """Answers when it is told to."""

    def __init__(self, answer: ApiResponse) -> None:
        super().__init__(new_cluster())
        self.asked, self.go_on, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._answer = answer

    async def handle(self, request: ApiRequest) -> ApiResponse:
        self.asked.set()
        try:
            await self.go_on.wait()
        finally:
            self.ended.set()
        return self._answer


async def test_the_end_of_the_server_waits_for_an_answer_under_way() -> None:
    api = Waiting(ApiResponse(200, [], b"answer"))
    async with ApiServer(api) as server, connected(await server.start()) as wire:
        await wire.send(request("GET", "/") + request("GET", "/"))
        await api.asked.wait()
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        assert not closing.done()
        api.go_on.set()
        assert (await wire.head()).endswith(b"Connection: close")
        assert await wire.rest() == b"answer", "and nothing to the second request"
        await closing


async def test_the_end_of_the_server_waits_no_longer_than_it_may() -> None:
    api = Waiting(ApiResponse(200, [], b"answer"))
    async with ApiServer(api, grace=0.01) as server, connected(await server.start()) as wire:
        await wire.send(request("GET", "/"))
        await api.asked.wait()
        await server.close()
        assert await wire.rest() == b""
        await api.ended.wait()


class Socket(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def quick(api: ApiCore, open_ones: OpenConnections) -> QuickConnection:
    def unexpected() -> Successor:
        raise AssertionError("all requests are simple")

    return QuickConnection(api.handle, unexpected, open_ones, certificates=False, greeting=60, idle=60)


async def test_a_client_that_does_not_wait_for_its_answer() -> None:
    read = []

    async def pieces() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"piece"

    for answer in (ApiResponse(200, [], b"answer"), ApiResponse(200, [], stream=pieces())):
        api, socket = Waiting(answer), Socket()
        connection = quick(api, OpenConnections())
        connection.connection_made(socket)
        connection.data_received(request("GET", "/"))
        await api.asked.wait()
        connection.connection_lost(None)
        api.go_on.set()
        await api.ended.wait()
        await connection.finish()
        assert socket.written == []
    assert not read


async def test_a_full_socket_holds_the_next_request_back() -> None:
    api, socket = Waiting(ApiResponse(200, [], b"answer")), Socket()
    api.go_on.set()
    connection = quick(api, OpenConnections())
    connection.connection_made(socket)
    connection.pause_writing()
    connection.data_received(request("GET", "/"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not api.asked.is_set()
    connection.resume_writing()
    await api.ended.wait()
    await connection.finish()
    assert len(socket.written) == 1
    assert socket.closed
    connection.connection_lost(None)


async def test_what_is_connected_after_the_end_is_cut() -> None:
    open_ones, socket = OpenConnections(), Socket()
    open_ones.closed = True
    connection = quick(ApiCore(new_cluster()), open_ones)
    connection.connection_made(socket)
    assert socket.closed
    connection.connection_lost(None)


async def test_clients_that_read_nothing_are_asked_for_nothing_more() -> None:
    large = 4 * 1024 * 1024
    api = Waiting(ApiResponse(200, [], b"x" * large))
    api.go_on.set()
    async with ApiServer(api) as server, connected(await server.start()) as wire:
        await wire.send(3 * request("GET", "/"))
        for _ in range(3):
            assert (await wire.head()).endswith(b"Content-Length: %d" % large)
            await wire.body(large)


@pytest.mark.parametrize(
    ("sent", "greeting", "answer"),
    [
        (b"", 0.01, b""),
        (b"GET / HT", 0.01, b""),
        (request("GET", "/version"), 60, b"HTTP/1.1 200"),
        (request("POST", STREAMS, b"{}")[:-1], 60, b""),
    ],
)
async def test_connections_that_bring_nothing_more_are_closed(
    sent: bytes, greeting: float, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.api.quick.BODY_SECONDS", 0.01)
    server = ApiServer(ApiCore(new_cluster()), greeting=greeting, idle=0.01)
    async with server, connected(await server.start()) as wire:
        with contextlib.suppress(ConnectionError):  # it may be closed by then
            await wire.send(sent)
        found = await wire.rest()
    assert found.startswith(answer)
    assert bool(found) == bool(answer)
