"""What tests say about hosts and faults: as structs, or as the dictionaries that a configuration file would hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from fake_registry.config import (
    Auth,
    Certificates,
    Fault,
    FaultAction,
    FaultMatch,
    Host,
    Hosts,
    Ldap,
    ServerCertificate,
)
from fake_registry.core.faults import EVERYWHERE
from fake_registry.core.links import ready_redirects
from fake_registry.core.passwords import read_htpasswd
from fake_registry.core.realms import RealmError, check_realms
from fake_registry.directory import usable
from fake_registry.errors import UsageError
from fake_registry.mtls import check_authority

HostOptions = Mapping[str, Host | Mapping[str, Any]]
"""Hosts by name, each as in the ``hosts`` part of a configuration file."""

CertificateOptions = Mapping[str, ServerCertificate | Mapping[str, Any]]
"""Certificates by the hosts that show them: ``cert`` and ``key``, as PEM or as names of files."""

FaultOption = Fault | Mapping[str, Any]
"""A fault rule: as in a configuration file, or flat, and in both cases with ``host`` if it is not for all of them."""

T = TypeVar("T")


def _spellings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The names of a struct's fields in files, by those and by the names in Python."""
    fields = msgspec.structs.fields(struct)
    return {spelling: field.encode_name for field in fields for spelling in (field.name, field.encode_name)}


_OF_MATCH: Final = _spellings(FaultMatch)
_OF_ACTION: Final = _spellings(FaultAction)
_OF_RULE: Final = frozenset({"name", "times"})


def hosts_of(options: HostOptions | None) -> Hosts:
    """The configuration of hosts.

    Raises:
        UsageError: a field that there is not, or a value that it cannot have.
    """
    hosts = {name: _converted(host, Host, f"hosts[{name!r}]") for name, host in (options or {}).items()}
    for name, host in list(hosts.items()):
        if host.mtls is not None and host.mtls.ca:
            try:
                check_authority(host.mtls.ca)
            except ValueError as error:
                raise UsageError(f"hosts[{name!r}].mtls.ca: {error}") from None
        if host.auth is not None and host.auth.htpasswd:
            try:
                read_htpasswd(host.auth.htpasswd)
            except ValueError as error:
                raise UsageError(f"hosts[{name!r}].auth.htpasswd: {error}") from None
        if host.auth is not None and host.auth.ldap is not None:
            hosts[name] = _with_directory(host, host.auth, host.auth.ldap, f"hosts[{name!r}]")
        if host.blob_redirects is not None:
            try:
                ready = ready_redirects(host.blob_redirects, hosts, None, os.environ)
            except ValueError as error:
                raise UsageError(f"hosts[{name!r}].blobRedirects.{error}") from None
            hosts[name] = msgspec.structs.replace(hosts[name], blob_redirects=ready)
        if host.auth is not None and host.auth.keys:
            from fake_registry.core.trusted_keys import read_keys  # noqa: PLC0415 - few have any

            try:
                read_keys(host.auth.keys)
            except ValueError as error:
                raise UsageError(f"hosts[{name!r}].auth.keys: {error}") from None
    try:
        check_realms(hosts)
    except RealmError as error:
        raise UsageError(f"hosts[{error.host!r}].auth.{error.field}: {error}") from None
    return hosts


def _with_directory(host: Host, auth: Auth, ldap: Ldap, where: str) -> Host:
    """A host with what its directory's files hold (raises `UsageError`)."""
    try:
        found = usable(ldap, lambda file: Path(file).read_text())
    except ValueError as error:
        raise UsageError(f"{where}.auth.ldap.{error}") from None
    return msgspec.structs.replace(host, auth=msgspec.structs.replace(auth, ldap=found))


def certificates_of(options: CertificateOptions | None) -> Certificates:
    """The certificates that hosts show in place of made ones.

    Raises:
        UsageError: one that cannot be used.
    """
    if not options:
        return {}
    from fake_registry.given_certificates import usable  # noqa: PLC0415 - few have any

    found = {}
    for name, given in options.items():
        where = f"certificates[{name!r}]"
        try:
            found[name] = usable(_converted(given, ServerCertificate, where), lambda file: Path(file).read_text())
        except (OSError, ValueError) as error:
            raise UsageError(f"{where}: {error}") from None
    return found


def fault_of(option: FaultOption) -> tuple[str, Fault]:
    """The host (``*``: all) that a fault rule is for, and the rule.

    Flat is ``{"kind": "manifest", "nth": 1, "status": 503}`` in place of
    ``{"match": {"kind": "manifest", "nth": 1}, "action": {"status": 503}}``.

    Raises:
        UsageError: a field that there is not, or a value that it cannot have.
    """
    if isinstance(option, Fault):
        return EVERYWHERE, option
    fields = dict(option)
    host = fields.pop("host", EVERYWHERE)
    if not isinstance(host, str):
        raise UsageError(f"fault {option!r}: host has to be the name of one, or '*'")
    if not fields.keys() & {"match", "action"}:
        fields = _nested(fields)
    return host, _converted(fields, Fault, f"fault {option!r}")


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A flat rule as it stands in files."""
    nested: dict[str, Any] = {"match": {}, "action": {}}
    for name, value in flat.items():
        if name in _OF_RULE:
            nested[name] = value
        elif name in _OF_MATCH:
            nested["match"][_OF_MATCH[name]] = value
        elif name in _OF_ACTION:
            nested["action"][_OF_ACTION[name]] = value
        else:
            raise UsageError(f"fault {dict(flat)!r}: there is no field {name!r}")
    return nested


def _converted(value: object, kind: type[T], where: str) -> T:
    if isinstance(value, kind):
        return value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from None
