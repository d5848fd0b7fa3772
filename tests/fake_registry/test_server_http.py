"""What goes over the wire: requests in, answers out, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.cores import Answering, TinyCore
from support.raw import Wire, connected

from fake_registry.core.messages import FileBody, PartsBody, Request, Response
from fake_registry.server import RegistryServer

GET = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n\r\n"
OK = Response(200, [("Content-Type", "application/json"), ("Docker-Distribution-Api-Version", "registry/2.0")], b"{}")


@asynccontextmanager
async def wire(answer: Answering | Response = OK) -> AsyncIterator[tuple[Wire, TinyCore]]:
    """A connection to a server with a core that gives this answer."""
    core = TinyCore((lambda _: answer) if isinstance(answer, Response) else answer)
    async with RegistryServer(core) as server, connected(await server.start()) as connection:
        yield connection, core


async def test_an_answer() -> None:
    async with wire() as (client, core):
        for _ in range(2):  # on one connection
            await client.send(GET)
            assert await client.head() == (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Docker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 2"
            )
            assert await client.body(2) == b"{}"
    assert len(core.requests) == 2


async def test_requests_one_behind_the_other() -> None:
    async with wire(lambda asked: Response(200, [], asked.path.encode())) as (client, _):
        await client.send(GET + GET.replace(b"/v2/", b"/2/2"))
        bodies = [(await client.head(), await client.body(4))[1] for _ in range(2)]
    assert bodies == [b"/v2/", b"/2/2"]


async def test_the_request_as_the_core_sees_it() -> None:
    async with wire() as (client, core):
        await client.send(
            b"GET /v2/a%2Fb//tags/list?n=1&last=%41? HTTP/1.1\r\nHOST: Quay.io:443\r\n"
            b"Accept: a/b\r\nX-Odd: caf\xc3\xa9 \xff\r\naccept: c/d\r\n\r\n"
        )
        await client.head()
    (asked,) = core.requests
    assert (asked.method, asked.path, asked.query) == ("GET", "/v2/a%2Fb//tags/list", "n=1&last=%41?")
    assert (asked.host, asked.sni, asked.secure, asked.body) == ("Quay.io:443", None, False, None)
    assert asked.headers == {"host": "Quay.io:443", "accept": "a/b, c/d", "x-odd": "café \udcff"}


async def test_whole_urls_as_targets() -> None:
    async with wire() as (client, core):
        await client.send(b"GET http://registry.example.com/v2/?a=b HTTP/1.1\r\nHost: other\r\n\r\n")
        await client.head()
    assert (core.requests[0].host, core.requests[0].target) == ("registry.example.com", "/v2/?a=b")


HEADS = [
    (Response(200, [], b"{}"), b"HTTP/1.1 200 OK\r\nContent-Length: 2"),
    (Response(404, [("B", "1"), ("A", "2")]), b"HTTP/1.1 404 Not Found\r\nB: 1\r\nA: 2\r\nContent-Length: 0"),
    (Response(418), b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0"),
    (Response(299), b"HTTP/1.1 299 status code 299\r\nContent-Length: 0"),
    (Response(204, [("A", "1")], b"x"), b"HTTP/1.1 204 No Content\r\nA: 1"),
    (Response(304, [], b"x"), b"HTTP/1.1 304 Not Modified"),
    (Response(200, [("A", "one\r\nB: two")]), b"HTTP/1.1 200 OK\r\nA: one  B: two\r\nContent-Length: 0"),
    (Response(200, [("A b", "x"), ("A\r\nC", "x"), ("", "x")]), b"HTTP/1.1 200 OK\r\nContent-Length: 0"),
    (Response(200, [("A", "café")]), "HTTP/1.1 200 OK\r\nA: café\r\nContent-Length: 0".encode()),
    (Response(200, [("Transfer-Encoding", "chunked")], b"x"), b"HTTP/1.1 200 OK\r\nContent-Length: 1"),
    (Response(200, [("Content-Length", "junk")], b"x"), b"HTTP/1.1 200 OK\r\nContent-Length: 1"),
    (Response(200, [("Connection", "close")]), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close"),
    (Response(200, [("Date", "now")]), b"HTTP/1.1 200 OK\r\nContent-Length: 0"),
]


@pytest.mark.parametrize(("response", "head"), HEADS)
async def test_heads(response: Response, head: bytes) -> None:
    async with wire(response) as (client, _):
        await client.send(GET)
        assert await client.head() == head


async def test_head_has_no_body(tmp_path: Path) -> None:
    answers = {
        "/a": Response(200, [], b"abc"),
        "/b": Response(200, [("Content-Length", "104857600")]),
        "/c": Response(200, [], FileBody(tmp_path / "absent", 0, 7)),
        "/d": OK,
    }
    async with wire(lambda asked: answers[asked.path]) as (client, _):
        lengths = []
        for path in answers:
            await client.send(f"HEAD {path} HTTP/1.1\r\nHost: quay.io\r\n\r\n".encode())
            lengths.append((await client.head()).rpartition(b" ")[2])
    assert lengths == [b"3", b"104857600", b"7", b"2"]


async def test_a_content_length_that_lies() -> None:
    """Less than there is: the rest is left out. More: the connection ends before it is all there."""
    answers = {
        "/short": Response(200, [("Content-Length", "5")], b"hello world"),
        "/long": Response(200, [("Content-Length", "99")], b"hello"),
    }
    async with wire(lambda asked: answers[asked.path]) as (client, _):
        await client.send(b"GET /short HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 200 OK\r\nContent-Length: 5"
        assert await client.body(5) == b"hello"
        await client.send(b"GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close"
        assert await client.rest() == b"hello"


async def test_http_1_0() -> None:
    async with wire() as (client, _):
        await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.0 200 OK\r\n")
        await client.body(2)
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert b"Connection" not in await client.head()
        assert await client.rest() == b"{}"


async def test_dropped_connections() -> None:
    async with wire(Response(0, drop=True)) as (client, _):
        await client.send(GET)
        assert await client.rest() == b""


BAD = [
    (b"GARBAGE that\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\r\n\r\n400 Bad Request"),
    (b"\x80\x2e\x01\x00\x02xxxx\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\r\n\r\n400 Bad Request"),
    (b"GET / HTTP/1.1\r\nA: b\r\nA b: c\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\r\n\r\n400 Bad Request"),
    (
        b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
        b"\r\n\r\n431 Request Header Fields Too Large",
    ),
]


@pytest.mark.parametrize(("sent", "start", "end"), BAD)
async def test_what_is_no_http(sent: bytes, start: bytes, end: bytes) -> None:
    async with wire() as (client, core):
        await client.send(sent)
        answer = await client.rest()
    assert answer.startswith(start)
    assert answer.endswith(end)
    assert b"\r\nConnection: close\r\n" in answer
    assert not core.requests


async def test_a_host_is_required() -> None:
    async with wire() as (client, core):
        await client.send(b"GET / HTTP/1.1\r\nA: b\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 Bad Request")
    assert not core.requests


async def test_failures_of_the_core_stay_inside(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request) -> Response:
        raise RuntimeError("secret detail")

    async with wire(fail) as (client, _):
        await client.send(GET)
        assert await client.head() == (
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 57"
        )
        assert await client.body(57) == b'{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}'
        await client.send(GET)  # and the connection goes on
        await client.head()
    assert "GET /v2/" in caplog.text
    assert "secret detail" in caplog.text


async def reading(asked: Request) -> Response:
    """Answers with how much there was in the body."""
    assert asked.body is not None
    length = 0
    async for piece in asked.body:
        length += len(piece)
    return Response(201, [("Length", str(length))])


async def test_bodies_are_read_in_pieces() -> None:
    async with wire(reading) as (client, _):
        await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))
        assert b"Length: 3000000\r\n" in await client.head()
        await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert b"Length: 5\r\n" in await client.head()


async def test_compressed_bodies_are_not_touched() -> None:
    async with wire(reading) as (client, _):
        await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
        assert b"Length: 4\r\n" in await client.head()


async def test_clients_that_ask_first() -> None:
    async with wire(reading) as (client, _):
        await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert b"Length: 2\r\n" in await client.head()


async def test_clients_that_ask_in_vain() -> None:
    async with wire(Response(401)) as (client, _):
        await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close"


async def test_clients_that_leave_in_the_middle(caplog: pytest.LogCaptureFixture) -> None:
    asked_for, left = asyncio.Event(), asyncio.Event()

    async def answer(asked: Request) -> Response:
        asked_for.set()
        try:
            return await reading(asked)
        finally:
            left.set()

    core = TinyCore(answer)
    async with RegistryServer(core) as server:
        address = await server.start()
        async with connected(address) as client:
            await client.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
            await asked_for.wait()
        await left.wait()
    assert not caplog.records


@pytest.mark.parametrize("length", [0, 1, 1000, 65536, 65537, 5_000_000])
async def test_files(tmp_path: Path, length: int) -> None:
    content = bytes(range(251)) * (length // 251 + 2)
    path = tmp_path / "blob"
    path.write_bytes(content)
    async with wire(Response(200, [], FileBody(path, 7, length))) as (client, _):
        for _ in range(2):
            await client.send(GET)
            assert (await client.head()).endswith(f"Content-Length: {length}".encode())
            assert await client.body(length) == content[7 : 7 + length]


async def test_parts_of_files(tmp_path: Path) -> None:
    content = bytes(range(251)) * 20_000
    path = tmp_path / "blob"
    path.write_bytes(content)
    parts = PartsBody((b"first", FileBody(path, 7, 3_000_000), b"", FileBody(path, 100, 1), b"last"))
    expected = b"first" + content[7:3_000_007] + content[100:101] + b"last"
    async with wire(Response(206, [], parts)) as (client, _):
        for _ in range(2):
            await client.send(GET)
            assert (await client.head()).endswith(f"Content-Length: {len(expected)}".encode())
            assert await client.body(len(expected)) == expected


@pytest.mark.parametrize("gone", ["absent", "shorter"])
async def test_parts_of_files_that_are_not_what_they_were(tmp_path: Path, gone: str) -> None:
    (tmp_path / "shorter").write_bytes(b"four")
    async with wire(Response(206, [], PartsBody((b"head", FileBody(tmp_path / gone, 0, 70_000))))) as (client, _):
        await client.send(GET)
        await client.head()
        assert await client.rest() in {b"head", b"headfour"}


async def test_files_that_are_gone(tmp_path: Path) -> None:
    for length in (10, 1_000_000):
        async with wire(Response(200, [], FileBody(tmp_path / "absent", 0, length))) as (client, _):
            await client.send(GET)
            assert (await client.head()).startswith(b"HTTP/1.1 500 ")


async def test_files_that_are_shorter_than_announced(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(100_000))
    async with wire(Response(200, [], FileBody(path, 0, 200_000))) as (client, _):
        await client.send(GET)
        await client.head()
        assert len(await client.rest()) == 100_000


async def test_files_that_nobody_reads_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(30_000_000))
    core = TinyCore(lambda asked: Response(200, [], FileBody(path, 0, 30_000_000)) if asked.path == "/blob" else OK)
    async with RegistryServer(core) as server:
        address = await server.start()
        async with connected(address) as client:
            await client.send(b"GET /blob HTTP/1.1\r\nHost: h\r\n\r\n")
            await client.body(1000)
        async with connected(address) as client:
            await client.send(GET)
            assert await client.head()
