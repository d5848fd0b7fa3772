"""Who asks: bearer tokens and client certificates from a static file (apiserver ``authentication``).

Credentials that are wrong are refused, even where nobody needs any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from mirror.api import failures
from mirror.api.messages import AUTHENTICATED_GROUP, ApiRequest, Certificate, User

ANONYMOUS: Final = User("system:anonymous", groups=("system:unauthenticated",))


class UserConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user. Without a token it can only come with a client certificate of its name."""

    name: Annotated[str, Meta(min_length=1)]
    token: Annotated[str, Meta(description="A bearer token; printable, without blanks.")] = ""
    groups: list[str] = []
    uid: str = ""


class Authenticator:
    """Tells who asks. `anonymous`: whoever gives no credentials may ask, too."""

    def __init__(self, users: Iterable[UserConfig] = (), *, anonymous: bool = False) -> None:
        self._anonymous = anonymous
        self._by_name: dict[str, User] = {}
        self._by_token: dict[bytes, User] = {}
        for config in users:
            user = User(config.name, config.uid, (*config.groups, AUTHENTICATED_GROUP))
            self._by_name[config.name] = user
            if config.token:
                self.add(config.token, user)

    def add(self, token: str, user: User) -> None:
        """Lets a token stand for a user."""
        self._by_token[_digest(token)] = user

    def authenticate(self, request: ApiRequest) -> User:
        """Who asks.

        Raises:
            ApiFailure: 401.
        """
        if request.certificate is not None:
            return self._holder(request.certificate)
        token = _bearer_token(request.headers.get("authorization", ""))
        if token:
            user = self._by_token.get(_digest(token))
            if user is None:
                raise failures.unauthorized()
            return user
        if not self._anonymous:
            raise failures.unauthorized()
        return ANONYMOUS

    def _holder(self, certificate: Certificate) -> User:
        """The holder of a certificate: its common name is the user, its organizations are the groups."""
        known = self._by_name.get(certificate.common_name)
        groups = dict.fromkeys((*certificate.organizations, *(known.groups if known else ()), AUTHENTICATED_GROUP))
        return User(certificate.common_name, known.uid if known else "", tuple(groups))


def _bearer_token(header: str) -> str:
    scheme, _, token = header.strip(" ").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _digest(token: str) -> bytes:
    """What tokens are looked up by, so that how long that takes says nothing about them."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
