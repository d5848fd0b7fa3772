"""How long ago, in words: as image tables say it (go-units) and as Kubernetes' own do (apimachinery ``duration``)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mirror.gotext import parse_rfc3339

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_LONGEST: Final = (2**63 - 1) / 1e9
"""Seconds of Go's longest duration, 292 years: what no time at all comes to."""


def seconds_since(then: str | None, now: datetime) -> float:
    """Seconds from an RFC 3339 time to now; as many as there can be if there is no time."""
    if not then:
        return _LONGEST
    return (now - parse_rfc3339(then)).total_seconds()


def ago(then: str | None, now: datetime) -> str:
    """``3 minutes ago``."""
    return f"{in_words(seconds_since(then, now))} ago"


def in_words(seconds: float) -> str:
    """``About an hour``: whole seconds, minutes cut off, hours rounded."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < _MINUTE:
        return f"{whole} seconds"
    minutes = int(seconds / _MINUTE)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, size, unit in ((48, 1, "hours"), (14 * 24, 24, "days"), (60 * 24, 7 * 24, "weeks")):
        if hours < limit:
            return f"{hours // size} {unit}"
    if hours < 2 * 365 * 24:
        return f"{hours // (30 * 24)} months"
    return f"{int(seconds / _HOUR) // 24 // 365} years"


def age(then: str | None, now: datetime) -> str:
    """``5d3h``: the age column of Kubernetes' tables."""
    if not then:
        return "<unknown>"
    seconds = int(seconds_since(then, now))
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds, _MINUTE, "m", 1, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds, _HOUR, "h", _MINUTE, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(seconds, _DAY, "d", _HOUR, "h")
    if seconds < 2 * 365 * _DAY:
        return f"{seconds // _DAY}d"
    if seconds < 8 * 365 * _DAY:
        return _two(seconds, 365 * _DAY, "y", _DAY, "d")
    return f"{seconds // (365 * _DAY)}y"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    """The amount in two units; the smaller one is left out when it is nothing."""
    rest = seconds % large // small
    return f"{seconds // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")
