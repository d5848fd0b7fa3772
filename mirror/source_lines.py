"""On which line of a YAML or JSON file something stands, for messages about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml

Step = str | int
"""The key of a mapping or the index of a list."""

_MAX_DEPTH: Final = 500
"""Collections in each other; a parser takes the longer for an event the deeper it is."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def line_of(content: bytes, path: Sequence[Step]) -> int | None:
    """The line, counted from 1, of what stands at a path, or of the innermost part of the path that is there.

    None if the text cannot be read, or nothing of the path is there.
    """
    finder = _Finder(path)
    try:
        for event in yaml.parse(content, Loader=_LOADER):
            if finder.take(event):
                break
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return None
    return finder.line


class _Level:
    """A collection that is open: the step to what comes next in it, and whether the path leads through it."""

    __slots__ = ("at_key", "fits", "mapping", "step")

    def __init__(self, *, mapping: bool, fits: bool) -> None:
        self.mapping = mapping
        self.fits = fits
        self.at_key = mapping
        self.step: Step | None = None if mapping else -1


class _Finder:
    """Follows a path through the events of a document."""

    def __init__(self, path: Sequence[Step]) -> None:
        self.line: int | None = None
        self._path = path
        self._levels: list[_Level] = []

    def take(self, event: Any) -> bool:
        """Takes an event; true if nothing further can be found."""
        if isinstance(event, yaml.CollectionStartEvent):
            fits = self._enter(event)
            self._levels.append(_Level(mapping=isinstance(event, yaml.MappingStartEvent), fits=fits))
            return len(self._levels) > _MAX_DEPTH
        if isinstance(event, yaml.CollectionEndEvent):
            done = self._levels.pop()
            return done.fits and len(self._levels) > 0
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            return self._enter(event) and len(self._levels) == len(self._path)
        return False

    def _enter(self, event: Any) -> bool:
        """A key, or a value that begins; whether the path leads to it."""
        if not self._levels:
            return True
        level = self._levels[-1]
        if level.at_key:
            level.at_key = False
            level.step = getattr(event, "value", None)
            self._note(level, event)
            return False
        if level.mapping:
            level.at_key = True
        else:
            assert isinstance(level.step, int)
            level.step += 1
            self._note(level, event)
        return self._leads_to(level)

    def _note(self, level: _Level, event: Any) -> None:
        if self._leads_to(level):
            self.line = event.start_mark.line + 1

    def _leads_to(self, level: _Level) -> bool:
        depth = len(self._levels)
        return level.fits and depth <= len(self._path) and level.step == self._path[depth - 1]
