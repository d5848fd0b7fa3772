"""Clients that mean harm: odd names and digests, bodies that lie, documents that explode. All get an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.pushing import CoreClient, SocketClient, parse_reply, push_blob, push_manifest
from support.raw import connected
from support.registry import HOST, image, index, put_image

from fake_registry import FakeRegistry
from fake_registry.config import Host, Limits
from fake_registry.core.paths import parse_path
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, is_repository, verify
from fake_registry.listening import Address
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from fake_registry.server import RegistryServer

DIGEST = compute_digest(b"layer")
ANSWERS = {200, 201, 202, 204, 400, 404, 405, 413, 416}
"""What a client may be answered, whatever it asks for; never that the registry is broken."""

NASTY = st.sampled_from(
    [
        "..",
        ".",
        "../../../../etc/passwd",
        "/etc/passwd",
        "%2e%2e",
        "%2e%2e%2f",
        "..%2f..%2fblobs",
        "%00",
        "a%00b",
        "%ff%fe",
        "\x7f",
        "blobs/uploads",
        "manifests",
        "app/blobs/uploads/../../manifests",
        "index.json",
        ".uploads",
        ".repository.json",
        "sha256:../../../x",
        "sha256:" + "0" * 64,
        "sha256:" + "0" * 64 + "/..",
        "sha256-" + "0" * 64,
        "sha512:" + "f" * 127,
        "%0d%0aX-Injected: 1",
        "a" * 5000,
        "é",
        "\udcff",
        "",
    ]
)
PARTS = (
    NASTY
    | st.text(max_size=20).map(lambda text: quote(text, errors="replace"))
    | st.sampled_from(["app", "v1", DIGEST])
)
KINDS = st.sampled_from(["manifests", "blobs", "blobs/uploads", "tags", "referrers", "", "..", "uploads"])
PATHS = st.builds(lambda name, kind, argument: f"/v2/{name}/{kind}/{argument}", PARTS, KINDS, PARTS)
QUERIES = st.lists(
    st.builds(
        lambda key, value: f"{key}={value}",
        st.sampled_from(
            ["digest", "mount", "from", "digest-algorithm", "tag", "n", "last", "artifactType", "ns", "%00"]
        ),
        PARTS,
    ),
    max_size=3,
).map("&".join)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Range", "Content-Type", "Content-Length", "Range", "Authorization", "If-None-Match"]),
    PARTS | st.sampled_from(["0-4", "5-1", "0-99999999999999999999", "bytes=0-", "-1", "1e3", OCI_MANIFEST, OCI_INDEX]),
    max_size=3,
)
BODIES = st.sampled_from([None, b"", b"layer", image(), index(image()), b"{", b"[" * 5000, b'{"layers":"x"}'])


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    path=PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES,
    host=st.sampled_from([HOST, "new.example.com", "../x", "", "a:b", "x" * 300]),
)
@example("PUT", "/v2/app/manifests/v1", "ns=../../x", {}, image(), HOST)
@example("POST", "/v2/app/blobs/uploads/", f"mount={DIGEST}&from=../private", {}, b"", HOST)
@example("POST", "/v2/%2e%2e/%2e%2e/blobs/uploads/", f"digest={DIGEST}", {}, b"layer", HOST)
@settings(max_examples=75, deadline=None)
def test_everything_is_answered(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes | None, host: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "tree"
        tree = Tree.open(root)
        put_image(tree, "app", "v1")
        client = CoreClient(RegistryCore(tree), host)
        reply = asyncio.run(client.ask(method, f"{path}?{query}" if query else path, body, headers))
        assert reply.status in ANSWERS, reply
        for name, value in reply.headers:
            assert value.isprintable(), (name, value)
        if reply.status >= 400 and method != "HEAD" and reply.body != b"404 page not found\n":
            assert json.loads(reply.body)["errors"][0]["code"]
        assert [path.name for path in Path(directory).iterdir()] == ["tree"]
        assert {path.name for path in root.iterdir()} == {"blobs", "registries"}
        assert {path.name for path in (root / "blobs").iterdir()} <= {"sha256", "sha384", "sha512", ".uploads"}
        for known in tree.hosts():
            assert all(is_repository(name) for name in tree.repositories(known))
        assert list(verify(tree)) == []


@given(st.text(max_size=60) | PATHS)
def test_paths_name_what_they_show(path: str) -> None:
    target = parse_path(path)
    assert ".." not in target.name or not is_repository(target.name)


def _containers(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    keys = st.sampled_from(
        ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "digest", "size", "x"]
    )
    return st.lists(values, max_size=3) | st.dictionaries(keys, values, max_size=4)


class TestDocuments:
    @pytest.fixture
    def client(self, tmp_path: Path) -> CoreClient:
        limits = Limits(manifest_bytes=8 << 20)
        return CoreClient(RegistryCore(Tree.open(tmp_path), {"large.example.com": Host(limits=limits)}))

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b" " * (10 << 20), 413),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
            (b'{"schemaVersion":2,"annotations":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", 400),
            (b"[" * (4 << 20), 400),
            (image(layers=[b"%d" % number for number in range(100_000)]), 413),
            (b'{"schemaVersion":' + b"9" * 1_000_000 + b"}", 400),
            (b'{"schemaVersion":2e9999}', 400),
            (b'{"schemaVersion":2,"mediaType":"' + b"a" * 1_000_000 + b'"}', 400),
            (b'{"schemaVersion":2,"mediaType":"\\ud800"}', 400),
            (b'{"schemaVersion":2,"mediaType":"\\u0000"}', 400),
            (b"\x00" * 1000, 400),
            (b"\xef\xbb\xbf" + image(), 400),
            (image() + b"x", 400),
        ],
        ids=lambda value: "" if isinstance(value, int) else f"{value[:20]!r}"[:20],
    )
    async def test_what_is_too_much(self, client: CoreClient, data: bytes, status: int) -> None:
        reply = await client.ask("PUT", "/v2/app/manifests/v1", data, {"Content-Type": OCI_MANIFEST})
        assert reply.status == status
        assert len(reply.body) < 2000
        assert (await client.ask("GET", "/v2/app/tags/list")).status == 404

    async def test_as_much_as_there_may_be(self, client: CoreClient) -> None:
        """As many layers as fit, all of them absent, and then all again."""
        client = CoreClient(client.core, "large.example.com")
        data = image(layers=[b"%d" % number for number in range(52_000)])
        assert 7 << 20 < len(data) <= 8 << 20
        for _ in range(2):
            reply = await client.ask("PUT", "/v2/app/manifests/v1", data, {"Content-Type": OCI_MANIFEST})
            assert reply.status == 201
            assert len(reply.header("Warning")) < 4096
        assert (await client.ask("GET", "/v2/app/manifests/v1")).body == data

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), _containers, max_leaves=10))
    @settings(max_examples=100, deadline=None)
    def test_json_of_any_shape(self, document: object) -> None:
        with tempfile.TemporaryDirectory() as directory:
            client = CoreClient(RegistryCore(Tree.open(directory)))
            for media_type in (OCI_MANIFEST, OCI_INDEX, "application/json", "application/x"):
                headers = {"Content-Type": media_type}
                data = json.dumps(document).encode()
                reply = asyncio.run(client.ask("PUT", "/v2/app/manifests/v1", data, headers))
                assert reply.status in {201, 400}


class TestSockets:
    """What is no HTTP, or hardly."""

    @pytest.fixture
    async def address(self, tmp_path: Path) -> AsyncIterator[Address]:
        tree = Tree.open(tmp_path / "tree")
        async with RegistryServer(RegistryCore(tree)) as server:
            address = await server.start()
            yield address
            # whatever happened, others are served, and nothing of it is in the tree
            await push_blob(SocketClient(address), "after", b"layer")
        assert tree.repositories(HOST) == ["after"]
        assert list(verify(tree)) == []

    @pytest.mark.parametrize(
        "framing",
        [
            "Transfer-Encoding: chunked\r\n\r\nzz\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n-5\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x5\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5 \r\nlayerX\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nlayerXX0\r\n\r\n",
            f"Transfer-Encoding: chunked\r\n\r\n{'f' * 30}\r\nlayer",
            f"Transfer-Encoding: chunked\r\n\r\n5;{'x' * 200_000}\r\nlayer\r\n0\r\n\r\n",
            f"Transfer-Encoding: chunked\r\n\r\n{'0' * 200_000}5\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nlayer\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\nlayer",
            "Content-Length: -5\r\n\r\nlayer",
            "Content-Length: +5\r\n\r\nlayer",
            "Content-Length: 5, 5\r\n\r\nlayer",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nlayerx",
            "Content-Length: 0x5\r\n\r\nlayer",
            f"Content-Length: {'9' * 40}\r\n\r\nlayer",
            f"X: {'x' * 100_000}\r\nContent-Length: 5\r\n\r\nlayer",
            f"{'x' * 100_000}: x\r\nContent-Length: 5\r\n\r\nlayer",
            "A b: c\r\nContent-Length: 5\r\n\r\nlayer",
            " folded\r\nContent-Length: 5\r\n\r\nlayer",
            "X: a\x00b\r\nContent-Length: 5\r\n\r\nlayer",
        ],
        ids=range(22),
    )
    async def test_framing(self, address: Address, framing: str) -> None:
        head = f"POST /v2/app/blobs/uploads/?digest={DIGEST} HTTP/1.1\r\nHost: {HOST}\r\n"
        async with connected(address) as client:
            await client.send((head + framing).encode())
            client.writer.write_eof()
            answer = await client.rest()
        # refused, or cut off where an answer would be to something else than was asked
        assert not answer or parse_reply(answer).status in {400, 431}

    async def test_more_headers_than_anybody_sends(self, address: Address) -> None:
        lines = "".join(f"X-{number}: {'x' * 60}\r\n" for number in range(50_000))
        async with connected(address) as client:
            await client.send(f"GET /v2/ HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n".encode())
            assert parse_reply(await client.rest()).status in {400, 431}

    async def test_an_answer_before_the_end_of_a_body(self, address: Address) -> None:
        """Who is refused need not send everything first."""
        async with connected(address) as client:
            head = f"PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {1 << 40}\r\n\r\n"
            await client.send(head.encode() + b" " * 1000)
            assert (await client.head()).startswith(b"HTTP/1.1 413 ")

    async def test_who_asks_first_is_told_before_the_body_comes(self, address: Address) -> None:
        async with connected(address) as client:
            more = f"Host: {HOST}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            await client.send(f"PUT /v2/UPPER/manifests/v1 HTTP/1.1\r\n{more}".encode())
            assert (await client.head()).startswith(b"HTTP/1.1 400 ")
        async with connected(address) as client:
            body = b"layer"
            target = f"/v2/after/blobs/uploads/?digest={DIGEST}"
            head = f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            await client.send(head.encode())
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(body)
            assert (await client.head()).startswith(b"HTTP/1.1 201 ")

    async def test_slow_clients_do_not_stop_the_others(self, address: Address) -> None:
        slow = []
        try:
            for _ in range(256):
                reader, writer = await asyncio.open_connection(*address)
                slow.append(writer)
                target = f"/v2/slow/blobs/uploads/?digest={DIGEST}"
                writer.write(f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n".encode())
                del reader
            for byte in b"laye":
                for writer in slow:
                    writer.write(bytes([byte]))
                client = SocketClient(address)
                await push_blob(client, "after", b"%d" % byte)
                await push_manifest(client, "after", "v1", image(b"%d" % byte, []))
                assert (await client.ask("GET", "/v2/after/manifests/v1")).status == 200
        finally:
            for writer in slow:
                writer.transport.abort()


METHODS = st.sampled_from(
    ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get", "G E T", "", "\x00"]
)
TARGETS = st.one_of(
    st.sampled_from(
        ["/v2/", "/v2/app/tags/list?n=", "/v2/app/manifests/v1", "/token?scope=", "*", "//", "http://", "?"]
    ),
    st.lists(NASTY, max_size=4).map(lambda parts: "/v2/app/" + "/".join(parts)),
    st.text(max_size=30),
)
FIELDS = st.tuples(
    st.sampled_from(
        [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Range",
            "If-Range",
            "Expect",
            "Connection",
            "Accept",
            "X\tY",
            "",
        ]
    ),
    st.one_of(
        st.sampled_from(["quay.io", "0", "7", "-1", "chunked", "100-continue", "bytes=0-0,2-2", "close", "a\r\n b"]),
        st.text(max_size=12),
    ),
)
REQUESTS = st.builds(
    lambda method, target, version, fields, body: (
        "\r\n".join([f"{method} {target} {version}", *(f"{name}: {value}" for name, value in fields), "", body])
    ).encode("utf-8", "surrogatepass"),
    METHODS,
    TARGETS,
    st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""]),
    st.lists(FIELDS, max_size=5),
    st.sampled_from(
        ["", "0\r\n\r\n", "7\r\n1234567\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "{}", "GET / HTTP/1.1\r\n\r\n"]
    ),
)


def test_whatever_comes_over_a_socket(caplog: pytest.LogCaptureFixture) -> None:
    """It is answered or not, never by a failure of the registry's own; and the registry goes on."""
    with FakeRegistry() as registry:
        registry.push_image("quay.io/app:v1")

        @settings(max_examples=150)
        @given(sent=st.one_of(REQUESTS, st.binary(max_size=60)))
        @example(sent=b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n\r\n")
        def send(sent: bytes) -> None:
            with socket.create_connection(registry.address, timeout=30) as client:
                received = b""
                with contextlib.suppress(ConnectionError):
                    client.sendall(sent)
                    client.shutdown(socket.SHUT_WR)
                    while piece := client.recv(65536):
                        received += piece
            assert re.search(rb"HTTP/1\.[01] 5", received) is None, received

        with caplog.at_level(logging.WARNING):
            send()
        assert not caplog.records
        with urllib.request.urlopen(f"{registry.url('quay.io')}/v2/", context=registry.ssl_context()) as answer:
            assert answer.status == 200
