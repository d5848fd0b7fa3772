"""A listener of one host only: whoever connects to it means that host, by whatever name."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from fake_registry.config import Host, ServerCertificate, TlsFailure
from fake_registry.core.messages import Request, Response
from fake_registry.server import Registries


class OneHost:
    """All registries, asked for one of them. Its token endpoint is named by the address that the client used."""

    def __init__(self, registries: Registries, name: str) -> None:
        self._registries = registries
        self._name = name

    async def handle(self, request: Request) -> Response:
        """The answer to one request."""
        response = await self._registries.handle(msgspec.structs.replace(request, host=self._name, sni=None))
        for position, (name, value) in enumerate(response.headers):
            if name.lower() == "www-authenticate":
                response.headers[position] = (name, self._reachable(value, request.host))
        return response

    def host(self, name: str) -> Host | None:
        """The configuration of a host, if it has one."""
        return self._registries.host(name)

    def known_hosts(self) -> Collection[str]:
        """The names of all hosts."""
        return self._registries.known_hosts()

    def certificate(self, name: str) -> ServerCertificate | None:
        """The certificate that was given for a host."""
        return self._registries.certificate(name)

    def handshake(self, name: str) -> TlsFailure | None:
        """How the next TLS handshake is to fail, if it is."""
        return self._registries.handshake(name)

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        """A client has not come through the handshake with a host."""
        self._registries.handshake_failed(name, remote, problem)

    def _reachable(self, challenge: str, address: str) -> str:
        return challenge.replace(f'://{self._name}/token"', f'://{address}/token"')
