"""The real registries that are recorded, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from yarl import URL

from fake_registry.config import Host, Hosts, Scheme
from fake_registry.fixtures import canonical_host, is_host
from mirror.errors import InputError

_HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class Upstream(NamedTuple):
    """A registry, token endpoint or store of blobs: what clients call it, what it speaks to them, and where it is."""

    host: str
    scheme: Scheme
    base: URL


def parse_upstream(text: str) -> Upstream:
    """What ``--record-from`` names: ``https://quay.io``, ``quay.io``, or ``quay.io=https://127.0.0.1:5001``.

    Raises:
        InputError: it is none of these.
    """
    name, equals, place = text.rpartition("=")
    base = _base(place, text)
    host = canonical_host(name if equals else _authority(base))
    if not is_host(host):
        raise InputError(f"--record-from: {text!r}: {name!r} is no host such as quay.io or quay.io:8443")
    if host == _HUB and not equals:
        base = base.with_host(_HUB_SERVER)
    return Upstream(host, "http" if base.scheme == "http" and not equals else "https", base)


def _base(place: str, text: str) -> URL:
    try:
        url = URL(place if "://" in place else f"https://{place}")
        usable = url.scheme in _DEFAULT_PORTS and bool(url.host) and url.path.strip("/") in {"", "v2"}
        usable = usable and not (url.raw_query_string or url.raw_fragment or url.user or url.password)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"--record-from: {text!r}: expected a registry such as https://quay.io, or HOST=URL")
    return url.origin()


def _authority(url: URL) -> str:
    """Host and port of a URL, without the port that its scheme has anyway."""
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or ""
    return host if url.port in {None, _DEFAULT_PORTS.get(url.scheme)} else f"{host}:{url.port}"


class Upstreams:
    """All that is recorded. Nothing else is ever contacted."""

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
        """Raises `InputError` if a host is named twice."""
        self._by_host: dict[str, Upstream] = {}
        for upstream in upstreams:
            if self._by_host.setdefault(upstream.host, upstream) != upstream:
                raise InputError(f"--record-from: {upstream.host} is recorded from two places; name one")

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_host.values())

    def get(self, host: str) -> Upstream | None:
        """What is recorded under the name of a host."""
        return self._by_host.get(host)

    def at(self, url: URL) -> Upstream | None:
        """What is recorded that a URL leads to, by its name or by where it is."""
        found = self._by_host.get(canonical_host(_authority(url)))
        if found is not None and found.base.scheme == url.scheme:
            return found
        return next((one for one in self._by_host.values() if one.base == url.origin()), found)

    def hosts(self, configured: Hosts | None) -> Hosts:
        """The hosts that there are while this is recorded. What was recorded of them before does not answer."""
        found = dict(configured or {})
        for upstream in self:
            host = found.pop(upstream.host, None)
            if host is None:
                host = Host(scheme=upstream.scheme)
            elif host.recorded:
                host = msgspec.structs.replace(host, routes=[], recorded=False)
            found[upstream.host] = host
        return found

    @property
    def only(self) -> str:
        """The host, if just one is recorded; otherwise empty."""
        return next(iter(self._by_host)) if len(self._by_host) == 1 else ""


def needed(url: URL) -> str:
    """How to name what a URL leads to, so that it is recorded, too."""
    return f"--record-from {url.origin()}"
