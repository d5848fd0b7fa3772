"""Virtual hosts: which registry a request is for."""

from __future__ import annotations

import re
from typing import Final

from fake_registry.config import Host, Hosts
from fake_registry.core.access import AccessRules
from fake_registry.core.auth import Authenticator, Directories
from fake_registry.core.links import Destination, SignedLinks, destination_of, link_hosts
from fake_registry.core.messages import Request
from fake_registry.core.paths import parameters
from fake_registry.core.rates import RateLimits
from fake_registry.core.realms import Realm
from fake_registry.core.scripted import ScriptedRoutes
from fake_registry.core.tally import Tally
from fake_registry.core.token_endpoint import TokenEndpoint
from fake_registry.core.tokens import Tokens
from fake_registry.fixtures import Tree, canonical_host

_MAX_SPELLINGS: Final = 4096
_DEFAULT_PORT: Final = {"http": ":80"}
_PRINTABLE: Final = re.compile(r"[!#-\[\]-~]{1,300}")


def distinct(hosts: Hosts) -> Hosts:
    """The hosts by their canonical names. Where Docker Hub is named twice, its own name counts and not an alias."""
    found: Hosts = {}
    for name in sorted(hosts, key=lambda spelled: canonical_host(spelled) != spelled.lower()):
        found.setdefault(canonical_host(name), hosts[name])
    return found


class VirtualHost:
    """One faked registry: its canonical name, its configuration, its scripted routes and who may read it.

    ``explicit`` is true for a host that the configuration names, false for one that is only a directory of the tree
    (or nothing at all, whose repositories are then unknown); ``is_open`` where anybody may do everything, and nobody
    says or is asked who they are; ``looks`` where requests have passwords, which may take time to check;
    ``adds_headers`` where its answers have some that those of other hosts have not; ``is_plain`` where nothing but the
    tree decides what is answered.
    ``destination`` is where its blobs are, if that is elsewhere; ``links`` are those that lead to it from other hosts,
    if any do, and ``is_registry`` is false where it is there for nothing else.
    ``endpoints`` are the token endpoints that are on it, its own and those of other hosts, by their paths.
    """

    __slots__ = (
        "access",
        "adds_headers",
        "authenticator",
        "config",
        "destination",
        "endpoints",
        "explicit",
        "is_open",
        "is_plain",
        "is_registry",
        "links",
        "looks",
        "name",
        "rates",
        "routes",
        "tls_only",
    )

    def __init__(
        self,
        name: str,
        config: Host,
        tokens: Tokens,
        tally: Tally,
        *,
        explicit: bool,
        rates: RateLimits | None = None,
        destination: Destination | None = None,
        links: SignedLinks | None = None,
        directories: Directories | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.explicit = explicit
        self.tls_only = explicit and config.scheme in {"https", "selfsigned"}
        self.routes = ScriptedRoutes(config.routes, tally)
        scheme = "http" if config.scheme == "http" else "https"
        self.access = None if config.access is None else AccessRules(config.access)
        self.authenticator = None
        if config.auth is not None:
            self.authenticator = Authenticator(name, scheme, config.auth, tokens, self.access, directories)
        self.endpoints: dict[str, TokenEndpoint] = {}
        self.looks = self.authenticator is not None and self.authenticator.looks
        self.rates = rates
        self.destination = destination
        self.links = links
        self.is_registry = links is None or destination is not None
        self.adds_headers = config.signatures or rates is not None
        self.is_open = config.auth is None and config.access is None and config.mtls is None and rates is None
        scripted = bool(config.routes) or config.recorded or config.signatures or config.scheme == "down"
        self.is_plain = self.is_open and not scripted and destination is None and links is None


class HostTable:
    """All virtual hosts: those of the configuration, and every other directory of the tree as an https host."""

    def __init__(
        self,
        tree: Tree,
        hosts: Hosts,
        tokens: Tokens,
        tally: Tally,
        default: str = "",
        before: HostTable | None = None,
        directories: Directories | None = None,
    ) -> None:
        self._tree = tree
        self._default = default
        self._tokens = tokens
        self._tally = tally
        links, linked = SignedLinks(tokens.derived_key("links to blobs"), tokens.clock), link_hosts(hosts)
        self._configured = {
            name: VirtualHost(
                name,
                host,
                tokens,
                tally,
                explicit=True,
                rates=self._rates(name, host, before),
                destination=destination_of(name, host, hosts, links),
                links=links if name in linked else None,
                directories=directories,
            )
            for name, host in distinct(hosts).items()
        }
        self._spellings: dict[str, VirtualHost] = {}
        for host in self._configured.values():
            self._add_endpoint(host)

    def _add_endpoint(self, host: VirtualHost) -> None:
        """Puts the token endpoint of a host where its realm says, if that is here."""
        guard = host.authenticator
        place = None if guard is None or not guard.takes_tokens else self._configured.get(guard.realm.host)
        if guard is not None and place is not None:
            place.endpoints.setdefault(guard.realm.path, TokenEndpoint()).add(guard)

    def realm_here(self, name: str) -> Realm | None:
        """The realm of a host, if its token endpoint is here: on itself or on another host."""
        host = self.known(name)
        guard = None if host is None else host.authenticator
        return guard.realm if guard is not None and guard.issues else None

    def _rates(self, name: str, host: Host, before: HostTable | None) -> RateLimits | None:
        """The rate limits of a host. Where they are as they were, they go on counting."""
        if not host.rate_limits:
            return None
        known = None if before is None else before._configured.get(name)
        if known is not None and known.rates is not None and known.rates.limits == host.rate_limits:
            return known.rates
        return RateLimits(host.rate_limits, self._tally, self._tokens.clock)

    def configured(self) -> list[VirtualHost]:
        """The hosts of the configuration."""
        return list(self._configured.values())

    def names(self) -> list[str]:
        """All hosts that are configured or have a directory, in byte order."""
        return sorted({*self._configured, *self._tree.hosts()})

    def known(self, name: str) -> VirtualHost | None:
        """The host that is configured or has a directory under this name (any case, any of Docker Hub's names, with
        or without the default port of its scheme), or None."""
        return self._spellings.get(name) or self.look_up(name)

    def look_up(self, name: str) -> VirtualHost | None:
        """As `known`, but looks at the tree: a directory that went away is noticed."""
        found = self._spellings.get(name)
        if found is not None and (found.explicit or self._tree.has_host(found.name)):
            return found
        canonical = canonical_host(name)
        found = self._lookup(canonical) or self._without_port(canonical)
        if found is None:
            self._spellings.pop(name, None)
            return None
        if len(self._spellings) >= _MAX_SPELLINGS:
            self._spellings.clear()
        self._spellings[name] = found
        return found

    def of(self, request: Request) -> VirtualHost:
        """The host of a request: ``?ns=``, else the Host header where it names a known host, else the name of the TLS
        handshake, else the default, else the Host header as it is."""
        if "ns=" in request.query:
            namespace = namespace_of(request)
            if namespace:
                return self.known(namespace) or self._unknown(namespace)
        return self._spellings.get(request.host) or self._of_connection(request)

    def refuses_clear_text(self, request: Request) -> bool:
        """Whether the Host header of a clear-text request names a host that is configured to speak TLS only."""
        named = self.known(request.host)
        return named is not None and named.tls_only

    def _of_connection(self, request: Request) -> VirtualHost:
        named = self.known(request.host)
        if named is not None:
            return named
        name = request.sni or request.host
        return self.known(name) or (self.known(self._default) if self._default else None) or self._unknown(name)

    def _lookup(self, canonical: str) -> VirtualHost | None:
        configured = self._configured.get(canonical)
        if configured is None and self._tree.has_host(canonical):
            return VirtualHost(canonical, Host(), self._tokens, self._tally, explicit=False)
        return configured

    def _without_port(self, canonical: str) -> VirtualHost | None:
        """``quay.io:443`` is ``quay.io``, and ``plain.example.com:80`` is ``plain.example.com`` if that speaks http."""
        name, colon, port = canonical.rpartition(":")
        found = self._lookup(canonical_host(name)) if port in {"443", "80"} else None
        if found is None or colon + port != _DEFAULT_PORT.get(found.config.scheme, ":443"):
            return None
        return found

    def _unknown(self, name: str) -> VirtualHost:
        """A host that has nothing yet. Its name goes into headers, so one with odd characters has none."""
        shown = canonical_host(name) if is_printable(name) else ""
        return VirtualHost(shown, Host(), self._tokens, self._tally, explicit=False)


def is_printable(name: str) -> bool:
    """Whether a name that a client says can go into headers."""
    return _PRINTABLE.fullmatch(name) is not None


def holder_for(request: Request, host: VirtualHost) -> str:
    """Whose certificate a request came with, if it is one that counts for this host; empty if not."""
    mtls, certified = host.config.mtls, request.certified
    return certified.user if certified is not None and mtls is not None and certified.ca == mtls.ca else ""


def namespace_of(request: Request) -> str:
    """The upstream registry that a client of a mirror asks for: ``?ns=`` (distribution specification, "Registry
    Proxying"), empty if none. It is a key to look up, never a place to connect to."""
    if "ns=" not in request.query:
        return ""
    return next((value for key, value in parameters(request.query) if key == "ns"), "")
