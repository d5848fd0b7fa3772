"""One registry: requests with authorization, in turns, tried again where that may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import msgspec
from yarl import URL

from fake_registry.oci import NOT_JSON
from fake_registry.simple_signing import OFFERED
from mirror.clock import Clock, SystemClock
from mirror.importer.challenge import parse_challenges
from mirror.seed.remote.authorizing import Authorizer, Scopes
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.failures import RemoteError, no_answer
from mirror.seed.remote.network import Network
from mirror.seed.remote.patience import LONGEST_PAUSE, PASSING_STATUSES, Patience, retry_after
from mirror.seed.remote.request import Body
from mirror.seed.remote.response import RemoteResponse

T = TypeVar("T")

_HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
_MAX_ERROR: Final = 64 * 1024
_MAX_TOKEN: Final = 1 << 20
_LONGEST_TEXT: Final = 300
_HOPELESS: Final = 3
_WORTH_SAYING: Final = 2.0
_EXPIRED: Final = frozenset({400, 403, 410})
"""What stores answer to a link that is not good any more. The registry gives a new one."""


class Access(NamedTuple):
    """What a request needs a token for, and who asks."""

    scopes: Scopes
    login: Login | None = None


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct):
    errors: list[_Problem] = []


class Registry:
    """A registry by the name of its host. At most `limit` requests are under way at once.

    With `insecure` certificates are not looked at, and HTTP will do where there is no HTTPS.
    """

    def __init__(
        self,
        network: Network,
        host: str,
        *,
        insecure: bool = False,
        limit: int = 8,
        clock: Clock | None = None,
        patience: Patience | None = None,
        waits: Callable[[str], None] | None = None,
    ) -> None:
        """`waits` is told why nothing happens for a while, once for all who wait."""
        self.host = host
        self.offers_signatures = False
        """Whether an answer said that it has the signatures extension."""
        self.insecure = insecure
        self.without_referrers: set[str] = set()
        """Repositories for which the path of lists of referrers is one that the server does not know."""
        self.takes_chunks = True
        """Whether blobs may be uploaded in chunks, as far as is known."""
        self._network = network
        self._clock = clock or SystemClock()
        self._patience = patience or Patience()
        self._random = random.Random()
        self._turns = asyncio.Semaphore(limit)
        self._authorizer = Authorizer(host, self._ask_for_token, self._clock, secure=not insecure)
        self._not_before: datetime | None = None
        self._waits = waits or (lambda text: None)
        self._told_until: datetime | None = None
        self._scheme = "" if insecure else "https"
        self._finding = asyncio.Lock()
        self._lost = 0
        self._hopeless: RemoteError | None = None

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        access: Access,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        ok: frozenset[int] = frozenset({200}),
    ) -> AsyncIterator[RemoteResponse]:
        """One request, not tried again: an answer with a status of `ok`, its body still to be read.

        `path` may be a whole URL; credentials go to this registry only.

        Raises:
            RemoteError: another status, no answer, or (from within the block) a body that does not come whole.
        """
        async with self._turns:
            url, response = await self._answered(method, path, access, dict(headers or {}), body)
            self._lost = 0
            try:
                if response.status not in ok:
                    raise await self._refusal(method, url, response, self._is_anonymous(url, access))
                yield response
            except OSError as error:
                raise no_answer(method, url, error) from None
            finally:
                response.release()

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does something with this registry, again after failures that may pass, as often as patience allows.

        Raises:
            RemoteError: it did not work.
        """
        failures = 0
        while True:
            self.require_hope()
            try:
                return await work()
            except RemoteError as error:
                failures += 1
                if not error.passing or failures >= self._patience.attempts:
                    self.give_up(error)
                    raise
                await self.pause(error, failures)

    async def pause(self, error: RemoteError, failures: int) -> None:
        """Waits after a failure. A registry that is busy is left alone by everybody for that time.

        Raises:
            RemoteError: the registry asks for more time than anybody would wait.
        """
        delay = self._patience.delay(failures, self._random)
        if error.wait is not None:
            if error.wait > LONGEST_PAUSE:
                raise RemoteError(f"{error}; it asks to wait for {error.wait:.0f} seconds", status=error.status)
            delay = error.wait + (delay if error.wait else 0.0) * 0.1
        self._tell(error, delay)
        if error.wait is not None or error.status == 429:
            until = self._clock.now() + timedelta(seconds=delay)
            self._not_before = max(self._not_before, until) if self._not_before else until
        else:
            await self._clock.sleep(delay)

    def _tell(self, error: RemoteError, delay: float) -> None:
        """Says that nothing happens for a while, unless that was said already."""
        now = self._clock.now()
        if delay >= _WORTH_SAYING and (self._told_until is None or self._told_until <= now):
            self._told_until = now + timedelta(seconds=delay)
            self._waits(f"{error}; tried again in {delay:.0f} seconds")

    @property
    def attempts(self) -> int:
        """How often something is tried."""
        return self._patience.attempts

    def require_hope(self) -> None:
        """Raises `RemoteError` if the registry could not be reached too often already."""
        if self._hopeless is not None:
            raise RemoteError(str(self._hopeless))

    def give_up(self, error: RemoteError) -> None:
        """Takes note of a registry that cannot be reached: images that come later need not find out again."""
        if error.passing and error.status == 0:
            self._lost += 1
            if self._lost >= _HOPELESS:
                self._hopeless = RemoteError(f"{error} (given up)")

    def _url(self, path: str) -> URL:
        if _is_whole(path):
            url = URL(path, encoded=True)
            if url.scheme == "http" and not self.insecure:
                raise RemoteError(
                    f"{self.host}: goes on in clear text at {url.with_query(None)}; --insecure allows that"
                )
            return url
        return URL(f"{self._scheme}://{self._authority}{path}", encoded=True)

    @property
    def _authority(self) -> str:
        return _HUB_SERVER if self.host == _HUB else self.host

    async def _answered(
        self, method: str, path: str, access: Access, headers: dict[str, str], body: Body
    ) -> tuple[URL, RemoteResponse]:
        """The answer to a request, after the challenges that it met, and where it was sent to."""
        ours = not _is_whole(path) or self._is_own(self._url(path))
        sent = ""
        for _ in range(3):
            await self._wait()
            if ours:
                sent = await self._authorizer.header(access.scopes, access.login)
            if sent:
                headers["Authorization"] = sent
            url, response = await self._sent(method, path, headers, body)
            if ours and response.headers.get(OFFERED[0]) == OFFERED[1]:
                self.offers_signatures = True
            if response.status != 401 or not ours or _elsewhere(url, response):
                return url, response
            challenges = parse_challenges(response.headers.all("WWW-Authenticate"))
            if not self._authorizer.challenged(challenges, access.scopes, access.login, sent):
                return url, response
            try:
                refusal = await self._refusal(method, url, response, self._is_anonymous(url, access))
            finally:
                response.release()
        raise refusal

    async def _sent(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> tuple[URL, RemoteResponse]:
        """Sends a request; its answer, and where it was sent to."""
        if not self._scheme and not _is_whole(path):
            async with self._finding:
                if not self._scheme:
                    return await self._first_sent(method, path, headers, body)
        url = self._url(path)
        return url, await self._network.send(method, url, headers, body=body, insecure=self.insecure)

    async def _first_sent(
        self, method: str, path: str, headers: Mapping[str, str], body: Body
    ) -> tuple[URL, RemoteResponse]:
        """Sends the first request, which finds out what a registry speaks that need not speak HTTPS."""
        first: RemoteError | None = None
        for scheme in ("https", "http"):
            try:
                url = URL(f"{scheme}://{self._authority}{path}", encoded=True)
                response = await self._network.send(method, url, headers, body=body, insecure=True)
            except (RemoteError, ValueError) as error:
                first = first or (error if isinstance(error, RemoteError) else RemoteError(f"{self.host}: {error}"))
                continue
            self._scheme = scheme
            return url, response
        raise first or RemoteError(f"{self.host}: no answer")

    async def _wait(self) -> None:
        while self._not_before is not None:
            rest = (self._not_before - self._clock.now()).total_seconds()
            if rest <= 0:
                self._not_before = None
                return
            await self._clock.sleep(rest)

    async def _ask_for_token(self, method: str, url: URL, headers: dict[str, str], form: bytes | None) -> bytes:
        response = await self._network.send(method, url, headers, body=form, insecure=self.insecure)
        try:
            if response.status != 200:
                anonymous = form is None and "Authorization" not in headers
                raise await self._refusal(method, url, response, anonymous)
            return await response.read(_MAX_TOKEN)
        finally:
            response.release()

    def _is_own(self, url: URL) -> bool:
        """Whether a URL is one of this registry, and not of a place where it sends its clients to."""
        own = URL(f"{self._scheme}://{self._authority}")
        return (url.host, url.port) == (own.host, own.port)

    def _is_anonymous(self, url: URL, access: Access) -> bool:
        return access.login is None and self._is_own(url)

    async def _refusal(
        self,
        method: str,
        url: URL,
        response: RemoteResponse,
        anonymous: bool = False,
    ) -> RemoteError:
        """The failure that an answer stands for: the registry's own words where it has some."""
        try:
            data = b"" if method == "HEAD" else await response.beginning(_MAX_ERROR)
        except RemoteError:
            data = b""
        status = response.status
        elsewhere = _elsewhere(url, response)
        by_redirect = f" (by a redirect to {response.url.origin()})" if elsewhere else ""
        words = _words(data) or response.reason or ""
        text = f"{method} {url.with_query(None)}{by_redirect}: {status} {words}".rstrip()
        wait = None
        if status in {429, 503}:
            wait = retry_after(response.headers.get("Retry-After", ""), self._clock.now())
        text = text[: 3 * _LONGEST_TEXT]
        if anonymous and status in {401, 403} and not elsewhere:
            text += f"; no login for {self.host} is known: podman login keeps one, --authfile says where"
        passing = status in PASSING_STATUSES or (elsewhere and status in _EXPIRED)
        return RemoteError(text, status=status, passing=passing, wait=wait)


def _elsewhere(url: URL, response: RemoteResponse) -> bool:
    """Whether an answer comes from another place than the one that was asked, which led there: a store of blobs."""
    return response.url.origin() != url.origin()


def _is_whole(path: str) -> bool:
    """Whether a path is a whole URL."""
    return path.startswith(("http://", "https://"))


def header_number(text: str) -> int | None:
    """A number of bytes in a header; None for what is none, or more than there could be."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def has_words(data: bytes) -> bool:
    """Whether the body of an answer is that of an error of a registry, and not one of whoever stands before it."""
    try:
        return bool(msgspec.json.decode(data, type=_Problems).errors)
    except NOT_JSON:
        return False


def _words(data: bytes) -> str:
    """What an error's body says, on one line."""
    try:
        problems = msgspec.json.decode(data, type=_Problems).errors
    except NOT_JSON:
        return ""
    texts = [": ".join(filter(None, (problem.code, problem.message))) for problem in problems[:3]]
    joined = " ".join("; ".join(texts).split())[:_LONGEST_TEXT]
    return "".join(char if char.isprintable() else "?" for char in joined)
