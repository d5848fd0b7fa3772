"""A registry core of a few lines: answers by path, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fake_registry.config import Host, Hosts, TlsFailure
from fake_registry.core.messages import Request, Response

Answering = Callable[[Request], Response | Awaitable[Response]]


class TinyCore:
    """Answers with what `answer` gives; a mapping of hosts as configuration."""

    def __init__(self, answer: Answering, hosts: Hosts | None = None) -> None:
        self._answer = answer
        self._hosts = hosts or {}
        self.requests: list[Request] = []
        self.failed: list[tuple[str, str]] = []

    def host(self, name: str) -> Host | None:
        """The configuration of a host."""
        return self._hosts.get(name)

    def known_hosts(self) -> list[str]:
        """The names of all hosts."""
        return list(self._hosts)

    def certificate(self, name: str) -> None:
        """All certificates are made."""
        del name

    def handshake(self, name: str) -> TlsFailure | None:
        """Every handshake is made."""
        del name

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        """Remembers what went wrong, and with whom."""
        del remote
        self.failed.append((name, problem))

    async def handle(self, request: Request) -> Response:
        """One answer."""
        self.requests.append(request)
        answer = self._answer(request)
        return answer if isinstance(answer, Response) else await answer
