"""How often, and after which time, something is tried again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final, NamedTuple

LONGEST_PAUSE: Final = 900.0
"""Seconds that a registry may ask for; with more the image counts as failed."""

PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be different the next time."""


class Patience(NamedTuple):
    """Tries at most, and seconds before the second and between any two at most; each time twice as many, less a
    random part up to a half, so that those who failed together do not come back together."""

    attempts: int = 7
    first: float = 0.5
    longest: float = 30.0

    def delay(self, failures: int, source: random.Random) -> float:
        """Seconds to wait after so many failures in a row."""
        seconds = min(self.longest, self.first * 2.0 ** (failures - 1))
        return seconds * source.uniform(0.5, 1.0)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number, or a date), or None if it says nothing sensible.

    Source: RFC 9110, 10.2.3.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes long to load, and most answers need none

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max((date - now).total_seconds(), 0.0)
