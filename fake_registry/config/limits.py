"""How much a host takes, and how often clients may ask."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fake_registry.config.parts import Duration, Part, seconds
from fake_registry.config.requests import RequestMatch


class Limits(Part, frozen=True, kw_only=True):
    """How much of something a host takes.

    Bytes of a manifest and of a blob (none: any number); uploads that are not complete, and for how long nobody needs
    to go on with one. ``chunk_min_bytes`` is what clients are told to be the least that a chunk should have.
    """

    manifest_bytes: Annotated[int, Meta(ge=0, le=8 * 1024 * 1024)] = 4 * 1024 * 1024
    blob_bytes: Annotated[int, Meta(ge=0)] | None = None
    uploads: Annotated[int, Meta(ge=0)] = 10_000
    upload_age: Duration = "24h"
    chunk_min_bytes: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        seconds(self.upload_age)


class RateLimit(Part, frozen=True, kw_only=True):
    """How many ``requests`` a client may make within a ``window``, which begins with the first of them.

    ``by`` says what a client is: an ``address``, a ``user`` (who is nobody is an address), a ``userAgent``, or the
    ``host``: all of them together. ``match``: only these requests count.
    """

    requests: Annotated[int, Meta(ge=0)]
    window: Duration
    by: Literal["address", "user", "userAgent", "host"] = "address"
    match: RequestMatch = RequestMatch()

    def __post_init__(self) -> None:
        if seconds(self.window) < 1:
            raise ValueError("Expected `window` to be a second or more")
