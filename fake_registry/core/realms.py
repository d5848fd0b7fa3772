"""Where clients get tokens: the realm of a host, on the host itself, on another one of this registry, or elsewhere."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from fake_registry.config import Auth, Host, Hosts
from fake_registry.core import paths
from fake_registry.fixtures import canonical_host

_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}
_OF_ISSUERS: Final = {"realm": "", "issuer": "", "keys": "", "user_claim": "sub", "groups_claim": "groups"}
_FREE: Final = frozenset({paths.TOKEN, paths.BELOW, paths.ELSEWHERE})


class Realm(NamedTuple):
    """A realm as challenges say it, the canonical host that it is on (without the default port), and its path."""

    url: str
    host: str
    path: str

    @property
    def place(self) -> str:
        """Where its token endpoint is, however the URL spells that."""
        return f"{self.host}{self.path}"


class RealmError(ValueError):
    """The realms of several hosts do not go together; `host` is one of them, and `field` one of its `auth`."""

    def __init__(self, host: str, field: str, problem: str) -> None:
        super().__init__(problem)
        self.host = host
        self.field = field


def realm_of(name: str, scheme: str, auth: Auth) -> Realm:
    """The realm of the host `name`, which is spoken to by `scheme`."""
    if not auth.realm:
        return Realm(f"{scheme}://{name}{paths.TOKEN}", name, paths.TOKEN)
    url = urlsplit(auth.realm)
    host = canonical_host(url.netloc.removesuffix(_DEFAULT_PORT[url.scheme]))
    return Realm(auth.realm, host, paths.decoded(url.path) or "/")


def moved(challenge: str, realm: Realm, address: str, *, secure: bool, namespace: str = "") -> str:
    """A challenge of `realm` for a client that knows nothing but the address of the registry (and says by ``ns`` which
    host it means, where `namespace` is the realm's): the token endpoint is there, too."""
    url = urlsplit(realm.url)
    added = urlencode({"ns": namespace}) if namespace else ""
    query = "&".join(filter(None, (url.query, added)))
    there = url._replace(scheme="https" if secure else "http", netloc=address, path=url.path or "/", query=query)
    return challenge.replace(f'realm="{realm.url}"', f'realm="{there.geturl()}"')


def is_free(path: str) -> bool:
    """Whether a decoded path is none that the registry answers itself, so that a token endpoint can be there."""
    return paths.parse_path(path).pattern in _FREE


def check_realms(hosts: Hosts) -> None:
    """Checks that token endpoints are where they can be, and that hosts with one service have the same users.

    Raises:
        RealmError: says which host is meant.
    """
    canonical = {canonical_host(name) for name in hosts}
    seen: dict[tuple[str, str, str], tuple[str, Host]] = {}
    for name, host in hosts.items():
        auth = host.auth
        if auth is None or auth.type != "bearer":
            continue
        realm = realm_of(canonical_host(name), "http" if host.scheme == "http" else "https", auth)
        if realm.host not in canonical:
            continue
        if not is_free(realm.path):
            problem = f"the registry itself answers {realm.path} on {realm.host}; expected a path such as /token"
            raise RealmError(name, "realm", problem)
        service = auth.service or canonical_host(name)
        other, first = seen.setdefault((realm.host, realm.path, service), (name, host))
        if canonical_host(other) != canonical_host(name) and _users(first) != _users(host):
            problem = f"{other} has the service {service!r} of this realm, with other users or another access"
            raise RealmError(name, "service" if auth.service else "realm", problem)


def _users(host: Host) -> tuple[object, object]:
    """What decides who gets tokens of a host, and for what."""
    assert host.auth is not None
    return msgspec.structs.replace(host.auth, service="", **_OF_ISSUERS), host.access
