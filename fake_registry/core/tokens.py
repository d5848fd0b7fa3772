"""Tokens that the registry issues itself, and what a token of anybody says.

They are JSON web tokens, signed with one key (RFC 7519, HS256). Whoever has the key takes them for good: all processes
of a registry, and registries that share it. What is signed with keys of others is in
`fake_registry.core.foreign_tokens`.

Sources: distribution, "Token Authentication Implementation" and "Docker Registry v2 authentication using OAuth2".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from fake_registry.core.proofs import User

LIFETIME: Final = 300
"""Seconds that a token is good for."""

_MAX_REMEMBERED: Final = 4096


class InvalidToken(Exception):
    """A token that does not count; says why, for people who look into the journal."""


class Access(msgspec.Struct, frozen=True):
    """Some actions on one resource: ``repository:app/web:pull,push``."""

    type: str
    name: str
    actions: list[str]


class Audience(NamedTuple):
    """What a token is for: the service that takes it, and the realm whose token endpoint issues it."""

    service: str
    realm: str = ""


class Bearer(NamedTuple):
    """Who brings a token, and what it allows; None: what the host's rules let the user do."""

    user: User
    access: Sequence[Access] | None

    def allows(self, needed: Access) -> bool:
        """Whether the token itself allows all actions of `needed`; ``*`` is all of them."""
        granted = {
            action
            for access in self.access or ()
            if access.type == needed.type and access.name == needed.name
            for action in access.actions
        }
        return "*" in granted or granted.issuperset(needed.actions)


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token says: for which service, of whom (empty: anybody), until when, what is allowed, by which realm, and
    the groups of access rules that the user belongs to."""

    aud: str
    sub: str
    iat: int
    exp: int
    access: list[Access]
    iss: str = ""
    groups: list[str] = []


class RefreshClaims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a refresh token says: for which service, of whom, and what stands for their password (`Tokens.mark`)."""

    aud: str
    sub: str
    mark: str
    iss: str = ""


T = TypeVar("T")


class Tokens:
    """Issues and reads tokens."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self.clock = clock
        self._remembered: dict[str, Claims] = {}

    def derived_key(self, purpose: str) -> bytes:
        """A key for something else that is signed: good for as long as this one, and by the same processes."""
        return hmac.digest(self._key, purpose.encode(), "sha256")

    def issue(
        self, service: str, user: User, access: Sequence[Access], *, realm: str = "", age: int = 0
    ) -> tuple[str, int]:
        """A token and the time (seconds since 1970) at which it was issued, which is `age` seconds ago."""
        issued = int(self.clock()) - age
        claims = Claims(
            aud=service,
            sub=user.name,
            iat=issued,
            exp=issued + LIFETIME,
            access=list(access),
            iss=realm,
            groups=sorted(user.groups),
        )
        return self._signed(_ACCESS, claims), issued

    def read(self, token: str, service: str, *, realm: str = "") -> Claims | None:
        """What a token says, or None if it is none of ours, expired or for another service."""
        claims = self._remembered.get(token)
        if claims is None:
            claims = self._parsed(_ACCESS, token, Claims)
            if claims is None:
                return None
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = claims
        is_meant = claims.aud == service and claims.iss == realm
        # Another replica may have issued it, whose clock is ahead by less than a second.
        return claims if is_meant and claims.iat - 1 < self.clock() < claims.exp else None

    def issue_refresh(self, audience: Audience, user: str, mark: str) -> str:
        """A refresh token, good as long as the user has the password that `mark` stands for."""
        return self._signed(_REFRESH, RefreshClaims(aud=audience.service, sub=user, mark=mark, iss=audience.realm))

    def read_refresh(self, token: str, audience: Audience) -> RefreshClaims | None:
        """What a refresh token says, or None if it is none of ours or for another service."""
        claims = self._parsed(_REFRESH, token, RefreshClaims)
        return claims if claims is not None and (claims.aud, claims.iss) == audience else None

    def mark(self, user: str, password: bytes) -> str:
        """Stands for a user's password, or a hash of it, and tells nobody what it is."""
        name = user.encode("utf-8", "replace")
        return _base64url(hmac.digest(self._key, b"mark:%d:%b%b" % (len(name), name, password), "sha256"))

    def _signed(self, header: str, claims: msgspec.Struct) -> str:
        signed = f"{header}.{_base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def _parsed(self, header: str, token: str, kind: type[T]) -> T | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode("utf-8", "replace")):
            return None
        head, _, payload = signed.partition(".")
        try:
            return msgspec.json.decode(from_base64url(payload), type=kind) if head == header else None
        except ValueError:  # of somebody else who has the key, and says other things
            return None

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._key, signed.encode("utf-8", "replace"), "sha256"))


def from_base64url(text: str) -> bytes:
    """The bytes of base64url without padding (raises `ValueError` if it is none)."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_ACCESS: Final = _base64url(b'{"alg":"HS256","typ":"JWT"}')
_REFRESH: Final = _base64url(b'{"alg":"HS256","typ":"refresh+jwt"}')


def is_own(token: str) -> bool:
    """Whether a token looks like one that a registry of this kind issues."""
    return token.startswith(f"{_ACCESS}.")
