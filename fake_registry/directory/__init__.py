"""Directories (LDAP) that know the users of hosts: what asks them, and whether what is said of them can be used.

Few have any, and asking one takes an extra: nothing more is loaded than is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from fake_registry.config import Ldap
from fake_registry.core.proofs import Passwords

__all__ = ["directory_of", "usable"]


def directory_of(ldap: Ldap) -> Passwords:
    """What asks a directory for users and their passwords."""
    from fake_registry.directory.users import Directory  # noqa: PLC0415 - an extra

    return Directory(ldap)


def usable(ldap: Ldap, read: Callable[[str], str]) -> Ldap:
    """What is said of a directory, with what stands in other files; `read` reads them.

    Raises:
        ValueError: it cannot be used; begins with the field.
    """
    from fake_registry.directory.settings import resolved, settings_of  # noqa: PLC0415 - few have any

    found = resolved(ldap, read)
    try:
        import pyasn1  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ValueError("url: takes the extra ldap: pip install 'ismirror[ldap]'") from None
    settings_of(found)
    return found
