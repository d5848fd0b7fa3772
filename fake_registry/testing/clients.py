"""What brings clients to a `FakeRegistry`: trust, names and proxies."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - which the first TLS client of a process would wait for
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from fake_registry.listening import Address

_DIRECT: Final = "localhost,127.0.0.1,::1"


def client_context(ca_pem: bytes) -> ssl.SSLContext:
    """A client's TLS context that trusts one authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_pem.decode())
    return context


def proxy_environment(proxy: Address, ca_file: Path) -> dict[str, str]:
    """Variables that send the HTTP and HTTPS of a program through a proxy, and make it trust an authority.

    Go, curl, Python's urllib and requests, and aiohttp with ``trust_env``, read them.
    """
    url = f"http://{proxy}"
    environment = {"SSL_CERT_FILE": str(ca_file), "REQUESTS_CA_BUNDLE": str(ca_file), "CURL_CA_BUNDLE": str(ca_file)}
    for name, value in (("HTTP_PROXY", url), ("HTTPS_PROXY", url), ("NO_PROXY", _DIRECT)):
        environment |= {name: value, name.lower(): value}
    return environment


class ListenerResolver(AbstractResolver):
    """Resolves every name, with its port, to a listener, for aiohttp's connectors. Addresses are not asked for."""

    def __init__(self, listener: Callable[[str, int], Address]) -> None:
        self._listener = listener

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Where the registry of that name and port listens."""
        del family
        address = self._listener(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address.host,
                port=address.port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""
