"""A listener of one host only: whoever connects to it means that host, by whatever name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from html import escape
from typing import Final, Protocol

import msgspec

from fake_registry.config import Host, ServerCertificate, TlsFailure
from fake_registry.core.messages import Request, Response
from fake_registry.core.paths import decoded
from fake_registry.core.realms import Realm, moved
from fake_registry.fixtures import canonical_host
from fake_registry.server import Registries

_REDIRECTS: Final = frozenset({302, 303, 307, 308})
_PORT: Final = re.compile(r":\d*$")


class RegistriesWithRealms(Registries, Protocol):
    """Registries that also say where clients get tokens."""

    def realm_here(self, name: str) -> Realm | None:
        """The realm of a host, if its token endpoint is here: on itself or on another host."""
        ...


class OneHost:
    """All registries, asked for one of them.

    Its token endpoint, also one on another host, is here, and named by the address that the client used; so is a host
    with a port of its own to which it sends clients for blobs: `port_of` gives that, or None.
    """

    def __init__(self, registries: RegistriesWithRealms, name: str, port_of: Callable[[str], int | None]) -> None:
        self._registries = registries
        self._name = name
        self._port_of = port_of

    async def handle(self, request: Request) -> Response:
        """The answer to one request."""
        realm = self._registries.realm_here(self._name)
        asked = msgspec.structs.replace(request, host=self._name, sni=None)
        if realm is not None and decoded(request.path) == realm.path:
            asked = msgspec.structs.replace(asked, host=realm.host, secure=realm.url.startswith("https:"))
        response = await self._registries.handle(asked)
        for position, (name, value) in enumerate(response.headers):
            if name.lower() == "www-authenticate":
                response.headers[position] = (name, self._reachable(value, request, realm))
            elif name == "Location" and response.status in _REDIRECTS:
                place = self._at_its_port(value, request.host)
                response.headers[position] = (name, place)
                if isinstance(response.body, bytes):
                    response.body = response.body.replace(escape(value).encode(), escape(place).encode())
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

    def _at_its_port(self, location: str, address: str) -> str:
        """Where a redirect leads, for a client that knows hosts only by their ports at one address."""
        config = self._registries.host(self._name)
        to = "" if config is None or config.blob_redirects is None else canonical_host(config.blob_redirects.host)
        scheme, _, rest = location.partition("://")
        host, _, path = rest.partition("/")
        port = self._port_of(to) if to and host == to else None
        machine = _PORT.sub("", address)
        return location if port is None or not machine else f"{scheme}://{machine}:{port}/{path}"

    def _reachable(self, challenge: str, request: Request, realm: Realm | None) -> str:
        if realm is not None:
            challenge = moved(challenge, realm, request.host, secure=request.secure)
        return challenge.replace(f'://{self._name}/token"', f'://{request.host}/token"')
