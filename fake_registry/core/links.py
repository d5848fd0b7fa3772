"""Links to blobs that are signed and expire.

A link is good for one blob of one repository, at one host, until the second that it names. It is made by whoever has
decided that a client may have the blob; the host that it leads to asks for nothing else.
Source for its shape: Amazon CloudFront, "Signed URLs".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from fake_registry.config import BlobRedirects, Host, Hosts, seconds
from fake_registry.fixtures import canonical_host

_SIGNATURE: Final = re.compile(r"(?<=Signature=)[^&]*")
_QUERY: Final = re.compile(r"Expires=([0-9]{1,15})&Signature=[A-Za-z0-9_-]{43}")


class Refusal(NamedTuple):
    """Why a store gives nothing out: code and message, as Amazon S3 has them."""

    code: str
    message: str


DENIED: Final = Refusal("AccessDenied", "Access Denied")
_EXPIRED: Final = Refusal("AccessDenied", "Request has expired")
_FORGED: Final = Refusal(
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided.",
)


def unsigned(target: str) -> str:
    """Path and query of a link without its signature: whoever reads that cannot use it."""
    return _SIGNATURE.sub("*", target)


class SignedLinks:
    """Makes links, and tells which are good. `clock` gives seconds since 1970."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def target(self, at: str, registry: str, repository: str, digest: str, lifetime: float) -> str:
        """Path and query of a link at the host `at` to a blob of a repository, good for so many seconds."""
        return self._signed(at, f"/{registry}/{repository}/blobs/{digest}", int(self._clock() + lifetime))

    def problem(self, at: str, path: str, query: str) -> Refusal | None:
        """Why a link is not good at the host `at`; None: it is."""
        found = _QUERY.fullmatch(query)
        if found is None:
            return DENIED
        target = f"{path}?{query}".encode("utf-8", "replace")
        if not hmac.compare_digest(self._signed(at, path, found[1]).encode("utf-8", "replace"), target):
            return _FORGED
        return _EXPIRED if self._clock() >= int(found[1]) else None

    def _signed(self, at: str, path: str, expires: int | str) -> str:
        text = f"{path}?Expires={expires}"
        digest = hmac.digest(self._key, f"{at}{text}".encode("utf-8", "replace"), "sha256")
        return f"{text}&Signature={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


class Destination(Protocol):
    """Where the blobs of one registry are."""

    def url(self, method: str, repository: str, digest: str) -> str:
        """Where a client finds a blob that it asks for with this method."""
        ...


class LinkedHost:
    """Another host of the same core (or the registry itself), by signed links."""

    def __init__(self, registry: str, to: str, scheme: str, redirects: BlobRedirects, links: SignedLinks) -> None:
        self._registry = registry
        self._to = to
        self._base = f"{scheme}://{to}"
        self._lifetime = seconds(redirects.expires)
        self._links = links

    def url(self, method: str, repository: str, digest: str) -> str:
        """A link, which is as good for GET as for HEAD."""
        del method
        return self._base + self._links.target(self._to, self._registry, repository, digest, self._lifetime)


def _scheme(hosts: Hosts, to: str) -> str:
    host = next((host for name, host in hosts.items() if canonical_host(name) == to), None)
    return "http" if host is not None and host.scheme == "http" else "https"


def destination_of(name: str, host: Host, hosts: Hosts, links: SignedLinks) -> Destination | None:
    """Where the blobs of a host are, that has this canonical name; None: here."""
    if host.blob_redirects is None:
        return None
    to = canonical_host(host.blob_redirects.host)
    return LinkedHost(name, to, _scheme(hosts, to), host.blob_redirects, links)


def link_hosts(hosts: Hosts) -> frozenset[str]:
    """The canonical names of the hosts to which others send clients for blobs."""
    return frozenset(
        canonical_host(host.blob_redirects.host) for host in hosts.values() if host.blob_redirects is not None
    )


def check_redirects(host: Host, hosts: Hosts) -> None:
    """Raises `ValueError` if a host sends clients to one that is not among `hosts`; begins with the field."""
    redirects = host.blob_redirects
    if redirects is not None and canonical_host(redirects.host) not in map(canonical_host, hosts):
        expected = "expected one of the hosts, where it may be as short as " + f"`{redirects.host}: {{}}`"
        raise ValueError(f"host: {redirects.host!r} is not among the hosts; {expected}")
