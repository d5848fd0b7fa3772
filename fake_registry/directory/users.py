"""Users of a directory: who has which password, and is in which groups.

Sources: RFC 4511; RFC 4513, section 5.1 (what a bind without name or password proves: nothing).
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterable
from typing import Final

from fake_registry.config import Ldap, seconds
from fake_registry.core.proofs import User
from fake_registry.directory.connection import SUCCESS, Connection
from fake_registry.directory.messages import Entry, Result
from fake_registry.directory.settings import USER, Server, settings_of
from fake_registry.errors import DirectoryError
from fake_registry.ldap_text import Present, canonical, escaped, folded, is_below, read_name, written

_REFUSED: Final = frozenset({19, 32, 34, 48, 49, 50, 53})
"""Result codes of a bind by which the server says no to this name and password: wrong, unknown, locked, none at all."""

_LONGEST_NAME: Final = 256
_MOST_GROUPS: Final = 1000
_ANY: Final = Present("objectClass")
_PLAIN: Final = re.compile(r"[\w.-]+")


class Directory:
    """The users of a directory. Servers are asked in turn, from the one on that answered last."""

    at_once: Final = 3

    def __init__(self, ldap: Ldap) -> None:
        self._ldap = ldap
        self._settings = settings_of(ldap)
        self._first = 0
        self._timeout = seconds(ldap.timeout)
        self._lasts = seconds(ldap.cache_for)
        self._context: ssl.SSLContext | None = None
        if ldap.start_tls or any(server.scheme == "ldaps" for server in self._settings.servers):
            self._context = _context(ldap.ca)

    @property
    def lasts(self) -> float:
        """Seconds for which who has proved to know a password need not do so again."""
        return self._lasts

    def user(self, name: bytes, password: bytes) -> User | None:
        """Whose name and password these are; None: nobody's. It takes its time, at most ``timeout`` for each server.

        Raises:
            DirectoryError: no server can say; the text has what is wrong with each.
        """
        given = _readable(name)
        if given is None or not password or b"\0" in password:  # some servers take what ends there for empty
            return None
        servers, problems = self._settings.servers, []
        for step in range(len(servers)):
            number = (self._first + step) % len(servers)
            try:
                found = self._asked(servers[number], given, password)
            except DirectoryError as error:
                problems.append(str(error))
                continue
            self._first = number
            return found
        raise DirectoryError("; ".join(problems))

    def _asked(self, server: Server, given: str, password: bytes) -> User | None:
        with Connection(server, self._context, self._timeout) as connection:
            if self._ldap.start_tls:
                connection.start_tls()
            if self._ldap.user_dn:
                return self._bound_at_once(connection, given, password)
            return self._found_and_bound(connection, given, password)

    def _found_and_bound(self, connection: Connection, given: str, password: bytes) -> User | None:
        self._bind(connection)
        entry = self._entry(connection, given)
        if entry is None or not entry.name or not _accepted(connection, connection.bind(entry.name, password)):
            return None
        if self._settings.groups is not None:
            self._bind(connection)
        return self._described(connection, given, entry)

    def _bound_at_once(self, connection: Connection, given: str, password: bytes) -> User | None:
        name = self._ldap.user_dn
        if "=" in name:
            name = name.replace(USER, escaped(given.encode()))
        elif _PLAIN.fullmatch(given) is not None:
            name = name.replace(USER, given)
        else:
            return None
        if not _accepted(connection, connection.bind(name, password)):
            return None
        if self._settings.users is not None:
            entry = self._entry(connection, given)
            if entry is None or not self._is_its_own(connection, name, entry, password):
                return None
            return self._described(connection, given, entry)
        if "=" not in name:
            return _user(given, (), ())
        found = connection.search(name, _ANY, {}, self._attributes(), below=False, most=1) or []
        return self._described(connection, given, found[0] if found else Entry(name, {}))

    def _is_its_own(self, connection: Connection, name: str, entry: Entry, password: bytes) -> bool:
        """Whether the entry that was found is that of the name that has proved the password: by its own name, or by
        proving it once more. What users call themselves may be what others are found by."""
        with contextlib.suppress(ValueError):
            if canonical(read_name(name)) == canonical(read_name(entry.name)):
                return True
        return bool(entry.name) and _accepted(connection, connection.bind(entry.name, password))

    def _bind(self, connection: Connection) -> None:
        """Asks as whoever may look for users; as nobody, if that is not said."""
        if self._ldap.bind_dn:
            result = connection.bind(self._ldap.bind_dn, self._ldap.bind_password.encode())
            if result.code != SUCCESS:
                raise connection.refused(f"bind as {self._ldap.bind_dn!r}", result)

    def _entry(self, connection: Connection, given: str) -> Entry | None:
        """The entry of a user; None: there is none, or several, of which nobody knows which one is meant."""
        assert self._settings.users is not None
        places = {"user": given.encode()}
        found = connection.search(self._ldap.base_dn, self._settings.users, places, self._attributes(), most=1)
        return found[0] if found else None

    def _attributes(self) -> list[str]:
        return [name for name in (self._ldap.user_attribute, self._ldap.group_attribute) if name]

    def _described(self, connection: Connection, given: str, entry: Entry) -> User | None:
        """Who an entry is, and in which groups."""
        names = _texts(entry.attributes.get(self._ldap.user_attribute.lower(), ()))
        groups = list(_texts(entry.attributes.get(self._ldap.group_attribute.lower(), ())))
        if self._settings.groups is not None:
            base = self._ldap.group_base_dn or self._ldap.base_dn
            places = {"user": given.encode(), "dn": entry.name.encode()}
            found = connection.search(base, self._settings.groups, places, ["1.1"], most=_MOST_GROUPS)
            if found is None:
                raise DirectoryError(f"more than {_MOST_GROUPS} groups of {given!r}")
            groups += [group.name for group in found]
        return _user(given, names, (spelling for group in groups for spelling in self._spellings(group)))

    def _spellings(self, group: str) -> Iterable[str]:
        """What rules may call a group: its distinguished name, and its own name, neither of which can be taken for the
        other."""
        base = self._settings.group_base
        try:
            name = canonical(read_name(group))
        except ValueError:
            return () if base is not None or "=" in group else (folded(group),)
        if base is not None and not is_below(name, base):
            return ()
        own = name[0][0].value
        return (written(name),) if "=" in own else (written(name), own)


def _user(given: str, names: Iterable[str], groups: Iterable[str]) -> User | None:
    """A user by the name that the directory has for whom the client means: that is one, however it is written."""
    alike = [name for name in names if folded(name) == folded(given)]
    name = min(alike or names, default=folded(given))
    return User(name, frozenset(groups), elsewhere=True) if name and name.isprintable() else None


def _texts(values: Iterable[bytes]) -> list[str]:
    found = []
    for value in values:
        try:
            found.append(value.decode())
        except UnicodeDecodeError:
            continue
    return found


def _readable(name: bytes) -> str | None:
    """The name that a client gives, if anybody can have such a one."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    return text if text.strip() and text.isprintable() and len(text) <= _LONGEST_NAME else None


def _accepted(connection: Connection, result: Result) -> bool:
    """Whether a server takes a name and password for right (raises `DirectoryError` if it cannot say)."""
    if result.code != SUCCESS and result.code not in _REFUSED:
        raise connection.refused("bind as a user", result)
    return result.code == SUCCESS


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=ca)
    else:
        context.load_default_certs()
    return context
