"""The registries that imports are allowed from (openshift-apiserver ``validation/whitelist``).

The list is asked twice: for each source of an import (``check_import``), and for each pull spec of an image stream
that is written (``check_pull_spec``). The two differ in how they find host and port, and in their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mirror.errors import InputError
from mirror.gotext import aggregate, quote
from mirror.hostport import join_host_port, split_host_port
from mirror.reference import DOCKER_HUB, DOCKER_HUB_V1, DOCKER_HUB_V2, InvalidReference, Reference

__all__ = ["AllowedRegistries", "AllowedRegistry"]

SHOWN = 5  # a longer list is cut to one less, and the rest counted

# Entries with one of these ports match a registry whose port is open: one without port, insecure access allowed.
PORTS_OF_ANY = frozenset({"80", "443", "*"})


class AllowedRegistry(msgspec.Struct, rename={"domain_name": "domainName"}, frozen=True):
    """An entry of ``allowedRegistriesForImport``: ``host`` or ``host:port``, either may contain ``*`` and ``?``."""

    domain_name: str
    insecure: bool = False


class _HostPort(NamedTuple):
    """A glob for the host and one for the port."""

    host: str
    port: str

    @classmethod
    def of(cls, domain_name: str, insecure: bool) -> _HostPort:
        """Raises ValueError for a text with more than one colon."""
        parts = domain_name.split(":")
        if len(parts) > 2:
            raise ValueError(f"failed to parse allowed registry {quote(domain_name)}: too many colons")
        return cls(parts[0], parts[1] if len(parts) == 2 else "80" if insecure else "443")

    def matches(self, host: str, port: str) -> bool:
        """Whether both are matched; an empty port is an open one."""
        if not _glob(self.host).fullmatch(host):
            return False
        return bool(_glob(self.port).fullmatch(port)) if port else self.port in PORTS_OF_ANY


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """A glob over the complete text as an expression: ``*`` for any characters, ``?`` for one, no escapes.

    What lies between two stars is taken where it first fits, for good, so that no text makes the search long.
    """
    first, *others = ["".join("." if one == "?" else re.escape(one) for one in chunk) for chunk in pattern.split("*")]
    if others:
        first += "".join(f"(?>.*?{chunk})" for chunk in others[:-1]) + f".*{others[-1]}"
    return re.compile(first, re.DOTALL)


class AllowedRegistries:
    """The list, and the repositories that are admitted besides it.

    No entries: everything is allowed. Otherwise the internal registry stands first in the list, as if it had been
    configured, unless it is in it already.

    Raises InputError for an entry with more than one colon.
    """

    def __init__(
        self,
        entries: Iterable[AllowedRegistry | Mapping[str, Any]] = (),
        internal_registry_hostname: str = "",
    ) -> None:
        self._list = _read(entries)
        self._repositories: frozenset[str] = frozenset()
        if self._list and internal_registry_hostname:
            try:
                internal = _HostPort.of(internal_registry_hostname, insecure=False)
            except ValueError:
                pass  # the API server ignores such a host name
            else:
                if internal not in self._list:
                    self._list.insert(0, internal)

    def admitting(self, pull_specs: Iterable[str]) -> AllowedRegistries:
        """A copy that also admits the repositories of these pull specs; what does not parse is passed over.

        An update of an image stream admits every repository that the stream refers to already.
        """
        copy = AllowedRegistries()
        copy._list = self._list
        copy._repositories = self._repositories.union(
            _canonical_repository(ref) for ref in map(_parse_or_none, pull_specs) if ref is not None
        )
        return copy

    def take_over(self, other: AllowedRegistries) -> None:
        """Makes this the same list as another one: whoever holds it sees the change."""
        self._list = other._list
        self._repositories = other._repositories

    def check_import(self, ref_text: str, insecure: bool) -> str | None:
        """The detail of a Forbidden error for a source of an import, or None when it is allowed.

        ``insecure`` is the import policy's; a port that is not written is then 80, and the list has to allow that.
        A text that does not parse counts as Docker Hub.
        """
        if not self._list:
            return None
        address = join_host_port(*(_parse_or_none(ref_text) or Reference()).registry_host_port(insecure))
        problem = self.check_reference(Reference(registry=address), insecure=False)
        return problem and f"importing images from registry {quote(address)} is forbidden: {problem}"

    def check_pull_spec(self, ref_text: str, insecure: bool) -> str | None:
        """The detail of a Forbidden error for a pull spec in an image stream, or None when it is allowed.

        ``insecure`` is that of the tag's import policy or the stream's annotation. A text that does not parse counts
        as Docker Hub: what is wrong with it has been said elsewhere.
        """
        return self.check_reference(_parse_or_none(ref_text) or Reference(), insecure)

    def check_reference(self, ref: Reference, insecure: bool) -> str | None:
        """``check_pull_spec`` for a parsed reference."""
        if not self._list or _canonical_repository(ref) in self._repositories:
            return None
        host, port = _any_transport(ref) if insecure else ref.registry_host_port(insecure=False)
        # Docker Hub's other names also match what is said of docker.io.
        hosts = [DOCKER_HUB, host] if host in {DOCKER_HUB_V1, DOCKER_HUB_V2} else [host]
        if any(entry.matches(each, port) for each in hosts for entry in self._list):
            return None
        shown = ref.registry or (join_host_port(host, port) if port else host)
        return f"registry {quote(shown)} not allowed by whitelist: {self._shown()}"

    def _shown(self) -> str:
        texts = [quote(join_host_port(*entry)) for entry in self._list]
        if len(texts) > SHOWN:
            hidden = len(texts) - SHOWN + 1
            texts = [*texts[: SHOWN - 1], f"and {hidden} more ..."]
        return ", ".join(texts)


def _read(entries: Iterable[AllowedRegistry | Mapping[str, Any]]) -> list[_HostPort]:
    """The entries in their order; of equal ones the last. Raises InputError."""
    registries = []
    for index, entry in enumerate(entries):
        try:
            registries.append(entry if isinstance(entry, AllowedRegistry) else msgspec.convert(entry, AllowedRegistry))
        except msgspec.ValidationError as error:
            raise InputError(f"allowedRegistriesForImport[{index}]: {error}") from None
    # As upstream, which puts each entry in front of those behind it.
    found: list[_HostPort] = []
    problems: list[str] = []
    for registry in reversed(registries):
        try:
            globs = _HostPort.of(registry.domain_name, registry.insecure)
        except ValueError as error:
            problems.append(str(error))
        else:
            if globs not in found:
                found.insert(0, globs)
    if problems:
        raise InputError(f"allowedRegistriesForImport: {aggregate(problems)}")
    return found


def _any_transport(ref: Reference) -> tuple[str, str]:
    """Host and port where insecure access is allowed: a port that is not written stays open, and so empty."""
    host, port = split_host_port(ref.registry) or ("", "")
    if not port:
        host, port = ref.registry, ""
    return host or ref.registry_host_port(insecure=False)[0], port


def _canonical_repository(ref: Reference) -> str:
    return ref.docker_client_defaults().as_repository().exact()


def _parse_or_none(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InvalidReference:
        return None
