"""A load balancer as simple as can be: each request goes to the next of several servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

import aiohttp
from aiohttp import web

_OF_CONNECTIONS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@asynccontextmanager
async def round_robin(addresses: Sequence[str]) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of the balancer, and the addresses that requests went to, in order."""
    turns, asked = cycle(addresses), list[str]()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            address = next(turns)
            asked.append(address)
            headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
            body = request.content if request.body_exists else None
            url = f"http://{address}{request.raw_path}"
            async with session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_CONNECTIONS}
                if request.method == "HEAD" and "Content-Length" in answer.headers:
                    kept["Content-Length"] = answer.headers["Content-Length"]
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port, *_ = runner.addresses[0]
            yield f"{host}:{port}", asked
        finally:
            await runner.cleanup()
