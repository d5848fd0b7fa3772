"""Unknown and repeated fields, noted in document order the way ``sigs.k8s.io/json`` notes them."""

from __future__ import annotations

from typing import Final

from mirror.gotext import quote

MOST_PROBLEMS: Final = 100
"""Further problems are dropped, as the real library does."""


class StrictLog:
    """The problems of one decoding. The path is a list of pieces that the decoder extends and cuts back."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> list[str]:
        """``unknown field "spec.bogus"``, ``duplicate field "spec.images[0].to"``; each once, at most 100."""
        return list(self._problems)

    def mark(self) -> int:
        return len(self._path)

    def reset(self, mark: int) -> None:
        del self._path[mark:]

    def push_key(self, key: str) -> None:
        self._path.append(f".{key}" if self._path else key)

    def push_index(self, index: int) -> None:
        self._path.append(f"[{index}]")

    def unknown(self, key: str) -> None:
        self._note("unknown", key)

    def see(self, key: str, seen: set[str]) -> None:
        """Notes a key that is already in `seen`, and adds it."""
        if key in seen:
            self._note("duplicate", key)
        seen.add(key)

    def _note(self, what: str, key: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            path = f"{''.join(self._path)}.{key}" if self._path else key
            self._problems.setdefault(f"{what} field {quote(path)}")
