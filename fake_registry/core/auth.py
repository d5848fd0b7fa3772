"""Who may do what: challenges, Basic credentials and the tokens of the token endpoint.

Sources: RFC 7617; distribution, "Token Authentication Specification" and "Token Authentication Implementation".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from fake_registry.config import Auth, TokenFlaw
from fake_registry.core import errors
from fake_registry.core.access import READING, AccessRules
from fake_registry.core.messages import JSON, Request, Response
from fake_registry.core.passwords import HashedPasswords
from fake_registry.core.paths import parameters
from fake_registry.fixtures import is_repository_name

LIFETIME: Final = 300
"""Seconds that a token is good for."""

BASIC_CHALLENGE: Final = 'Basic realm="ismirror"'

_MAX_SCOPES: Final = 64
_MAX_REMEMBERED: Final = 4096
_USER_ACTIONS: Final = frozenset({"pull", "push", "delete"})
_FLAWS: Final = {"refused": "invalid_token", "expired": "invalid_token", "wrongScope": "insufficient_scope"}
_ELSEWHERE: Final = "ismirror/none-of-yours"
_JWT_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


class Access(msgspec.Struct, frozen=True):
    """Some actions on one resource: ``repository:app/web:pull,push``."""

    type: str
    name: str
    actions: list[str]


class Claims(msgspec.Struct, frozen=True):
    """What a token says: for which host, of whom (empty: anybody), until when, and what is allowed."""

    aud: str
    sub: str
    iat: int
    exp: int
    access: list[Access]

    def allows(self, needed: Access) -> bool:
        """Whether all actions of `needed` are allowed."""
        granted = {
            action
            for access in self.access
            if access.type == needed.type and access.name == needed.name
            for action in access.actions
        }
        return granted.issuperset(needed.actions)


class Tokens:
    """Issues and reads tokens: JSON web tokens, signed with one key (RFC 7519, HS256)."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self.clock = clock
        self._remembered: dict[str, Claims] = {}

    def derived_key(self, purpose: str) -> bytes:
        """A key for something else that is signed: good for as long as this one, and by the same processes."""
        return hmac.digest(self._key, purpose.encode(), "sha256")

    def issue(self, host: str, user: str, access: Sequence[Access], *, age: int = 0) -> tuple[str, int]:
        """A token and the time (seconds since 1970) at which it was issued, which is `age` seconds ago."""
        issued = int(self.clock()) - age
        claims = Claims(aud=host, sub=user, iat=issued, exp=issued + LIFETIME, access=list(access))
        signed = f"{_JWT_HEADER}.{_base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}", issued

    def read(self, token: str, host: str) -> Claims | None:
        """What a token says, or None if it is none of ours, expired or for another host."""
        claims = self._remembered.get(token)
        if claims is None:
            claims = self._parse(token)
            if claims is None:
                return None
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = claims
        return claims if claims.aud == host and claims.iat <= self.clock() < claims.exp else None

    def _parse(self, token: str) -> Claims | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode("utf-8", "replace")):
            return None
        payload = signed.rpartition(".")[2]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Claims)

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._key, signed.encode("utf-8", "replace"), "sha256"))


class Authenticator:
    """Guards one host: knows its users, and what its rules (None: there are none) let them do."""

    def __init__(self, host: str, scheme: str, auth: Auth, tokens: Tokens, rules: AccessRules | None = None) -> None:
        self._host = host
        self._auth = auth
        self._tokens = tokens
        self._rules = rules
        self._challenge = f'Bearer realm="{scheme}://{host}/token",service="{host}"'
        self._hashed = HashedPasswords(auth.htpasswd) if auth.htpasswd else None
        users = dict(auth.users)
        if auth.username or not (users or auth.htpasswd):
            users[auth.username] = auth.password
        self._users = [(name, name.encode(), password.encode()) for name, password in users.items()]

    async def look(self, request: Request) -> None:
        """Finds out whether the password of a request is right, where that takes its time. To be done first."""
        if self._hashed is None:
            return
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        given = _basic_credentials(credentials) if scheme.lower() == "basic" else None
        if given is not None:
            await self._hashed.look(*given)

    @property
    def looks(self) -> bool:
        """Whether requests have passwords for which that takes its time; those to the token endpoint aside."""
        return self._hashed is not None and self._auth.type == "basic"

    @property
    def has_tokens(self) -> bool:
        """Whether the host has a token endpoint."""
        return self._auth.type == "bearer"

    def user(self, request: Request, needed: Access | None) -> str:
        """Who makes a request (empty: anybody), if they may.

        `needed` is what the request does; None: nothing that needs more than to be let in.

        Raises:
            RegistryError: 401 with the challenge; 403 where a user is known and may not.
        """
        if self._auth.type == "bearer":
            claims = self._claims(request)
            if claims is not None and (needed is None or claims.allows(needed)):
                return claims.sub
            raise errors.unauthorized(self._bearer_challenge(needed))
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if not scheme and self._auth.anonymous and needed is not None and self._may("", needed):
            return ""
        user = self._basic_user(scheme, credentials)
        if user is None:
            raise errors.unauthorized(BASIC_CHALLENGE)
        if needed is not None and not self._may(user, needed):
            raise errors.denied()
        return user

    def may(self, request: Request, user: str, needed: Access) -> bool:
        """Whether a request that was let in, from `user`, may do something else than what it was let in for, too."""
        if self._auth.type == "bearer":
            claims = self._claims(request)
            return claims is not None and claims.allows(needed)
        return self._may(user, needed)

    def claimed(self, request: Request) -> str:
        """Who a request says that it comes from, true or not (empty: it does not say)."""
        claims = self._claims(request)
        return claimed_user(request) if claims is None else claims.sub

    def refusal(self, flaw: TokenFlaw, needed: Access | None) -> errors.RegistryError:
        """What a request gets whose credentials are refused for no fault of their own."""
        if self._auth.type == "basic":
            return errors.unauthorized(BASIC_CHALLENGE)
        return errors.unauthorized(f'{self._bearer_challenge(needed)},error="{_FLAWS[flaw]}"')

    def token(self, request: Request, flaw: TokenFlaw | None = None) -> tuple[Response, str]:
        """The answer of the token endpoint, and who asked. A token with a `flaw` is good for nothing.

        Raises:
            RegistryError: 401, wrong credentials or none where there must be some.
        """
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        user = ""
        if scheme:
            found = self._basic_user(scheme, credentials)
            if found is None:
                raise errors.wrong_credentials(BASIC_CHALLENGE)
            user = found
        elif not self._auth.anonymous:
            raise errors.unauthorized(BASIC_CHALLENGE)
        if flaw == "refused":
            raise errors.unauthorized(BASIC_CHALLENGE)
        access = granted(request.query, anonymous=not scheme, user=user, rules=self._rules)
        if flaw == "wrongScope":
            access = [msgspec.structs.replace(one, name=_ELSEWHERE) for one in access]
        token, issued = self._tokens.issue(self._host, user, access, age=2 * LIFETIME if flaw == "expired" else 0)
        body = {
            "token": token,
            "access_token": token,
            "expires_in": LIFETIME,
            "issued_at": datetime.fromtimestamp(issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Response(200, [("Content-Type", JSON), errors.API_VERSION], msgspec.json.encode(body)), user

    def _claims(self, request: Request) -> Claims | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        return self._tokens.read(credentials.strip(), self._host) if scheme.lower() == "bearer" else None

    def wider(self, user: str, *needed: Access) -> errors.RegistryError | None:
        """The challenge to come back with a token for all of this; None if tokens do not count, or a user, whose token
        is good for less, cannot have such a one."""
        if self._auth.type != "bearer" or not all(self._may(user, access) for access in needed):
            return None
        return errors.unauthorized(self._bearer_challenge(*needed))

    def _bearer_challenge(self, *needed: Access | None) -> str:
        scopes = [f"{one.type}:{one.name}:{','.join(one.actions)}" for one in needed if one is not None]
        return f'{self._challenge},scope="{" ".join(scopes)}"' if scopes else self._challenge

    def _basic_user(self, scheme: str, credentials: str) -> str | None:
        given = _basic_credentials(credentials) if scheme.lower() == "basic" else None
        if given is None:
            return None
        found = None
        for user, name, password in self._users:  # all of them: how long it takes says nothing
            same_name = hmac.compare_digest(given[0], name)
            if hmac.compare_digest(given[1], password) and same_name:
                found = user
        if found is None and self._hashed is not None and self._hashed.proved(*given):
            found = given[0].decode("utf-8", "replace")
        return found

    def _may(self, user: str, needed: Access) -> bool:
        if needed.type != "repository":
            return bool(user)
        allowed = _allowed(user, needed.name, anonymous=not user, rules=self._rules)
        return allowed.issuperset(needed.actions)


def granted(query: str, *, anonymous: bool, user: str = "", rules: AccessRules | None = None) -> list[Access]:
    """What a token gives of the scopes that were asked for: what the rules allow; without rules all to users, and to
    anybody only pulling.

    Scopes come as several ``scope`` parameters or as one with spaces; those that are not understood give nothing.
    """
    scopes = [scope for key, value in parameters(query) if key == "scope" for scope in value.split()]
    access = []
    for scope in scopes[:_MAX_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        wanted = actions.split(",")
        if kind == "repository" and is_repository_name(name):
            allowed = _allowed(user, name, anonymous=anonymous, rules=rules)
            given = sorted(allowed if "*" in wanted else allowed.intersection(wanted))
        elif kind == "registry" and name == "catalog" and not anonymous:
            given = ["*"]
        else:
            given = []
        if given:
            access.append(Access(kind, name, given))
    return access


def claimed_user(request: Request) -> str:
    """The user name of Basic credentials, right or wrong; empty if there are none."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    given = _basic_credentials(credentials) if scheme.lower() == "basic" else None
    return "" if given is None else given[0].decode("utf-8", "replace")


def _allowed(user: str, repository: str, *, anonymous: bool, rules: AccessRules | None) -> frozenset[str]:
    if rules is not None:
        return rules.allowed(user, repository)
    return READING if anonymous else _USER_ACTIONS


def _basic_credentials(credentials: str) -> tuple[bytes, bytes] | None:
    try:
        name, colon, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
