"""Challenges, passwords and tokens of one repository (distribution client ``auth/session.go``)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from mirror.clock import Clock
from mirror.gotext import GoUrl, GoUrlError, encode_query, parse_query
from mirror.importer.challenge import Challenge, parse_challenges
from mirror.importer.failures import ClientFailure
from mirror.importer.responses import TokenResponse, answer_failure, parse_token
from mirror.importer.transport import Answer
from mirror.importer.wire import Headers, Url, Wire

TOKEN_TIMEOUT: Final = 15.0
MINIMUM_LIFETIME: Final = 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password; either may be empty, which counts as none."""

    username: str
    password: str

    @property
    def usable(self) -> bool:
        return bool(self.username and self.password)

    def basic(self) -> tuple[str, str]:
        """The header of basic authentication."""
        text = b64encode(f"{self.username}:{self.password}".encode("utf-8", "surrogateescape")).decode()
        return ("authorization", f"Basic {text}")


class Authorization:
    """Remembers the challenges of a registry and answers them, for one repository and for reading only.

    Challenges are kept under the URL that gave them: one that a redirect brought is not found again.
    """

    def __init__(self, wire: Wire, repository: str, login: Login | None, clock: Clock) -> None:
        self._wire = wire
        self._scope = f"repository:{repository}:pull"
        self._login = login
        self._clock = clock
        self._challenges: dict[str, list[Challenge]] = {}
        self._token = ""
        self._expires: int | None = None  # nanoseconds: a registry may name a time that no datetime can hold

    def remember(self, url: Url, answer: Answer) -> None:
        """Takes the challenges of an answer to a ping; one without a 401 clears what was there."""
        lines = answer.header_lines("www-authenticate") if answer.status == 401 else []
        challenges = parse_challenges(lines)
        if challenges:
            self._challenges[_ping_key(url, url.path)] = challenges
        else:
            self._challenges.pop(_ping_key(url, url.path), None)

    @property
    def needed(self) -> bool:
        """Whether any challenge is known."""
        return bool(self._challenges)

    async def headers(self, url: Url, *, insecure: bool) -> Headers:
        """The Authorization header for a request: a token first, then a password, which replaces it.

        Raises:
            ClientFailure: there is no token to be had, or a password is asked for and there is none.
        """
        path = url.path
        root = path.find("/v2/")
        if root < 0:
            return ()
        challenges = self._challenges.get(_ping_key(url, path[: root + 4]), [])
        header: Headers = ()
        for challenge in challenges:
            if challenge.scheme == "bearer":
                header = (("authorization", f"Bearer {await self._bearer(challenge, insecure=insecure)}"),)
        for challenge in challenges:
            if challenge.scheme == "basic":
                if self._login is None or not self._login.usable:
                    raise ClientFailure("no basic auth credentials").about("no-login")
                header = (self._login.basic(),)
        return header

    async def _bearer(self, challenge: Challenge, *, insecure: bool) -> str:
        if self._expires is not None and _nanoseconds(self._clock.now()) <= self._expires:
            return self._token
        token = await self._fetch(challenge, insecure=insecure)
        self._token = token.token
        self._expires = _nanoseconds(token.issued_at or self._clock.now()) + _lifetime(token)
        return self._token

    async def _fetch(self, challenge: Challenge, *, insecure: bool) -> TokenResponse:
        realm = challenge.parameters.get("realm")
        if realm is None:
            raise ClientFailure("no realm specified for token auth challenge")
        url = self._token_url(realm, challenge.parameters.get("service", ""))
        headers: Headers = ()
        if self._login is not None and self._login.usable:
            headers = (self._login.basic(),)
        answer, _ = await self._wire.request("GET", url, headers, insecure=insecure, timeout=TOKEN_TIMEOUT)
        if not 200 <= answer.status <= 399:
            raise answer_failure(answer)
        return parse_token(answer)

    def _token_url(self, realm: str, service: str) -> Url:
        try:
            url = GoUrl.parse(realm)
        except GoUrlError as error:
            raise ClientFailure(f"invalid token auth challenge realm: {error}") from None
        query = parse_query(url.query or "")
        if service:
            query.append(("service", service))
        query.append(("scope", self._scope))
        if self._login is not None and self._login.usable:
            query.append(("account", self._login.username))
        return Url.of(url._replace(query=encode_query(query)))


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _lifetime(token: TokenResponse) -> int:
    """Nanoseconds that a token lives: Go's durations have 64 bits, so that what is too long may be over already."""
    nanoseconds = max(token.expires_in, MINIMUM_LIFETIME) * 10**9
    return (nanoseconds + 2**63) % 2**64 - 2**63


def _ping_key(url: Url, path: str) -> str:
    host = url.host.lower()
    _, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        host = f"{host}:{443 if url.scheme == 'https' else 80}"
    return f"{url.scheme}://{host}{path}"
