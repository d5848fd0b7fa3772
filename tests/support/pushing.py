"""Clients that push: to a core as it is, or to a server over a socket, with the same requests and the same answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fake_registry.conversation import Core
from fake_registry.core.messages import FileBody, Request
from fake_registry.listening import Address
from fake_registry.oci import compute_digest

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) [^\r\n]+")


class Reply(NamedTuple):
    """An answer: status, headers (lower-case names, in order) and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str:
        """The only value of a header."""
        (value,) = self.values(name)
        return value


class Client(Protocol):
    """Asks one registry."""

    async def ask(
        self, method: str, target: str, body: bytes | Iterable[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> Reply:
        """One request. A body in pieces is sent in chunks, without saying how long it is."""
        ...


@dataclass
class CoreClient:
    """Asks a core, without any socket."""

    core: Core
    host: str = "quay.io"
    secure: bool = True

    async def ask(
        self, method: str, target: str, body: bytes | Iterable[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> Reply:
        path, _, query = target.partition("?")
        sent = {name.lower(): value for name, value in headers.items()}
        if isinstance(body, bytes):
            sent.setdefault("content-length", str(len(body)))
        elif body is not None:
            sent["transfer-encoding"] = "chunked"
        pieces = [body] if isinstance(body, bytes) else body
        given = None if pieces is None else _yielding(pieces)
        request = Request(method, path, query, host=self.host, headers=sent, secure=self.secure, body=given)
        response = await self.core.handle(request)
        found = response.body
        if isinstance(found, FileBody):
            with found.path.open("rb") as file:
                file.seek(found.offset)
                found = file.read(found.length)
        fields = [(name.lower(), value) for name, value in response.headers]
        if method != "HEAD" and response.status not in {204, 304}:
            assert "content-length" not in dict(fields)
            fields.append(("content-length", str(len(found))))
        return Reply(response.status, fields, found)


@dataclass
class SocketClient:
    """Asks a server, over one connection for each request."""

    address: Address
    host: str = "quay.io"
    sent: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, target: str, body: bytes | Iterable[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> Reply:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if isinstance(body, bytes):
            pieces = [body]
            if "content-length" not in {name.lower() for name in headers}:
                lines.append(f"Content-Length: {len(body)}")
        elif body is None:
            pieces = []
        else:
            lines.append("Transfer-Encoding: chunked")
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body if piece] + [b"0\r\n\r\n"]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(head)
            for piece in pieces:
                writer.write(piece)
            return parse_reply(await reader.read(-1), method)
        finally:
            writer.transport.abort()


def parse_reply(data: bytes, method: str = "GET") -> Reply:
    """An answer from its bytes, after which the connection was closed."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    found = _STATUS.fullmatch(status)
    assert found is not None, data[:300]
    fields = [(name.lower(), value) for name, _, value in (line.decode().partition(": ") for line in lines)]
    lengths = [int(value) for name, value in fields if name == "content-length"]
    if lengths and method != "HEAD":
        assert lengths == [len(body)]
    return Reply(int(found[1]), [one for one in fields if one[0] not in {"date", "connection"}], body)


async def _yielding(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def push_blob(client: Client, name: str, data: bytes, algorithm: str = "sha256") -> str:
    """Pushes a blob at once; returns its digest."""
    digest = compute_digest(data, algorithm)
    reply = await client.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
    assert reply.status == 201, reply
    return digest


async def push_manifest(
    client: Client,
    name: str,
    reference: str,
    data: bytes,
    media_type: str = "application/vnd.oci.image.manifest.v1+json",
) -> str:
    """Pushes a manifest; returns its digest."""
    reply = await client.ask("PUT", f"/v2/{name}/manifests/{reference}", data, {"Content-Type": media_type})
    assert reply.status == 201, reply
    return reply.header("Docker-Content-Digest")


def with_query(location: str, query: str) -> str:
    """A location with more in its query."""
    return f"{location}{'&' if '?' in location else '?'}{query}"
