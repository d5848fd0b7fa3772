"""The token endpoint: GET as Docker's registries have it, and POST as OAuth 2.0 has it.

Sources: distribution, "Token Authentication Specification" and "Docker Registry v2 authentication using OAuth2";
RFC 6749, sections 4.3 and 6.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from fake_registry.config import TokenFlaw
from fake_registry.core import errors
from fake_registry.core.auth import BASIC_CHALLENGE, Authenticator
from fake_registry.core.messages import JSON, Request, Response
from fake_registry.core.paths import first_parameters
from fake_registry.core.proofs import NOBODY, User
from fake_registry.core.tokens import LIFETIME

MAX_FORM: Final = 64 * 1024
"""Bytes of the longest form that is taken."""

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 200
_NOT_KEPT: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


class TokenEndpoint:
    """Issues tokens for all services whose realm it is; each asks for users of its own."""

    def __init__(self) -> None:
        self._guards: dict[str, Authenticator] = {}
        self._own: Authenticator | None = None

    def add(self, guard: Authenticator) -> None:
        """One more host whose realm this is. Of several with one service the first counts: they have the same users."""
        guard.issues = True
        self._guards.setdefault(guard.audience.service, guard)
        if guard.is_by_itself:
            self._own = guard

    async def answer(self, request: Request, flaw: TokenFlaw | None) -> tuple[Response, User]:
        """The answer to a request, and who asked. A token with a `flaw` is good for nothing.

        Raises:
            RegistryError: 400, a form or service that cannot be; 401, wrong credentials or none where there must be;
                503, nobody can say whether they are right.
        """
        if request.method == "POST":
            return await self._post(request, flaw)
        parameters = first_parameters(request.query)
        guard = self._guard(parameters.get("service", ""))
        user = None
        if request.headers.get("authorization", ""):
            user = await guard.user_of(request)
            if user is None:
                raise errors.wrong_credentials(BASIC_CHALLENGE)
        elif not guard.lets_anybody_in:
            raise errors.unauthorized(BASIC_CHALLENGE)
        issued = guard.issue(user, request.query, flaw)
        body: dict[str, object] = {
            "token": issued.token,
            "access_token": issued.token,
            "expires_in": LIFETIME,
            "issued_at": _written(issued.at),
        }
        refresh = guard.refresh_token(user) if user is not None and parameters.get("offline_token") == "true" else None
        if refresh is not None:
            body["refresh_token"] = refresh
        return Response(200, [("Content-Type", JSON), errors.API_VERSION], msgspec.json.encode(body)), user or NOBODY

    def _guard(self, service: str) -> Authenticator:
        """Whose tokens are asked for. The endpoint that a host has by itself takes any service for its own."""
        only = next(iter(self._guards.values())) if len(self._guards) == 1 and not service else None
        found = self._guards.get(service) or self._own or only
        if found is None:
            raise errors.service_unknown(service) if service else errors.field_missing("service")
        return found

    async def _post(self, request: Request, flaw: TokenFlaw | None) -> tuple[Response, User]:
        text = await _form(request)
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise errors.field_unsupported("the form has too many fields") from None
        form = dict(reversed(pairs))
        grant = _field(form, "grant_type")
        guard = self._guard(_field(form, "service"))
        _field(form, "client_id")
        refresh: str | None = None
        if grant == "refresh_token":
            refresh = _field(form, "refresh_token")
            user = guard.refreshed(refresh)
        elif grant == "password":
            name, password = _field(form, "username").encode(), _field(form, "password").encode()
            user = await guard.user_with(name, password)
        else:
            raise errors.field_unsupported("unknown grant_type value")
        if user is None:
            raise errors.wrong_credentials(BASIC_CHALLENGE)
        issued = guard.issue(user, text, flaw)
        if refresh is None and form.get("access_type") == "offline":
            refresh = guard.refresh_token(user)
        body: dict[str, object] = {
            "access_token": issued.token,
            "scope": " ".join(f"{one.type}:{one.name}:{','.join(one.actions)}" for one in issued.access),
            "expires_in": LIFETIME,
            "issued_at": _written(issued.at),
        }
        if refresh is not None:
            body["refresh_token"] = refresh
        headers = [("Content-Type", JSON), errors.API_VERSION, *_NOT_KEPT]
        return Response(200, headers, msgspec.json.encode(body)), user


async def _form(request: Request) -> str:
    """The form that was sent; empty if something else was.

    Raises:
        RegistryError: it is too long.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM or request.body is None:
        return ""
    pieces, size = list[bytes](), 0
    async for piece in request.body:
        size += len(piece)
        if size > MAX_FORM:
            raise errors.too_large(MAX_FORM)
        pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "replace")


def _field(form: dict[str, str], name: str) -> str:
    """A field that there has to be."""
    value = form.get(name, "")
    if not value:
        raise errors.field_missing(name)
    return value


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
