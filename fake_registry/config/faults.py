"""What goes wrong on purpose, and for which requests."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fake_registry.config.parts import Duration, Part, seconds
from fake_registry.config.requests import RequestMatch

TokenFlaw = Literal["refused", "expired", "wrongScope"]
TlsFailure = Literal["alert", "close", "reset", "stall"]

Place = Annotated[int, Meta(ge=0)] | Literal["before"]
"""Where an answer ends: after so many bytes of its body, or before its first byte."""


class Spread(Part, frozen=True, kw_only=True):
    """A latency that is drawn anew each time; with the same ``seed`` the same ones in the same order.

    Exactly one of ``uniform`` (least and most), ``normal`` (mean and standard deviation; never below 0) and
    ``exponential`` (mean).
    """

    uniform: tuple[Duration, Duration] | None = None
    normal: tuple[Duration, Duration] | None = None
    exponential: Duration | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.uniform, self.normal, self.exponential)) != 1:
            raise ValueError("Expected one of `uniform`, `normal`, `exponential`")
        for value in (*(self.uniform or ()), *(self.normal or ()), self.exponential or 0.0):
            seconds(value)
        if self.uniform is not None and seconds(self.uniform[0]) > seconds(self.uniform[1]):
            raise ValueError("Expected `uniform` to be the least and the most, in this order")


class TooManyRequests(Part, frozen=True, kw_only=True):
    """A 429 as Docker Hub gives it: with ``Retry-After``, ``ratelimit-limit`` and ``ratelimit-remaining``.

    ``retry_after`` (None: no such header) and ``window`` are in seconds; ``source`` is whom the limit is counted for
    (``docker-ratelimit-source``).
    """

    retry_after: Annotated[int, Meta(ge=0)] | None = 60
    limit: Annotated[int, Meta(ge=0)] = 100
    remaining: Annotated[int, Meta(ge=0)] = 0
    window: Annotated[int, Meta(ge=1)] = 21600
    source: str = ""


class FaultMatch(RequestMatch, frozen=True, kw_only=True):
    """Which requests a fault is for; ``user`` is who the client says it is, true or not.

    Of the requests that match, ``nth`` takes the first, second… (one number or several), ``every`` those whose number
    it divides, ``after`` those behind the first so many.
    """

    nth: Annotated[int, Meta(ge=1)] | list[Annotated[int, Meta(ge=1)]] = msgspec.field(default_factory=list)
    every: Annotated[int, Meta(ge=1)] = 1
    after: Annotated[int, Meta(ge=0)] = 0

    @property
    def looks_at_requests(self) -> bool:
        """Whether this asks for what only a request has, and no TLS handshake."""
        patterns = (self.repository, self.reference, self.digest, self.user, self.user_agent)
        return bool(self.method or self.kind) or any(pattern is not None for pattern in patterns)


class FaultAction(Part, frozen=True, kw_only=True):
    """What goes wrong; at least one field is there.

    In place of the answer comes an error with ``status`` (``code`` and ``message`` are the usual ones for it unless
    given), or ``too_many_requests``. ``token``: a token is refused, expired, or for something else. ``tls``: the
    handshake fails.

    The answer, or that error, comes late (``latency``), with other ``headers`` (an empty value removes one), another
    ``body``, ``content_type`` or ``content_length``, with one byte changed (``corrupt``: which, negative from the
    end), or it does not come whole: ``cut`` (the connection is closed), ``reset``, ``stall`` (nothing more comes).
    """

    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    code: str = ""
    message: str = ""
    too_many_requests: TooManyRequests | None = None
    token: TokenFlaw | None = None
    tls: TlsFailure | None = None
    latency: Duration | Spread = 0.0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: str | None = None
    content_type: str | None = None
    content_length: Annotated[int, Meta(ge=0)] | None = None
    corrupt: int | None = None
    cut: Place | None = None
    reset: Place | None = None
    stall: Place | None = None

    def __post_init__(self) -> None:
        said = set(msgspec.to_builtins(self))
        if not said:
            raise ValueError("Expected something that goes wrong, such as `status`, `latency` or `reset`")
        for names in (
            ("status", "tooManyRequests", "token", "tls"),
            ("cut", "reset", "stall"),
            ("body", "corrupt"),
        ):
            if len(said.intersection(names)) > 1:
                raise ValueError(f"Expected at most one of {', '.join(f'`{name}`' for name in names)}")
        if "tls" in said and said != {"tls"}:
            raise ValueError("Expected nothing beside `tls`: without a handshake there is no answer")
        if said & {"code", "message"} and not said & {"status", "tooManyRequests"}:
            raise ValueError("Expected `status` with `code` or `message`")
        if not isinstance(self.latency, Spread):
            seconds(self.latency)


class Fault(Part, frozen=True, kw_only=True):
    """A fault rule: requests that match, what happens to them, and how often at most (``times``; -1: always).

    ``name`` is for people: it shows in the account of what was met.
    """

    name: str = ""
    match: FaultMatch = FaultMatch()
    action: FaultAction
    times: Annotated[int, Meta(ge=-1)] = -1

    def __post_init__(self) -> None:
        if self.action.tls is not None and self.match.looks_at_requests:
            raise ValueError("Expected `match` of a `tls` fault to have nothing but `nth`, `every` and `after`")
