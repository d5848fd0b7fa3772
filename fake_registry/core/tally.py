"""Counters: how often routes answered, how many requests matched a fault rule and met it."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from fake_registry.errors import TallyFull

_BYTES: Final = 8


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


class SharedTally:
    """Counters in memory that a process shares with those that are forked from it.

    Which numbers are taken is not shared: whoever does the same things in the same order allocates the same ones. The
    lock is the system's and ends with the process that holds it, whatever that dies of.
    """

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._file = os.memfd_create("ismirror-tally", os.MFD_CLOEXEC)
        os.ftruncate(self._file, limit * _BYTES)  # pages that nobody counts in take no memory
        self._values = memoryview(mmap.mmap(self._file, limit * _BYTES)).cast("q")
        self._next = 0

    def allocate(self, count: int) -> int:
        """The first of so many counters.

        Raises:
            TallyFull: there are no more.
        """
        first = self._next
        if first + count > self._limit:
            raise TallyFull(f"all {self._limit} counters are taken: too many rules were added since the start")
        self._next += count
        return first

    def get(self, number: int) -> int:
        return self._values[number]

    def set(self, number: int, value: int) -> None:
        self._values[number] = value

    @contextmanager
    def locked(self) -> Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
