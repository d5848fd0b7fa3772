"""Links to blobs that are signed and expire.

A link is good for one blob of one repository, at one host, until the second that it names. It is made by whoever has
decided that a client may have the blob; the host that it leads to asks for nothing else.
Source for its shape: Amazon CloudFront, "Signed URLs".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from fake_registry.config import BlobRedirects, Host, Hosts, seconds
from fake_registry.core.presigning import presigned, signing_credentials, with_secrets
from fake_registry.fixtures import canonical_host

_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}
SIGNED: Final = "Signature="
"""What queries of links have in them: also where they come to the wrong place, and are good still in the right one."""

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
        self.clock = clock

    def target(self, at: str, registry: str, repository: str, digest: str, lifetime: float) -> str:
        """Path and query of a link at the host `at` to a blob of a repository, good for so many seconds."""
        return self._signed(at, f"/{registry}/{repository}/blobs/{digest}", int(self.clock() + lifetime))

    def problem(self, at: str, path: str, query: str) -> Refusal | None:
        """Why a link is not good at the host `at`; None: it is."""
        found = _QUERY.fullmatch(query)
        if found is None:
            return DENIED
        target = f"{path}?{query}".encode("utf-8", "replace")
        if not hmac.compare_digest(self._signed(at, path, found[1]).encode("utf-8", "replace"), target):
            return _FORGED
        return _EXPIRED if self.clock() >= int(found[1]) else None

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


class Store:
    """A place outside, in which blobs lie as they do in a tree. `clock` gives seconds since 1970."""

    def __init__(self, redirects: BlobRedirects, clock: Callable[[], float]) -> None:
        self._base = _without_default_port(redirects.store.rstrip("/"))
        self._sign = redirects.sign
        aws = None if redirects.sign is None else redirects.sign.aws
        self._credentials = None if aws is None else signing_credentials(aws)
        self._region = "" if aws is None else aws.region
        self._lifetime = int(seconds(redirects.expires))
        self._clock = clock

    def url(self, method: str, repository: str, digest: str) -> str:
        """The URL of a blob, with what opens the store."""
        del repository
        url = f"{self._base}/{digest.replace(':', '/')}"
        if self._credentials is not None:
            return presigned(method, url, self._credentials, self._region, self._clock(), self._lifetime)
        return url if self._sign is None else f"{url}?{self._sign.query}"


def _without_default_port(url: str) -> str:
    """Clients differ in whether they say a port that goes without saying, which a signature covers."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.lower().removesuffix(_DEFAULT_PORTS[scheme])}{slash}{path}"


def destination_of(name: str, host: Host, hosts: Hosts, links: SignedLinks) -> Destination | None:
    """Where the blobs of a host are, that has this canonical name; None: here."""
    if host.blob_redirects is None:
        return None
    if host.blob_redirects.store:
        return Store(host.blob_redirects, links.clock)
    to = canonical_host(host.blob_redirects.host)
    return LinkedHost(name, to, _scheme(hosts, to), host.blob_redirects, links)


def link_hosts(hosts: Hosts) -> frozenset[str]:
    """The canonical names of the hosts to which others send clients for blobs."""
    named = (host.blob_redirects.host for host in hosts.values() if host.blob_redirects is not None)
    return frozenset(canonical_host(name) for name in named if name)


def ready_redirects(
    redirects: BlobRedirects, hosts: Hosts, read: Callable[[str], str] | None, environment: Mapping[str, str]
) -> BlobRedirects:
    """Redirects with all that signing takes: what they name files and variables for. `read` gives the text of a file;
    without it there are none.

    Raises:
        ValueError: a host is not among `hosts`, or something cannot be used; begins with the field.
    """
    if redirects.host and canonical_host(redirects.host) not in map(canonical_host, hosts):
        expected = "expected one of the hosts, where it may be as short as " + f"`{redirects.host}: {{}}`"
        raise ValueError(f"host: {redirects.host!r} is not among the hosts; {expected}")
    if redirects.sign is None:
        return redirects
    try:
        return msgspec.structs.replace(redirects, sign=with_secrets(redirects.sign, read, environment))
    except ValueError as error:
        raise ValueError(f"sign.{error}") from None
