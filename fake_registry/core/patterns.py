"""Patterns of names, as rules have them: ``*`` any text, ``?`` any character, ``[abc]`` one of some."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[str], object]
"""Is true of the texts that a pattern stands for."""


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Matcher:
    """What tells whether a text is one that the pattern stands for. Upper and lower case differ; ``*`` takes slashes,
    so that ``team/*`` is everything below ``team``."""
    return re.compile(fnmatch.translate(pattern)).match
