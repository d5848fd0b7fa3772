"""Asking an API in the two ways there are: in process, and over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from yarl import URL

from mirror.api.app import ApiCore
from mirror.api.messages import ApiRequest
from mirror.api.server import ApiServer


@dataclass(frozen=True)
class Answer:
    """An answer as a client sees it: status, header lines by name in lower case, the whole body."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes


class Ask(Protocol):
    """Sends a request: method, target, headers by name in lower case, body."""

    async def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer: ...


class OpenApi(Protocol):
    """Makes an API answer."""

    async def __call__(self, api: ApiCore) -> Ask: ...


def in_process(api: ApiCore) -> Ask:
    """Asks without sockets; streams are read to their end."""

    async def ask(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        response = await api.handle(ApiRequest(method, path, query, dict(headers), body))
        lines: dict[str, list[str]] = {}
        for name, value in response.headers:
            lines.setdefault(name.lower(), []).append(value)
        if response.stream is not None:
            return Answer(response.status, lines, b"".join([piece async for piece in response.stream]))
        return Answer(response.status, lines, response.body)

    return ask


@asynccontextmanager
async def over_sockets(api: ApiCore) -> AsyncIterator[Ask]:
    """Asks over HTTP. Nothing is sent that is not asked for."""
    async with ApiServer(api) as server:
        address = await server.start()
        session = aiohttp.ClientSession(skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"])
        async with session:

            async def ask(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
                url = URL(f"http://{address}{target}", encoded=True)
                async with session.request(method, url, headers=headers, data=body or None) as response:
                    lines: dict[str, list[str]] = {}
                    for name, value in response.headers.items():
                        lines.setdefault(name.lower(), []).append(value)
                    return Answer(response.status, lines, await response.read())

            yield ask
