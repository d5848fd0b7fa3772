"""The access file: users, and what they may do. Both questions are asked here, before a request is looked at."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from mirror.api.authentication import Authenticator, UserConfig
from mirror.api.authorization import Authorizer, Rule
from mirror.api.messages import ADMIN, ADMIN_GROUP, ApiRequest, User
from mirror.api.requestinfo import RequestInfo, request_info
from mirror.config import decode_document, read_file
from mirror.errors import InputError


class AccessConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """An access file. Without ``rules`` all users may do everything."""

    users: list[UserConfig] = []
    client_ca: Annotated[
        str, Meta(description="File of the CA (PEM) that signs client certificates; relative to this file.")
    ] = ""
    anonymous: Annotated[bool, Meta(description="Requests without credentials are answered, too.")] = False
    rules: list[Rule] | None = None


class Access:
    """Who asks, and may they. Without an authenticator everybody is the administrator.

    `tokens` are those of the users, by their names: to be shown to users who want to try.
    """

    def __init__(
        self,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        client_ca: Path | None = None,
        tokens: Mapping[str, str] | None = None,
    ) -> None:
        self.authenticator = authenticator
        self.authorizer = authorizer or Authorizer()
        self.client_ca = client_ca
        self.tokens = tokens or {}

    @property
    def token(self) -> str:
        """The token of the first user who has one; empty if nobody has."""
        return next(iter(self.tokens.values()), "")

    @classmethod
    def load(cls, path: Path, *, anonymous: bool = False) -> Self:
        """Reads an access file.

        Raises:
            InputError: it cannot be used.
        """
        config = decode_document(read_file(path), AccessConfig, str(path))
        return cls.of(config, str(path), path.parent, anonymous=anonymous)

    @classmethod
    def of(cls, config: AccessConfig, name: str, directory: Path, *, anonymous: bool = False) -> Self:
        """What an access file says, which is called `name` in messages; paths in it are relative to a directory.

        Raises:
            InputError: it cannot be used.
        """
        names = [user.name for user in config.users]
        tokens = {user.name: user.token for user in config.users if user.token}
        for what, words in (("name", names), ("token", list(tokens.values()))):
            if len(set(words)) < len(words):
                raise InputError(f"{name}: users: two have the same {what}")
        ca = directory / config.client_ca if config.client_ca else None
        authenticator = Authenticator(config.users, anonymous=anonymous or config.anonymous)
        return cls(authenticator, Authorizer(config.rules), ca, tokens)

    @classmethod
    def of_administrator(cls, *, anonymous: bool = False) -> Self:
        """One user, ``admin``, who may do everything, with a token that was made for this."""
        token = secrets.token_urlsafe(24)
        admin = UserConfig(name="admin", token=token, groups=[ADMIN_GROUP])
        return cls(Authenticator([admin], anonymous=anonymous), tokens={admin.name: token})

    def admit(self, request: ApiRequest) -> None:
        """Finds out who asks and whether they may; the request knows its user from then on.

        Raises:
            ApiFailure: 401, 403.
        """
        if self.authenticator is None:
            request.user = ADMIN
        else:
            request.user = self.authenticator.authenticate(request)
        acting_as = request.headers.get("impersonate-user", "")
        if acting_as:
            request.user = self._impersonated(request, acting_as)
        if ADMIN_GROUP not in request.user.groups:
            self.authorizer.check(request.user, request_info(request))

    def _impersonated(self, request: ApiRequest, name: str) -> User:
        """Whom the user wants to act as (``kubectl --as``).

        Raises:
            ApiFailure: 403.
        """
        wanted = [("users", name), *(("groups", group) for group in _groups(request))]
        for resource, one in wanted:
            info = RequestInfo("impersonate", "", True, "", "v1", resource=resource, name=one)
            self.authorizer.check(request.user, info)
        groups = tuple(dict.fromkeys((*_groups(request), "system:authenticated")))
        return User(name, request.headers.get("impersonate-uid", ""), groups)


def _groups(request: ApiRequest) -> list[str]:
    joined = request.headers.get("impersonate-group", "")
    return [group.strip() for group in joined.split(",") if group.strip()]
