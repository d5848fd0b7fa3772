"""What the parts of a host's configuration are made of: structs, patterns and durations."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

Duration = Annotated[float, Meta(ge=0)] | str
"""Seconds, or a text such as ``250ms``, ``20s``, ``1m30s``."""

Pattern = Annotated[
    str, Meta(description="* is any text (slashes too), ? any character, [abc] one of those, [!abc] none of those.")
]

_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS: Final = (3600.0, 60.0, 1.0, 0.001)
_LONGEST: Final = 7 * 24 * 3600.0


def seconds(duration: Duration) -> float:
    """The seconds of a duration.

    Raises:
        ValueError: it is none, or longer than a week.
    """
    value = duration
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if found is None or not any(found.groups()):
            raise ValueError(f"{duration!r} is no duration such as 250ms, 20s or 1m30s")
        value = sum(float(text) * unit for text, unit in zip(found.groups(), _UNITS, strict=True) if text)
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{duration!r} is not between 0 and a week")
    return float(value)


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A part of a host's configuration; in files its fields are written in camel case."""
