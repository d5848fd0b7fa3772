"""Directories (LDAP) that know the users of hosts: what asks them, and whether what is said of them can be used."""

from __future__ import annotations

from fake_registry.config import Ldap
from fake_registry.core.proofs import Passwords
from fake_registry.directory.settings import usable

__all__ = ["directory_of", "usable"]


def directory_of(ldap: Ldap) -> Passwords:
    """What asks a directory for users and their passwords."""
    from fake_registry.directory.users import Directory  # noqa: PLC0415 - few have any, and it takes an extra

    return Directory(ldap)
