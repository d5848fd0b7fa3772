"""Passing requests on to real registries, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from yarl import URL

from mirror.clock import SystemClock
from mirror.importer.challenge import parse_challenges
from mirror.recorder.keeping import Secrets
from mirror.recorder.upstreams import Upstream, Upstreams, needed
from mirror.seed.remote.authorizing import Authorizer, Scopes, pull
from mirror.seed.remote.credentials import Logins
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.network import MAX_REDIRECTS, REDIRECTS, Network
from mirror.seed.remote.response import RemoteResponse

_MAX_TOKEN: Final = 1 << 20
_TRIES: Final = 3

Say = Callable[[str], None]
"""Tells the user something, in one line."""


class Forwarder:
    """Sends requests to what is recorded. Redirects are followed here, so that no signed URL reaches anybody.

    With `logins` the challenges of registries are answered here, too: clients need no passwords. Otherwise clients do
    that themselves, with what they send.
    """

    def __init__(
        self,
        network: Network,
        upstreams: Upstreams,
        secrets: Secrets,
        *,
        logins: Logins | None = None,
        insecure: bool = False,
    ) -> None:
        self._network = network
        self._upstreams = upstreams
        self._secrets = secrets
        self._logins = logins
        self._insecure = insecure
        self._authorizers: dict[str, Authorizer] = {}

    async def send(
        self,
        method: str,
        upstream: Upstream,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        repository: str = "",
    ) -> RemoteResponse:
        """The answer to a request, its body still to be read.

        Raises:
            RemoteError: none came, or it leads to somewhere that is not recorded.
        """
        url = _url(upstream, target)
        if self._logins is None or "Authorization" in headers:
            return await self._followed(method, url, headers, body)
        return await self._authorized(method, upstream, url, headers, body, repository)

    async def _authorized(
        self,
        method: str,
        upstream: Upstream,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        repository: str,
    ) -> RemoteResponse:
        """The answer after the challenges that the request met."""
        assert self._logins is not None
        login = await self._logins.find(upstream.host, repository)
        if login is not None:
            for secret in (login.password, login.identity_token):
                self._secrets.add(secret)
        authorizer = self._authorizers.get(upstream.host)
        if authorizer is None:
            secure = upstream.base.scheme == "https" and not self._insecure
            authorizer = Authorizer(upstream.host, self._ask_for_token, SystemClock(), secure=secure)
            self._authorizers[upstream.host] = authorizer
        scopes: Scopes = pull(repository) if repository else frozenset()
        for _ in range(_TRIES):
            sent = await authorizer.header(scopes, login)
            if sent:
                self._secrets.add_header(sent)
            response = await self._followed(method, url, {**headers, "Authorization": sent} if sent else headers, body)
            if response.status != 401:
                return response
            challenges = parse_challenges(response.headers.all("WWW-Authenticate"))
            if not authorizer.challenged(challenges, scopes, login, sent):
                return response
            response.release()
        return await self._followed(method, url, headers, body)

    async def _ask_for_token(self, method: str, url: URL, headers: dict[str, str], form: bytes | None) -> bytes:
        place = self._upstreams.at(url)
        if place is None:
            raise RemoteError(f"tokens come from {url.origin()}, which is not recorded: add {needed(url)}")
        response = await self._followed(method, _moved(place, url), headers, form)
        try:
            if response.status != 200:
                raise RemoteError(f"{method} {url.with_query(None)}: {response.status}", status=response.status)
            return await response.read(_MAX_TOKEN)
        finally:
            response.release()

    async def _followed(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> RemoteResponse:
        """The answer behind all redirects of what only reads."""
        headers = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._network.exchange(method, url, headers, body=body, insecure=self._insecure)
            location = response.headers.get("Location", "")
            if response.status not in REDIRECTS or not location or method not in {"GET", "HEAD"}:
                return response
            response.release()
            try:
                target = url.join(URL(location, encoded=True))
                place = self._upstreams.at(target)
            except ValueError:
                raise RemoteError(f"{method} {url.with_query(None)}: leads to a place that is no URL") from None
            if target.scheme not in {"http", "https"} or place is None:
                where = target.origin() if target.host else target
                raise RemoteError(f"leads to {where}, which is not recorded: add {needed(target)}")
            moved = _moved(place, target)
            if url.scheme == "https" and moved.scheme == "http" and not self._insecure:
                raise RemoteError(f"leads from https to {moved.origin()}; --record-insecure allows http")
            if moved.origin() != url.origin():
                headers.pop("Authorization", None)
            url = moved
        raise RemoteError(f"{method} {url.with_query(None)}: more than {MAX_REDIRECTS} redirects")


def _url(upstream: Upstream, target: str) -> URL:
    try:
        return URL(f"{str(upstream.base).rstrip('/')}{target}", encoded=True)
    except ValueError:
        raise RemoteError(f"{upstream.host}: {target[:200]!r} is no path") from None


def _moved(place: Upstream, url: URL) -> URL:
    """Where something is that a URL leads to."""
    return URL(f"{str(place.base).rstrip('/')}{url.raw_path_qs}", encoded=True)
