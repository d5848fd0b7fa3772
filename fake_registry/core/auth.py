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

from fake_registry.config import Auth
from fake_registry.core import errors
from fake_registry.core.messages import JSON, Request, Response
from fake_registry.core.paths import parameters
from fake_registry.fixtures import is_repository_name

LIFETIME: Final = 300
"""Seconds that a token is good for."""

BASIC_CHALLENGE: Final = 'Basic realm="ismirror"'

_MAX_SCOPES: Final = 64
_MAX_REMEMBERED: Final = 4096
_USER_ACTIONS: Final = frozenset({"pull", "push", "delete"})
_ANONYMOUS_ACTIONS: Final = frozenset({"pull"})
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
        self._clock = clock
        self._remembered: dict[str, Claims] = {}

    def issue(self, host: str, user: str, access: Sequence[Access]) -> tuple[str, int]:
        """A token and the time (seconds since 1970) at which it was issued."""
        now = int(self._clock())
        claims = Claims(aud=host, sub=user, iat=now, exp=now + LIFETIME, access=list(access))
        signed = f"{_JWT_HEADER}.{_base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}", now

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
        return claims if claims.aud == host and claims.iat <= self._clock() < claims.exp else None

    def _parse(self, token: str) -> Claims | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode("utf-8", "replace")):
            return None
        payload = signed.rpartition(".")[2]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Claims)

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._key, signed.encode("utf-8", "replace"), "sha256"))


class Authenticator:
    """Guards one host."""

    def __init__(self, host: str, scheme: str, auth: Auth, tokens: Tokens) -> None:
        self._host = host
        self._auth = auth
        self._tokens = tokens
        self._challenge = f'Bearer realm="{scheme}://{host}/token",service="{host}"'
        self._credentials = (auth.username.encode(), auth.password.encode())

    @property
    def has_tokens(self) -> bool:
        """Whether the host has a token endpoint."""
        return self._auth.type == "bearer"

    def user(self, request: Request, needed: Access | None) -> str:
        """Who makes a request (empty: anybody), if they may.

        `needed` is what the request does; None: nothing that needs more than to be let in.

        Raises:
            RegistryError: 401 with the challenge.
        """
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if self._auth.type == "bearer":
            claims = self._tokens.read(credentials.strip(), self._host) if scheme.lower() == "bearer" else None
            if claims is not None and (needed is None or claims.allows(needed)):
                return claims.sub
            raise errors.unauthorized(self._bearer_challenge(needed))
        if not scheme and self._auth.anonymous and needed is not None and needed.actions == ["pull"]:
            return ""
        user = self._basic_user(scheme, credentials)
        if user is None:
            raise errors.unauthorized(BASIC_CHALLENGE)
        return user

    def token(self, request: Request) -> tuple[Response, str]:
        """The answer of the token endpoint, and who asked.

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
        token, issued = self._tokens.issue(self._host, user, granted(request.query, anonymous=not scheme))
        body = {
            "token": token,
            "access_token": token,
            "expires_in": LIFETIME,
            "issued_at": datetime.fromtimestamp(issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Response(200, [("Content-Type", JSON), errors.API_VERSION], msgspec.json.encode(body)), user

    def _bearer_challenge(self, needed: Access | None) -> str:
        if needed is None:
            return self._challenge
        return f'{self._challenge},scope="{needed.type}:{needed.name}:{",".join(needed.actions)}"'

    def _basic_user(self, scheme: str, credentials: str) -> str | None:
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        same_name = hmac.compare_digest(name, self._credentials[0])
        same_password = hmac.compare_digest(password, self._credentials[1])
        return self._auth.username if colon and same_name and same_password else None


def granted(query: str, *, anonymous: bool) -> list[Access]:
    """What a token gives of the scopes that were asked for: all to the user, to anybody only pulling.

    Scopes come as several ``scope`` parameters or as one with spaces; those that are not understood give nothing.
    """
    scopes = [scope for key, value in parameters(query) if key == "scope" for scope in value.split()]
    allowed = _ANONYMOUS_ACTIONS if anonymous else _USER_ACTIONS
    access = []
    for scope in scopes[:_MAX_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        wanted = actions.split(",")
        if kind == "repository" and is_repository_name(name):
            given = sorted(allowed if "*" in wanted else allowed.intersection(wanted))
        elif kind == "registry" and name == "catalog" and not anonymous:
            given = ["*"]
        else:
            given = []
        if given:
            access.append(Access(kind, name, given))
    return access


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
