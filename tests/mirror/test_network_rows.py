"""The network failures whose texts the client itself puts together, made by real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from support.peers import listening
from support.vectors import load

from mirror.clock import ManualClock, Stopwatch
from mirror.importer.client import RepositoryContext
from mirror.importer.failures import ClientFailure
from mirror.importer.http_transport import HttpTransport
from mirror.importer.wire import Wire

TEMPLATES = {row["case"]: row["errorTemplate"] for row in load("network_errors")}
ANSWERS = {
    "TLS server, http client": b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    "redirect loop on ping": b"HTTP/1.1 302 Found\r\nLocation: /v2/\r\nContent-Length: 0\r\n\r\n",
    "302 without Location on ping": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "custom status line on ping": b"HTTP/1.1 599 Custom Reason\r\nContent-Length: 0\r\n\r\n",
}


@asynccontextmanager
async def clear_text_server(answer: bytes) -> AsyncIterator[int]:
    """Hangs up on TLS, so that the client falls back to HTTP, and gives every HTTP request the same answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(1) == b"\x16":
                return
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
                if answer.startswith(b"HTTP/1.0"):
                    return
        except asyncio.IncompleteReadError:
            pass

    async with listening(serve) as port:
        yield port


@pytest.mark.parametrize("case", ANSWERS)
async def test_ping(case: str) -> None:
    async with clear_text_server(ANSWERS[case]) as port, HttpTransport() as transport:
        stopwatch = Stopwatch(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
        context = RepositoryContext(Wire(transport), f"127.0.0.1:{port}", "ns/app", None, stopwatch)
        with pytest.raises(ClientFailure) as raised:
            await context.connect(insecure=True)
    assert str(raised.value).replace(str(port), "PORT") == TEMPLATES[case]
