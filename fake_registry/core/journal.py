"""What was asked of the registry, and what it answered: bounded, in memory, for assertions and for people."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final, TypedDict, Unpack

import msgspec

from fake_registry.core.messages import Request

_MAX_TEXT: Final = 2048
"""Characters of the longest target or header that is kept whole."""


HANDSHAKE: Final = "handshake"


class Wanted(TypedDict, total=False):
    """What `Journal.entries` takes."""

    host: str | None
    method: str | None
    status: int | None
    repository: str | None
    target: str | None
    since: float | None
    kind: str | None
    user: str | None
    fault: str | None


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """One request and its answer.

    ``time`` is in seconds since 1970 by the registry's clock, ``target`` path and query as they came; ``status`` 0
    means that the connection was dropped without an answer. ``kind`` is what the request is about (ping, token,
    manifest, blob, tags, upload, referrers, catalog, other), ``user`` who it proved to come from, ``authorization``
    only the scheme ("Bearer"); credentials are never kept, nor signatures of links. ``note`` says what went wrong,
    ``fault`` names the fault rule that the request met.

    A TLS handshake that came to nothing is an entry of the kind ``handshake``, without method and target; ``remote`` is
    the client's address then.
    """

    time: float
    host: str
    method: str
    target: str
    status: int
    kind: str = ""
    user: str = ""
    repository: str = ""
    note: str = ""
    fault: str = ""
    accept: str = ""
    authorization: str = ""
    user_agent: str = ""
    remote: str = ""

    @property
    def accepts(self) -> list[str]:
        """The media types of the Accept header, in order."""
        return [part.strip() for part in self.accept.split(",") if part.strip()]


class Journal:
    """The last `limit` requests. ``total`` counts all that there ever were.

    TLS handshakes that came to nothing stand apart: no request was made, and when a server notices that a client has
    hung up is left to chance.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._handshakes: deque[Entry] = deque(maxlen=limit)
        self._waiting: list[asyncio.Future[None]] = []
        self.total = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def add(
        self,
        time: float,
        host: str,
        request: Request,
        status: int,
        *,
        kind: str = "",
        user: str = "",
        repository: str = "",
        note: str = "",
        fault: str = "",
        target: str | None = None,
    ) -> Entry:
        """Keeps one request with its answer; `target` is what of its path and query may be kept, if not all."""
        headers = request.headers
        authorization = headers.get("authorization")
        entry = Entry(
            time=time,
            host=host,
            method=request.method,
            target=(request.target if target is None else target)[:_MAX_TEXT],
            status=status,
            kind=kind,
            user=user,
            repository=repository,
            note=note,
            fault=fault,
            accept=headers.get("accept", "")[:_MAX_TEXT],
            authorization=_scheme(authorization) if authorization else "",
            user_agent=headers.get("user-agent", "")[:_MAX_TEXT],
        )
        self.append(entry)
        return entry

    def append(self, entry: Entry) -> None:
        """Keeps an entry that was made elsewhere."""
        self.total += 1
        self._entries.append(entry)
        if self._waiting:
            self._wake()

    def add_handshake(self, time: float, host: str, remote: str, note: str) -> None:
        """Keeps a handshake that came to nothing."""
        entry = Entry(
            time=time, host=host, method="", target="", status=0, kind=HANDSHAKE, note=note[:_MAX_TEXT], remote=remote
        )
        self._handshakes.append(entry)
        if self._waiting:
            self._wake()

    @property
    def handshakes(self) -> list[Entry]:
        """The last handshakes that came to nothing, in order."""
        return list(self._handshakes)

    def entries(
        self,
        *,
        host: str | None = None,
        method: str | None = None,
        status: int | None = None,
        repository: str | None = None,
        target: str | None = None,
        since: float | None = None,
        kind: str | None = None,
        user: str | None = None,
        fault: str | None = None,
    ) -> list[Entry]:
        """The entries that have all the given values (``target`` occurs in theirs; at or after ``since``), in order.

        Handshakes are among them only if they are what is asked for, by their `kind`.
        """
        return [
            entry
            for entry in tuple(self._handshakes if kind == HANDSHAKE else self._entries)
            if (host is None or entry.host == host)
            and (method is None or entry.method == method)
            and (status is None or entry.status == status)
            and (repository is None or entry.repository == repository)
            and (target is None or target in entry.target)
            and (since is None or entry.time >= since)
            and (kind is None or entry.kind == kind)
            and (user is None or entry.user == user)
            and (fault is None or entry.fault == fault)
        ]

    async def wait_for(self, *, count: int = 1, within: float = 10.0, **wanted: Unpack[Wanted]) -> list[Entry]:
        """Waits until there are so many entries as `entries` would give; those that are there already count. To be
        awaited in the loop of the registry.

        Raises:
            TimeoutError: there were fewer `within` so many seconds; the text says how many.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while len(found := self.entries(**wanted)) < count:
            rest = end - loop.time()
            if rest <= 0:
                shown = ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "anything"
                raise TimeoutError(f"{shown}: {len(found)} of {count} requests in {within:g} seconds")
            await self.more(rest)
        return found

    async def more(self, seconds: float) -> None:
        """Returns when something was added, and at the latest after so many seconds."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(seconds):
                await waiting
        except TimeoutError:
            pass
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _wake(self) -> None:
        """Has all look again who wait, once for whatever is added before they do."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def clear(self) -> None:
        """Forgets all entries; ``total`` goes on."""
        self._entries.clear()
        self._handshakes.clear()


def _scheme(authorization: str) -> str:
    """The scheme of an Authorization header; a header without one may be a bare secret and is not kept."""
    scheme, space, _ = authorization.partition(" ")
    if not authorization or (space and scheme.isalpha() and len(scheme) <= 20):
        return scheme
    return "?"
