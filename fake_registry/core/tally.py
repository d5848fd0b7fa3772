"""Counters: how often routes answered, how many requests matched a fault rule and met it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Tally(Protocol):
    """Numbered counters that start at 0; several processes may count in the same ones."""

    def allocate(self, count: int) -> int:
        """The first of so many counters that nobody has had before."""
        ...

    def get(self, number: int) -> int:
        """What a counter says."""
        ...

    def set(self, number: int, value: int) -> None:
        """Lets a counter say something else."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """While this lasts nobody else counts."""
        ...


class LocalTally:
    """The counters of one process, in which one thing happens after the other."""

    def __init__(self) -> None:
        self._values: list[int] = []

    def allocate(self, count: int) -> int:
        first = len(self._values)
        self._values.extend([0] * count)
        return first

    def get(self, number: int) -> int:
        return self._values[number]

    def set(self, number: int, value: int) -> None:
        self._values[number] = value

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield
