"""A transport that remembers what was asked and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

import msgspec
from msgspec import Meta

from mirror.importer.transport import Answer, Transport, TransportError


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and its answer or what kept it from coming."""

    method: str
    url: str
    login: Annotated[str, Meta(description="How it was authorized: Basic, Bearer, or nothing.")]
    status: Annotated[int | None, Meta(description="The answer's; null if none came.")]
    answer: Annotated[str, Meta(description="The status line, or why there is none.")]
    seconds: Annotated[float, Meta(description="How long that took; of a tree, what its registries pretend it takes.")]


class RecordingTransport:
    """Passes exchanges on to another `mirror.importer.transport.Transport`; one at a time. `real`: time is measured."""

    concurrency = 1

    def __init__(self, transport: Transport, *, real: bool) -> None:
        self._transport = transport
        self._real = real
        self.exchanges: list[Exchange] = []

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        """Makes one exchange, and remembers it."""
        start = perf_counter()
        login = next((value.partition(" ")[0] for name, value in headers if name == "authorization"), "")
        url = f"{scheme}://{host.rpartition('@')[2]}{target}"
        try:
            answer = await self._transport.send(
                method, scheme, host, target, headers, insecure=insecure, timeout=timeout
            )
        except TransportError as error:
            took = perf_counter() - start if self._real else error.took
            self._add(method, url, login, None, str(error), took)
            raise
        took = perf_counter() - start if self._real else answer.took
        self._add(method, url, login, answer.status, answer.status_text.rstrip(), took)
        return answer

    def _add(self, method: str, url: str, login: str, status: int | None, answer: str, seconds: float) -> None:
        self.exchanges.append(
            Exchange(method=method, url=url, login=login, status=status, answer=answer, seconds=round(seconds, 3))
        )

    async def aclose(self) -> None:
        """Gives all connections back."""
        await self._transport.aclose()


def by_source(exchanges: Sequence[Exchange]) -> list[list[Exchange]]:
    """The exchanges with each source: every one begins with a ping, which may be repeated without TLS."""
    found: list[list[Exchange]] = []
    for one in exchanges:
        scheme, _, rest = one.url.partition("://")
        host, _, path = rest.partition("/")
        is_ping = path == "v2/"
        if is_ping and scheme == "http" and found and found[-1][-1].status is None:
            is_ping = not found[-1][-1].url.startswith(f"https://{host}/")
        if is_ping or not found:
            found.append([])
        found[-1].append(one)
    return found
