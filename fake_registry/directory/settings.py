"""What is said of a directory, read and checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from fake_registry.config import Ldap, seconds
from fake_registry.ldap_text import Filter, Name, canonical, places_of, read_filter, read_name
from fake_registry.mtls import check_authority

USER: Final = "{user}"

_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*")

_PORTS: Final = {"ldap": 389, "ldaps": 636}

T = TypeVar("T")


class Server(NamedTuple):
    """Where a directory is, and whether it speaks TLS there from the beginning."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def server_of(url: str) -> Server:
    """
    Raises:
        ValueError: this is no URL of a directory.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in _PORTS or parts.path.strip("/") or parts.query or parts.username is not None:
        raise ValueError(f"{url[:200]!r}: expected ldap://HOST[:PORT] or ldaps://HOST[:PORT]")
    return Server(parts.scheme, host, port or _PORTS[parts.scheme])


class Settings(NamedTuple):
    """How a directory is asked. ``users`` finds the entry of a user; None: there is no place to look for it."""

    servers: tuple[Server, ...]
    users: Filter | None
    groups: Filter | None
    group_base: Name | None


def resolved(ldap: Ldap, read: Callable[[str], str]) -> Ldap:
    """What is said of a directory, with what stands in other files; `read` reads them.

    Raises:
        ValueError: one cannot be read, or there is no password in it; begins with the field.
    """
    if ldap.ca and "-----BEGIN" not in ldap.ca:
        ldap = msgspec.structs.replace(ldap, ca=_in("ca", read, ldap.ca))
    if ldap.bind_password_file:
        if ldap.bind_password:
            raise ValueError("bindPasswordFile: expected at most one of `bindPassword`, `bindPasswordFile`")
        password = _in("bindPasswordFile", read, ldap.bind_password_file).rstrip("\r\n")
        if not password:
            raise ValueError(f"bindPasswordFile: {ldap.bind_password_file}: there is no password in it")
        ldap = msgspec.structs.replace(ldap, bind_password=password, bind_password_file="")
    return ldap


def settings_of(ldap: Ldap) -> Settings:
    """
    Raises:
        ValueError: it cannot be used; begins with the field.
    """
    servers = _servers(ldap)
    if ldap.ca:
        _in("ca", check_authority, ldap.ca)
    if not _in("timeout", seconds, ldap.timeout):
        raise ValueError("timeout: expected more than 0")
    _in("cacheFor", seconds, ldap.cache_for)
    for field, name in (("baseDN", ldap.base_dn), ("groupBaseDN", ldap.group_base_dn)):
        if name:
            _in(field, read_name, name)
    _check_names(ldap)
    for field, attribute in (("userAttribute", ldap.user_attribute), ("groupAttribute", ldap.group_attribute)):
        if _ATTRIBUTE.fullmatch(attribute or "any") is None or (field == "userAttribute" and not attribute):
            raise ValueError(f"{field}: {attribute!r}: expected the name of an attribute, such as uid or memberOf")
    return Settings(
        servers, _users(ldap), _groups(ldap), canonical(read_name(ldap.group_base_dn)) if ldap.group_base_dn else None
    )


def _servers(ldap: Ldap) -> tuple[Server, ...]:
    urls = [ldap.url] if isinstance(ldap.url, str) else ldap.url
    servers = tuple(_in("url", server_of, url) for url in urls)
    for server in servers:
        if ldap.start_tls and server.scheme == "ldaps":
            raise ValueError(f"startTLS: {server} speaks TLS from the beginning; expected ldap:// with it")
        if server.scheme == "ldap" and not (ldap.start_tls or ldap.insecure or _is_near(server.host)):
            raise ValueError(
                f"url: {server}: passwords would go there in clear text; expected ldaps://, or startTLS: true, "
                "or insecure: true to have it so"
            )
    return servers


def _check_names(ldap: Ldap) -> None:
    """Checks who asks, and as whom a user proves to know the password."""
    if ldap.bind_dn and not ldap.bind_password:
        raise ValueError("bindDN: expected its password, too: bindPasswordFile")
    if ldap.bind_password and not ldap.bind_dn:
        raise ValueError("bindDN: expected whose password `bindPassword` or `bindPasswordFile` is")
    if not ldap.user_dn:
        if not ldap.base_dn:
            raise ValueError(
                "baseDN: expected where users are, such as 'ou=people,dc=example,dc=com', or else `userDN`"
            )
        return
    if ldap.bind_dn:
        raise ValueError("bindDN: with `userDN` nobody else is asked as; expected one of them")
    places = re.findall(r"\{([^{}]*)\}", ldap.user_dn)
    if set(places) != {"user"}:
        raise ValueError(
            f"userDN: {ldap.user_dn!r}: expected {USER} in it, as in 'uid={USER},ou=people,dc=example,dc=com'"
        )
    if "=" in ldap.user_dn:
        _in("userDN", read_name, ldap.user_dn)


def _users(ldap: Ldap) -> Filter | None:
    if not ldap.base_dn:
        if ldap.user_filter:
            raise ValueError("userFilter: expected `baseDN`, too: where it looks for users")
        return None
    text = ldap.user_filter or f"({ldap.user_attribute}={USER})"
    found = _in("userFilter", lambda text: read_filter(text, frozenset({"user"})), text)
    if not places_of(found):
        raise ValueError(f"userFilter: {text!r}: expected {USER} in it, as in '(uid={USER})'")
    return found


def _groups(ldap: Ldap) -> Filter | None:
    if not ldap.group_filter:
        return None
    if not (ldap.group_base_dn or ldap.base_dn):
        raise ValueError("groupFilter: expected `groupBaseDN`, too: where it looks for groups")
    found = _in("groupFilter", lambda text: read_filter(text, frozenset({"user", "dn"})), ldap.group_filter)
    if not places_of(found):
        raise ValueError(
            f"groupFilter: {ldap.group_filter!r}: expected {{dn}} or {USER} in it, as in '(member={{dn}})'"
        )
    return found


def _in(field: str, check: Callable[[str], T] | Callable[[float | str], T], value: float | str) -> T:
    """What a check makes of the value of a field; says which one where it is wrong."""
    try:
        return check(value)  # type: ignore[arg-type]
    except OSError as error:
        raise ValueError(f"{field}: {value}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _is_near(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
