"""Password files as Apache's ``htpasswd`` writes them: names, and bcrypt hashes of passwords.

A hash takes a tenth of a second or more, on purpose. It is worked out beside the event loop, one at a time, and whoever
has proved to know a password is remembered: by a keyed hash that ends with the process, never by the password.

Sources: Apache, "Password Formats"; distribution, ``auth.htpasswd``, which takes bcrypt only, too.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections import OrderedDict
from typing import Final

_LINE: Final = re.compile(r"([^:\s][^:]*):(\S+)")
_BCRYPT: Final = re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_REMEMBERED: Final = 1024
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
        if _BCRYPT.fullmatch(parts[2]) is None:
            raise ValueError(
                f"line {number}: the hash of {parts[1]!r} is none of bcrypt; 'htpasswd -B' makes such ones"
            )
        found.setdefault(parts[1], parts[2])
    if not found:
        raise ValueError("there is nobody in it; 'htpasswd -B' adds users")
    return found


class HashedPasswords:
    """The users of a password file (its text), and who of them has proved to know their password."""

    def __init__(self, text: str) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in read_htpasswd(text).items()}
        self._key = secrets.token_bytes(32)
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._turns = asyncio.Lock()

    def proved(self, name: bytes, password: bytes) -> bool:
        """Whether this is the password of a user, as far as anybody has looked."""
        mark = self._mark(name, password)
        if mark not in self._proved:
            return False
        self._proved.move_to_end(mark)
        return True

    def hash_of(self, name: str) -> bytes | None:
        """The hash of a user's password, if there is such a user."""
        return self._hashes.get(name.encode())

    async def look(self, name: bytes, password: bytes) -> None:
        """Finds out whether this is the password of a user. It takes as long for users that there are not."""
        if self.proved(name, password):
            return
        async with self._turns:
            if self.proved(name, password):  # somebody else has waited for the same
                return
            hashed = self._hashes.get(name)
            some = hashed or next(iter(self._hashes.values()))
            if await asyncio.to_thread(_matches, password, some) and hashed is not None:
                self._proved[self._mark(name, password)] = None
                if len(self._proved) > _REMEMBERED:
                    self._proved.popitem(last=False)

    def _mark(self, name: bytes, password: bytes) -> bytes:
        return hmac.digest(self._key, b"%d:%b%b" % (len(name), name, password), "sha256")


def _matches(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - an extra

    try:
        return bcrypt.checkpw(password[:_BYTES], hashed)
    except ValueError:  # a zero byte
        return False
