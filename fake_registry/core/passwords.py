"""Password files as Apache's ``htpasswd`` writes them: names, and bcrypt hashes of passwords.

A hash takes a tenth of a second or more, on purpose: one is worked out at a time.

Sources: Apache, "Password Formats"; distribution, ``auth.htpasswd``, which takes bcrypt only, too.
"""

from __future__ import annotations

import math
import re
from typing import Final

from fake_registry.core.proofs import User

_LINE: Final = re.compile(r"([^:\s][^:]*):(\S+)")
_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_COSTLIEST: Final = 16
"""The logarithm of how often a hash is worked on: seconds. Each one more takes twice as long, and 31 takes days."""

_BYTES: Final = 72
"""Bytes of a password that bcrypt looks at, and htpasswd with it."""


def read_htpasswd(text: str) -> dict[str, str]:
    """The hashes by the names of the users.

    Raises:
        ValueError: a line is none of such a file, or its hash is none of bcrypt; or nothing here can check them.
    """
    try:
        import bcrypt  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ValueError("takes the extra htpasswd: pip install 'ismirror[htpasswd]'") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line.strip())
        if parts is None:
            raise ValueError(f"line {number}: expected NAME:HASH, as 'htpasswd -B' writes it")
        hashed = _BCRYPT.fullmatch(parts[2])
        if hashed is None:
            raise ValueError(
                f"line {number}: the hash of {parts[1]!r} is none of bcrypt; 'htpasswd -B' makes such ones"
            )
        if int(hashed[1]) > _COSTLIEST:
            raise ValueError(
                f"line {number}: the hash of {parts[1]!r} has the cost {hashed[1]}, which takes too long to check; "
                f"expected at most {_COSTLIEST}, as 'htpasswd -B -C 12' makes it"
            )
        found.setdefault(parts[1], parts[2])
    if not found:
        raise ValueError("there is nobody in it; 'htpasswd -B' adds users")
    return found


class HashedPasswords:
    """The users of a password file (its text). Their passwords stay what they are as long as it is not read again."""

    at_once: Final = 1
    lasts: Final = math.inf

    def __init__(self, text: str) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in read_htpasswd(text).items()}

    def hash_of(self, name: str) -> bytes | None:
        """The hash of a user's password, if there is such a user."""
        return self._hashes.get(name.encode())

    def user(self, name: bytes, password: bytes) -> User | None:
        """Whose name and password these are; None: nobody's. It takes as long for users that there are not."""
        hashed = self._hashes.get(name)
        some = hashed or next(iter(self._hashes.values()))
        return User(name.decode("utf-8", "replace")) if _matches(password, some) and hashed is not None else None


def _matches(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - an extra

    try:
        return bcrypt.checkpw(password[:_BYTES], hashed)
    except ValueError:  # a zero byte
        return False
