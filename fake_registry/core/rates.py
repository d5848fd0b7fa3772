"""Rate limits: how many requests a client may make within a window of time.

A window begins with the first request that counts in it, and ends by the registry's clock. What is counted is kept in
a table of fixed size, in counters that several processes share: of more clients than it has room for within one window,
some begin anew.

Sources: Docker Hub, "Pull usage and limits"; RFC 9110, section 10.2.3 (``Retry-After``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from fake_registry.config import RateLimit, seconds
from fake_registry.core import errors
from fake_registry.core.asked import Asked, conditions
from fake_registry.core.tally import Tally

_CLIENTS: Final = 1024
_TRIED: Final = 32
_FIELDS: Final = 3
"""Counters of a client: who it is, when its window began (milliseconds), how many requests it made."""


class Client(NamedTuple):
    """Who makes a request: the user (empty: nobody), the address without its port, the program."""

    user: str
    address: str
    user_agent: str


class Allowance(NamedTuple):
    """What a client has left of a limit, whom that is counted for, and for how many seconds."""

    limit: RateLimit
    source: str
    remaining: int
    lasts: float

    def headers(self) -> tuple[tuple[str, str], ...]:
        """As Docker Hub says it."""
        window = int(seconds(self.limit.window))
        is_token = self.source and self.source.isascii() and self.source.isprintable()
        return (
            ("ratelimit-limit", f"{self.limit.requests};w={window}"),
            ("ratelimit-remaining", f"{self.remaining};w={window}"),
            *((("docker-ratelimit-source", self.source),) if is_token else ()),
        )


class RateLimits:
    """The limits of one host. `clock` gives seconds since 1970."""

    def __init__(self, limits: Sequence[RateLimit], tally: Tally, clock: Callable[[], float]) -> None:
        self.limits = list(limits)
        self._tally = tally
        self._clock = clock
        self._counted = [_Counted(limit, tally.allocate(_CLIENTS * _FIELDS), tally) for limit in limits]

    def take(self, asked: Asked, client: Client) -> Allowance | None:
        """Counts a request; what the client has left of the limit that is nearest. None: none is for it.

        Raises:
            RegistryError: 429, the client has nothing left. Then nothing is counted.
        """
        now = int(self._clock() * 1000)
        with self._tally.locked():
            found = [(counted, counted.of(client, now)) for counted in self._counted if counted.fits(asked)]
            used_up = [one for _, one in found if one.remaining == 0]
            if used_up:
                last = max(used_up, key=lambda one: one.lasts)
                retry = ("Retry-After", str(max(math.ceil(last.lasts), 1)))
                raise errors.rate_limited("", "", (*last.headers(), retry))
            taken = [counted.take(client, now) for counted, _ in found]
            taken += [counted.of(client, now) for counted in self._counted if counted.tells(asked)]
        return min(taken, key=lambda one: one.remaining, default=None)

    def reset(self) -> None:
        """Forgets who asked for how much."""
        for counted in self._counted:
            counted.reset()


class _Counted:
    """What was counted for one limit."""

    def __init__(self, limit: RateLimit, first: int, tally: Tally) -> None:
        self._limit = limit
        self._first = first
        self._tally = tally
        self._window = int(seconds(limit.window) * 1000)
        self._conditions = list(conditions(limit.match))

    def fits(self, asked: Asked) -> bool:
        """Whether a request counts."""
        return all(fits(asked) for fits in self._conditions)

    def tells(self, asked: Asked) -> bool:
        """Whether a request does not count, but is told what is left: a HEAD where only GET counts."""
        return asked.method == "HEAD" and not self.fits(asked) and self.fits(asked._replace(method="GET"))

    def of(self, client: Client, now: int) -> Allowance:
        """What a client has left."""
        source = self._source(client)
        _, began, used = self._find(source, now)
        return self._allowance(source, used, began, now)

    def take(self, client: Client, now: int) -> Allowance:
        """Counts one more request of a client."""
        source = self._source(client)
        place, began, used = self._find(source, now)
        for offset, value in enumerate((_key(source), began, used + 1)):
            self._tally.set(place + offset, value)
        return self._allowance(source, used + 1, began, now)

    def reset(self) -> None:
        """Counts from the start again."""
        for number in range(self._first, self._first + _CLIENTS * _FIELDS):
            self._tally.set(number, 0)

    def _allowance(self, source: str, used: int, began: int, now: int) -> Allowance:
        left = max(self._limit.requests - used, 0)
        return Allowance(self._limit, source, left, (began + self._window - now) / 1000)

    def _source(self, client: Client) -> str:
        match self._limit.by:
            case "user":
                return client.user or client.address
            case "userAgent":
                return client.user_agent
            case "host":
                return ""
            case "address":
                return client.address

    def _find(self, source: str, now: int) -> tuple[int, int, int]:
        """Where a client is counted, when its window began and how many requests it made: its own place, else one whose
        window is over, else the one whose window ends first."""
        key = _key(source)
        places = list(self._places(key))
        for place in places:
            if self._tally.get(place) == key:
                began, used = self._tally.get(place + 1), self._tally.get(place + 2)
                return (place, began, used) if now - began < self._window else (place, now, 0)
        return min(places, key=lambda place: self._tally.get(place + 1)), now, 0

    def _places(self, key: int) -> Iterator[int]:
        for step in range(_TRIED):
            yield self._first + (key + step) % _CLIENTS * _FIELDS


def _key(source: str) -> int:
    """A number for a client that is never 0; the same in all processes."""
    digest = hashlib.blake2b(source.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 | 1
