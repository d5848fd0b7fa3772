"""What is asked of servers, and where that leads: connections, redirects.

Nothing happens on its own: no cookies, no decompression, no proxies but those that are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from yarl import URL

from mirror.errors import InputError
from mirror.seed.remote.connections import Connections
from mirror.seed.remote.dialing import Dialer, Place
from mirror.seed.remote.failures import ExchangeError, RemoteError, no_answer
from mirror.seed.remote.proxies import Proxies
from mirror.seed.remote.request import Body, Request
from mirror.seed.remote.response import RemoteResponse

MAX_REDIRECTS: Final = 10

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Network:
    """Sends requests. An asynchronous context manager that closes its connections.

    `ca` are authorities (PEM) that are trusted besides those of the system. With `connect` all connections go to that
    address, whatever the host is called. `limit` is the number of connections to one host.

    Raises:
        InputError: `ca` holds no certificates.
    """

    def __init__(
        self,
        *,
        ca: bytes | None = None,
        connect: tuple[str, int] | None = None,
        proxies: Proxies | None = None,
        limit: int = 8,
    ) -> None:
        try:
            dialer = Dialer(ca, connect)
        except ValueError as error:
            raise InputError(f"--ca: {error}") from None
        self._proxies = proxies if proxies is not None and connect is None else Proxies({})
        self._connections = Connections(dialer, limit)
        self.requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.close()

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], *, body: Body = None, insecure: bool = False
    ) -> RemoteResponse:
        """Sends a request and follows redirects of what only reads; the answer's body is not read yet.

        Credentials stay with the host that they are for. With `insecure` certificates are not looked at.

        Raises:
            RemoteError: no answer came, or the redirects lead nowhere.
        """
        headers = dict(headers)
        secure = url.scheme == "https"
        for _ in range(MAX_REDIRECTS + 1):
            response = await self.exchange(method, url, headers, body=body, insecure=insecure)
            location = response.headers.get("Location", "")
            if response.status not in REDIRECTS or not location or method not in {"GET", "HEAD"}:
                return response
            response.release()
            try:
                target = url.join(URL(location, encoded=True))
                different = target.origin() != url.origin()
            except ValueError:
                shown = location.partition("?")[0][:200]  # what is signed is a secret as long as it is good
                raise RemoteError(f"{method} {url.with_query(None)}: leads to {shown!r}, which is no URL") from None
            if target.scheme not in {"http", "https"} or (secure and target.scheme == "http" and not insecure):
                where = url.with_query(None)
                raise RemoteError(f"{method} {where}: leads from https to {target.scheme}; --insecure allows http")
            if different:
                headers.pop("Authorization", None)
            url = target
        raise RemoteError(f"{method} {url.with_query(None)}: more than {MAX_REDIRECTS} redirects")

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], *, body: Body = None, insecure: bool = False
    ) -> RemoteResponse:
        """Sends one request and follows nothing; the answer's body is not read yet (raises `RemoteError`)."""
        self.requests += 1
        try:
            place = Place(url.origin(), insecure, self._proxies.proxy(url))
            return await self._connections.exchange(Request(method, url, headers, body), place)
        except (ExchangeError, OSError, ValueError) as error:
            raise no_answer(method, url, error) from None
