"""A client that sends bytes and shows the bytes that come back."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fake_registry.listening import Address

_DATE = re.compile(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")


@dataclass
class Wire:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """Status line and headers of an answer, without its Date (which has to be there) and the empty line."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        without, dates = _DATE.subn(b"", head)
        assert dates == 1, head
        return without.removesuffix(b"\r\n\r\n").removesuffix(b"\r\n")

    async def body(self, length: int) -> bytes:
        """So many bytes."""
        return await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := await self.reader.read(65536):
                data += piece
        return data


@asynccontextmanager
async def connected(
    address: Address, context: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Wire]:
    """A connection to a listener."""
    reader, writer = await asyncio.open_connection(
        *address, ssl=context, server_hostname=(name or address.host) if context else None
    )
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def trusting(ca_pem: bytes) -> ssl.SSLContext:
    """A client's context that trusts one authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_pem.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_hello(name: str | None) -> bytes:
    """The bytes of a real ClientHello that asks for a server name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def in_records(hello: bytes, size: int) -> bytes:
    """A hello of one record cut into records of `size` bytes each."""
    message = hello[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(hello[:3] + len(piece).to_bytes(2) + piece for piece in pieces)
