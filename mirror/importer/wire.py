"""HTTP as Go's ``http.Client`` does it, over any transport: redirects, gzip, and the one repeat on a used connection.

Source: net/http ``client.go``, ``transport.go``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from mirror.clock import Stopwatch
from mirror.gotext import GoUrl, GoUrlError, quote
from mirror.importer.failures import ClientFailure, UrlFailure
from mirror.importer.inflating import gunzip
from mirror.importer.transport import Answer, Transport, TransportError

USER_AGENT: Final = ("user-agent", "Go-http-client/1.1")
GZIP: Final = ("accept-encoding", "gzip")
MAX_REDIRECTS: Final = 10
_SECRETS: Final = frozenset({"authorization", "cookie"})
_NO_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Headers = tuple[tuple[str, str], ...]


class Url(msgspec.Struct, frozen=True, gc=False):
    """A URL in the parts that a request needs: ``https``, ``quay.io:8443`` (with user and password, if there are
    any), ``/v2/?n=1``. ``text`` is how it is printed where the parts alone do not tell."""

    scheme: str
    host: str
    target: str
    text: str = ""

    @classmethod
    def of(cls, url: GoUrl) -> Url:
        """The parts of a URL."""
        return cls(url.scheme, url.authority, url.target, str(url))

    def __str__(self) -> str:
        return self.text or f"{self.scheme}://{self.host}{self.target}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def host_name(self) -> str:
        """The host without user and port."""
        host = self.host.rpartition("@")[2]
        return host[: host.rfind(":")] if ":" in host and not host.endswith("]") else host

    def resolve(self, reference: str) -> Url:
        """What a reference means that was found under this URL.

        Raises:
            GoUrlError: it is none.
        """
        return Url.of(GoUrl.parse(str(self)).resolve(GoUrl.parse(reference)))


Authorize = Callable[[Url], Awaitable[Headers]]
"""Gives the Authorization header for a request, if any. A failure becomes the request's failure."""


Reads = Callable[[int], bool]
"""Whether the body of an answer with this status is read."""


def reads_body(status: int) -> bool:
    """What the client of distribution reads: everything but the pages of servers that fail."""
    return status < 500


class Wire:
    """Sends requests over a transport and remembers which connections Go would have kept open.

    What exchanges take that nobody waited for passes on the stopwatch, if there is one.
    """

    def __init__(self, transport: Transport, stopwatch: Stopwatch | None = None) -> None:
        self._transport = transport
        self._stopwatch = stopwatch
        self._idle: set[tuple[bool, str, str]] = set()

    def timed(self, stopwatch: Stopwatch) -> Wire:
        """The same wire, for requests whose time is counted by another stopwatch."""
        wire = Wire(self._transport, stopwatch)
        wire._idle = self._idle
        return wire

    async def request(
        self,
        method: str,
        url: Url,
        headers: Headers,
        *,
        insecure: bool,
        timeout: float | None = None,
        authorize: Authorize | None = None,
        reads: Reads = reads_body,
    ) -> tuple[Answer, Url]:
        """Makes a request and follows redirects; the answer, decompressed, and the URL that gave it.

        `reads` tells whether the caller reads the body of an answer with some status: one that is not read may be
        broken, or never come.

        Raises:
            UrlFailure: no answer, no authorization, or too many redirects.
            DeadlineExceeded: the stopwatch stops it.
        """
        first, first_method = url, method
        for count in range(1, MAX_REDIRECTS + 1):
            try:
                extra = await authorize(url) if authorize is not None else ()
                answer = await self._exchange(method, url, headers + extra, insecure=insecure, timeout=timeout)
                if timeout is not None:
                    timeout -= answer.took
            except TransportError as error:
                if error.in_body:
                    raise ClientFailure(str(error)).about(error.kind) from None
                failure = UrlFailure(first_method, _shown(url), str(error), timeout=error.timeout)
                raise failure.about(error.kind) from None
            except ClientFailure as failure:
                timed_out = isinstance(failure, UrlFailure) and failure.timeout
                outer = UrlFailure(first_method, _shown(url), str(failure), timeout=timed_out)
                raise outer.about(failure.kind, failure) from None
            location = answer.header("location") if answer.status in _REDIRECTS else ""
            if not location:
                if not reads(answer.status):
                    return answer, url
                if answer.broken is not None:
                    await self._pass(answer.broken.took)
                return _decompressed(method, headers, answer), url
            try:
                url = url.resolve(location)
            except GoUrlError as error:
                text = f"failed to parse Location header {quote(location)}: {error}"
                raise UrlFailure(first_method, _shown(url), text) from None
            if count == MAX_REDIRECTS:
                raise UrlFailure(first_method, location, f"stopped after {MAX_REDIRECTS} redirects")
            if not _same_site(first.host_name, url.host_name):
                headers = tuple(line for line in headers if line[0] not in _SECRETS)
            if answer.status <= 303 and method != "HEAD":
                method = "GET"
        raise AssertionError("unreachable")

    async def _exchange(
        self, method: str, url: Url, headers: Headers, *, insecure: bool, timeout: float | None
    ) -> Answer:
        """One exchange. On a connection that had been used before, Go repeats a request that was hung up on."""
        sent = _complete(method, headers, _userinfo(url.scheme, url.host))
        connection = (insecure, url.scheme, url.host)
        while True:
            try:
                answer = await self._transport.send(
                    method, url.scheme, url.host, url.target, sent, insecure=insecure, timeout=timeout
                )
            except TransportError as error:
                await self._pass(error.took)
                used = connection in self._idle
                self._idle.discard(connection)
                if error.hung_up and used:
                    continue
                raise
            if answer.took:
                await self._pass(answer.took)
            if answer.broken is None:
                self._idle.add(connection)
            else:
                self._idle.discard(connection)
            return answer

    async def _pass(self, seconds: float) -> None:
        """Lets time pass that an exchange took."""
        if seconds and self._stopwatch is not None:
            await self._stopwatch.sleep(seconds)


@lru_cache(maxsize=256)
def _userinfo(scheme: str, authority: str) -> str:
    """User and password before a host; empty if there are none.

    Raises:
        TransportError: nothing is sent there (transport.go ``roundTrip``).
    """
    if scheme not in ("http", "https"):
        raise TransportError(f"unsupported protocol scheme {quote(scheme)}")
    userinfo, _, host = authority.rpartition("@")
    if not host:
        raise TransportError("http: no Host in request URL")
    return userinfo


@lru_cache(maxsize=256)
def _complete(method: str, headers: Headers, userinfo: str) -> Headers:
    """The headers with those that Go adds by itself.

    Raises:
        TransportError: a value that no header can have.
    """
    names = {name for name, _ in headers}
    if method != "HEAD" and "accept-encoding" not in names:
        headers = (*headers, GZIP)
    if userinfo and "authorization" not in names:
        name, _, password = userinfo.partition(":")
        pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
        headers = (*headers, ("authorization", f"Basic {base64.b64encode(pair).decode()}"))
    for name, value in headers:
        if _NO_VALUE.search(value):
            raise TransportError(f"net/http: invalid header field value for {quote(name.title())}")
    return (USER_AGENT, *headers)


def _same_site(first: str, other: str) -> bool:
    """Whether a host is the same as another, or below it: only there Go's client repeats what is secret."""
    return other == first or (other.endswith(f".{first}") and ":" not in other and "%" not in other)


def _shown(url: Url) -> str:
    """The URL as an error shows it: without a password."""
    userinfo, at, _ = url.host.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    return str(url).replace(f"{userinfo}@", f"{user}:***@", 1) if at and colon else str(url)


def _decompressed(method: str, headers: Sequence[tuple[str, str]], answer: Answer) -> Answer:
    """Go's transparent gzip: only where it asked for gzip by itself."""
    encoding = answer.header("content-encoding")
    if not encoding or method == "HEAD" or answer.broken is not None or encoding.lower() != "gzip":
        return answer
    if any(name == "accept-encoding" for name, _ in headers):
        return answer
    kept = [line for line in answer.headers if line[0] not in ("content-encoding", "content-length")]
    return Answer(answer.status, answer.status_text, kept, gunzip(answer.body))
