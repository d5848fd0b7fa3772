"""Which proxies lead to registries."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from yarl import URL

from mirror.errors import InputError


def parse_proxy(text: str, name: str) -> URL:
    """A proxy as people write it: a URL, or an address.

    Raises:
        InputError: it is none of an HTTP proxy; says `name`.
    """
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise InputError(f"{name}: {text!r} is not the URL of an HTTP proxy")
    return proxy


class Proxies:
    """Which proxy is asked for a URL, by ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` in either case.

    ``NO_PROXY`` lists hosts, domains (with and without a leading dot: those below, too), addresses, networks in CIDR
    notation, any of them with a port, or ``*``. Never a proxy for localhost and loopback addresses. Source:
    golang.org/x/net/http/httpproxy.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        def value(name: str) -> str:
            return environment.get(name.lower()) or environment.get(name) or ""

        self._proxies = {"http": value("HTTP_PROXY"), "https": value("HTTPS_PROXY")}
        if environment.get("REQUEST_METHOD"):  # a CGI's HTTP_PROXY is a header of its client
            self._proxies["http"] = environment.get("http_proxy", "")
        self._exceptions = [entry.strip().lower() for entry in value("NO_PROXY").split(",") if entry.strip()]

    def proxy(self, url: URL) -> URL | None:
        """The proxy for a URL, or None.

        Raises:
            InputError: the variable holds no URL of an HTTP proxy.
        """
        text = self._proxies.get(url.scheme, "")
        host = (url.host or "").lower()
        if not text or self._is_direct(host, url.port):
            return None
        return parse_proxy(text, f"{url.scheme.upper()}_PROXY")

    def _is_direct(self, host: str, port: int | None) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_excepts(entry, host, port, address) for entry in self._exceptions)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _excepts(
    entry: str, host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if port != int(wanted):
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith("*."):
        entry = entry[1:]
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith(f".{entry}")
