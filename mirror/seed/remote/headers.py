"""The header fields of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Headers:
    """Names and values in the order in which they came. Names are found in any case."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)
        self._found: dict[str, list[str]] = {}
        for name, value in self._fields:
            self._found.setdefault(name.lower(), []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """The first value under a name."""
        found = self._found.get(name.lower())
        return found[0] if found else default

    def all(self, name: str) -> Sequence[str]:
        """Every value under a name."""
        return self._found.get(name.lower(), ())

    def items(self) -> Sequence[tuple[str, str]]:
        """All names, as they were written, and values."""
        return self._fields

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._found
