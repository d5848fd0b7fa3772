"""What content is made into, remembered: the same content is met again and again.

Images share configs, streams share images, and a scheduled import finds what it found before. Only pure functions of
content are remembered, and only for content that is small, so that the memory that this takes is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Concatenate, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_ENTRIES: Final = 512
_BYTES: Final = 16 * 1024


def remembered(make: Callable[Concatenate[bytes, P], T]) -> Callable[Concatenate[bytes, P], T]:
    """Has a function remember what it made of small contents, the last ones at most 8 MiB of them; what it raises is
    never remembered. What it returns is shared: it is not to be changed."""
    made = cast("Callable[Concatenate[bytes, P], T]", lru_cache(maxsize=_ENTRIES)(make))

    def again(content: bytes, /, *more: P.args, **named: P.kwargs) -> T:
        return (made if len(content) <= _BYTES else make)(content, *more, **named)

    return again
