"""Tokens that somebody else issues: a token server of Docker's kind, or an OpenID provider.

Everything that a token says is checked here; nobody is asked. Checked tokens are remembered until they expire, but for
those with certificates: these may expire before.

Sources: RFC 7519, RFC 8725; distribution, "Token Authentication Implementation", "Verifying the token", whose leeway
this is.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fake_registry.config import Auth
from fake_registry.core.access import AccessRules
from fake_registry.core.proofs import User
from fake_registry.core.tokens import Access, Bearer, InvalidToken, from_base64url
from fake_registry.core.trusted_keys import ALGORITHMS, PublicKey, read_keys
from fake_registry.ldap_text import folded

LEEWAY: Final = 60
"""Seconds by which the clocks of issuer and registry may differ."""

_MAX_TOKEN: Final = 16 * 1024
_MAX_USER: Final = 300
_MAX_REMEMBERED: Final = 2048


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    x5c: list[str] | None = None
    crit: Any = None


class _Checked(NamedTuple):
    bearer: Bearer
    begins: float
    ends: float
    is_certified: bool = False


class ForeignTokens:
    """Reads the tokens that the issuer of a host's `auth` signs for a service; `rules` are the host's.

    Raises:
        ValueError: its keys cannot be used.
    """

    def __init__(self, auth: Auth, service: str, clock: Callable[[], float], rules: AccessRules | None = None) -> None:
        self._issuer = auth.issuer
        self._user_claim = auth.user_claim
        self._groups_claim = auth.groups_claim
        self._rules = rules
        self._service = service
        self._clock = clock
        self._keys = read_keys(auth.keys)
        self._remembered: OrderedDict[str, _Checked] = OrderedDict()

    def read(self, token: str) -> Bearer:
        """Whose token it is, and what it allows.

        Raises:
            InvalidToken: it does not count.
        """
        now = self._clock()
        checked = self._remembered.get(token)
        if checked is None:
            checked = self._checked(token, now)
            if not checked.is_certified:
                self._remembered[token] = checked
                if len(self._remembered) > _MAX_REMEMBERED:
                    self._remembered.popitem(last=False)
        if now >= checked.ends:
            self._remembered.pop(token, None)
            raise InvalidToken("the token has expired")
        if now < checked.begins:
            raise InvalidToken("the token is not valid yet")
        return checked.bearer

    def _checked(self, token: str, now: float) -> _Checked:
        """What a token says whose signature is right. When it counts is not looked at."""
        if len(token) > _MAX_TOKEN or not token.isascii() or token.count(".") != 2:
            raise InvalidToken("what was sent is no JSON web token")
        try:
            header = msgspec.json.decode(from_base64url(token.partition(".")[0]), type=_Header)
        except (ValueError, RecursionError):
            raise InvalidToken("the token has no usable header") from None
        if header.alg not in ALGORITHMS:
            raise InvalidToken(f"the token is signed with {header.alg[:20]!r}, which does not count")
        if header.crit is not None:
            raise InvalidToken("the token has an extension that has to be understood (crit)")
        payload = _payload(token, header.alg, self._candidates(header, now))
        try:
            claims = json.loads(payload, parse_constant=_no_number)
        except (ValueError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise InvalidToken("the token has no usable claims")
        return self._said(claims)._replace(is_certified=header.x5c is not None)

    def _candidates(self, header: _Header, now: float) -> list[PublicKey]:
        """The keys that may have signed a token, by its header."""
        if header.x5c is not None:
            try:
                found = self._keys.certified(header.x5c, header.alg, now)
            except ValueError as error:
                raise InvalidToken(str(error)) from None
        else:
            found = self._keys.candidates(header.kid, header.alg)
        if not found:
            named = "" if header.kid is None or header.x5c is not None else f" {header.kid[:100]!r}"
            raise InvalidToken(f"the token is signed with a key{named} that is not trusted, or not for {header.alg}")
        return found

    def _said(self, claims: Mapping[str, Any]) -> _Checked:
        if claims.get("iss") != self._issuer:
            raise InvalidToken("the token is of another issuer")
        audience = claims.get("aud")
        if self._service not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidToken("the token is for another service")
        ends = _time(claims, "exp")
        if ends is None:
            raise InvalidToken("the token does not say when it expires")
        begins = [time for time in (_time(claims, "nbf"), _time(claims, "iat")) if time is not None]
        user = User(self._user(claims), self._groups(claims))
        bearer = Bearer(user, _access(claims["access"]) if "access" in claims else None)
        if bearer.access is None and not user.name:
            raise InvalidToken(f"the token has no claim {self._user_claim!r} that says who its user is")
        return _Checked(bearer, max(begins, default=-math.inf) - LEEWAY, ends + LEEWAY)

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The groups of the user, as the host's rules call them; what is no name of a group is none."""
        if self._rules is None:
            return frozenset()
        said = claims.get(self._groups_claim)
        named = [group for group in said if isinstance(group, str)] if isinstance(said, list) else []
        return self._rules.groups_of(User("", frozenset(map(folded, named))))

    def _user(self, claims: Mapping[str, Any]) -> str:
        user = claims.get(self._user_claim, "")
        if not isinstance(user, str) or len(user) > _MAX_USER or not user.isprintable():
            raise InvalidToken(f"the token's claim {self._user_claim!r} is no name of a user")
        return user


def _payload(token: str, algorithm: str, keys: list[PublicKey]) -> bytes:
    """The claims of a token that one of these keys has signed."""
    import jwt  # noqa: PLC0415 - an extra

    signatures = jwt.PyJWS(algorithms=[algorithm])
    for key in keys:
        try:
            decoded = signatures.decode_complete(token, key=key, algorithms=[algorithm])
        except jwt.exceptions.PyJWTError:
            continue
        found: bytes = decoded["payload"]
        return found
    raise InvalidToken("the token has a wrong signature")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A time, in seconds since 1970, if the token says it."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**53:
        raise InvalidToken(f"the token's claim {name!r} is no time")
    return float(value)


def _access(claim: object) -> list[Access]:
    """What a token allows (``access``: a list of ``{type, name, actions}``; null: nothing)."""
    try:
        return msgspec.convert(claim, list[Access] | None) or []
    except msgspec.ValidationError:
        raise InvalidToken("the token's claim 'access' is none of the token specification") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
