"""Which certificate a host shows: those that were given, by the names of hosts or patterns of them."""

from __future__ import annotations

from fake_registry.config import Certificates, ServerCertificate
from fake_registry.core.patterns import matcher
from fake_registry.fixtures import canonical_host, without_port


class GivenCertificates:
    """The certificates that were given. A name counts before all patterns, and of those the first that fits."""

    def __init__(self, given: Certificates) -> None:
        self._named = {canonical_host(without_port(name)): one for name, one in given.items()}
        self._patterns = [(matcher(pattern.lower()), one) for pattern, one in given.items() if _is_pattern(pattern)]

    def __bool__(self) -> bool:
        return bool(self._named)

    def of(self, name: str) -> ServerCertificate | None:
        """The certificate for a host, by any of its names; empty is who says none."""
        host = canonical_host(without_port(name))
        found = self._named.get(host)
        return found or next((one for fits, one in self._patterns if fits(host)), None)


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")
