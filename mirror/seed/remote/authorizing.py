"""Answers to the challenges of one registry: passwords, and tokens for as long as they are good.

Sources: distribution's ``spec/auth/token.md`` and ``spec/auth/oauth.md``, RFC 9110, 11.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from yarl import URL

from fake_registry.oci import NOT_JSON
from mirror.clock import Clock
from mirror.importer.challenge import Challenge
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.failures import RemoteError

Scopes = frozenset[str]
"""What a token is asked for, such as ``repository:app:pull``."""

Ask = Callable[[str, URL, dict[str, str], bytes | None], Awaitable[bytes]]
"""Sends a request to a token endpoint (method, URL, headers, form) and gives the answer's body."""

_LEAST_LIFETIME: Final = 60
_EARLY: Final = timedelta(seconds=10)


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: int | float = 0


class _Token(NamedTuple):
    text: str
    good_until: datetime


class Authorizer:
    """Remembers what a registry challenges with, and the tokens that it took.

    `secure`: passwords are not sent to token endpoints in clear text.
    """

    def __init__(self, host: str, ask: Ask, clock: Clock, *, secure: bool = True) -> None:
        self._host = host
        self._ask = ask
        self._clock = clock
        self._secure = secure
        self._challenge: Challenge | None = None
        self._more: dict[Scopes, Scopes] = {}
        self._tokens: dict[tuple[Scopes, Login | None], _Token] = {}
        self._turns: dict[tuple[Scopes, Login | None], asyncio.Lock] = {}

    async def header(self, scopes: Scopes, login: Login | None) -> str:
        """The Authorization header for a request; empty while nothing was asked for.

        Raises:
            RemoteError: there is no token to be had, or a password is asked for and there is none.
        """
        challenge = self._challenge
        if challenge is None:
            return ""
        if challenge.scheme == "basic":
            if login is None or login.identity_token:
                raise RemoteError(f"{self._host} asks for a user name and password, and there are none", status=401)
            return _basic(login)
        scopes = self._more.get(scopes, scopes)
        async with self._turns.setdefault((scopes, login), asyncio.Lock()):
            token = self._tokens.get((scopes, login))
            if token is None or token.good_until <= self._clock.now():
                token = await self._fetched(challenge, scopes, login)
                self._tokens[scopes, login] = token
            return f"Bearer {token.text}"

    def challenged(self, challenges: Iterable[Challenge], scopes: Scopes, login: Login | None, sent: str) -> bool:
        """Takes the challenges of a 401 that the header `sent` met; whether another one can be tried."""
        known = [challenge for challenge in challenges if challenge.scheme in {"basic", "bearer"}]
        if not known:
            return False
        # a token is for one thing; a password for all, and not everybody who has one may use it here
        bearer = [challenge for challenge in known if challenge.scheme == "bearer"]
        self._challenge = challenge = (bearer or known)[0]
        if challenge.scheme == "basic":
            return login is not None and sent != _basic(login)
        wanted = frozenset((challenge.parameters.get("scope") or "").split())
        asked = self._more.get(scopes, scopes)
        if sent and not _covered(wanted, asked):
            self._more[scopes] = asked | wanted
        token = self._tokens.get((asked, login))
        if token is not None and sent == f"Bearer {token.text}":
            del self._tokens[asked, login]
        return True

    async def _fetched(self, challenge: Challenge, scopes: Scopes, login: Login | None) -> _Token:
        realm = challenge.parameters.get("realm", "")
        service = challenge.parameters.get("service", "")
        try:
            url = URL(realm, encoded=True)
            usable = url.scheme in {"http", "https"} and bool(url.host)
        except ValueError:
            usable = False
        if not usable:
            raise RemoteError(f"{self._host}: the realm of its challenge is no URL: {realm[:200]!r}")
        if login is not None and url.scheme == "http" and self._secure:
            raise RemoteError(f"{self._host}: {realm} would get the password in clear text; --insecure allows that")
        answer = await self._exchanged(url, service, sorted(scopes), login)
        text = answer.token or answer.access_token
        if not text or not text.isprintable() or not text.isascii():
            raise RemoteError(f"{self._host}: {realm} gave no token")
        lifetime = timedelta(seconds=min(max(answer.expires_in, _LEAST_LIFETIME), 86400))
        return _Token(text, self._clock.now() + lifetime - _EARLY)

    async def _exchanged(self, url: URL, service: str, scopes: list[str], login: Login | None) -> _Answer:
        if login is not None and login.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "ismirror", "service": service}
            form |= {"scope": " ".join(scopes), "refresh_token": login.identity_token}
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            data = await self._ask("POST", url, headers, urlencode(form).encode())
        else:
            query = [("service", service)] if service else []
            query += [("scope", scope) for scope in scopes]
            headers = {}
            if login is not None:
                query.append(("account", login.username))
                headers["Authorization"] = _basic(login)
            text = url.raw_query_string
            url = URL(f"{url.with_query(None)}?{text}{'&' if text else ''}{urlencode(query)}", encoded=True)
            data = await self._ask("GET", url, headers, None)
        try:
            return msgspec.json.decode(data, type=_Answer)
        except NOT_JSON:
            raise RemoteError(f"{self._host}: {url.with_query(None)} gave no token", passing=True) from None


def pull(repository: str) -> Scopes:
    """What reading a repository takes."""
    return frozenset({f"repository:{repository}:pull"})


def push(repository: str, source: str = "") -> Scopes:
    """What writing to a repository takes, and mounting from another one."""
    scopes = {f"repository:{repository}:pull,push"}
    return frozenset(scopes | ({f"repository:{source}:pull"} if source else set()))


def _covered(wanted: Scopes, asked: Scopes) -> bool:
    have = {(name, action) for name, actions in map(_parts, asked) for action in actions}
    return all((name, action) in have for name, actions in map(_parts, wanted) for action in actions)


def _parts(scope: str) -> tuple[str, list[str]]:
    name, _, actions = scope.rpartition(":")
    return name, actions.split(",")


def _basic(login: Login) -> str:
    text = f"{login.username}:{login.password}".encode("utf-8", "surrogateescape")
    return f"Basic {b64encode(text).decode()}"
