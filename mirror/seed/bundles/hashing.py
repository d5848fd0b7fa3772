"""Digests that are computed on a thread beside the one that reads and writes: hashing leaves the interpreter to it."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

_LARGE: Final = 64 << 10
_UNDER_WAY: Final = 4


class HashingThread:
    """A thread that hashes, for as long as the ``with`` block runs. Used by one thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "hash")  # begins with the first large piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the thread."""
        self._threads.shutdown()

    def new(self, algorithm: str = "sha256") -> Hashing:
        """A digest that is empty yet (raises `ValueError` for an unknown algorithm)."""
        return Hashing(algorithm, self._threads)


class Hashing:
    """A digest of pieces, as those of `hashlib` are. Large pieces are hashed beside, a few of them at most wait."""

    def __init__(self, algorithm: str, threads: ThreadPoolExecutor) -> None:
        self._hash = hashlib.new(algorithm)
        self._threads = threads
        self._under_way: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        """Takes the next piece, whose bytes stay as they are."""
        if len(data) < _LARGE:
            self._wait(0)
            self._hash.update(data)
            return
        self._wait(_UNDER_WAY - 1)
        self._under_way.append(self._threads.submit(self._hash.update, data))

    def hexdigest(self) -> str:
        """The digest of what was taken so far."""
        self._wait(0)
        return self._hash.hexdigest()

    def _wait(self, left: int) -> None:
        while len(self._under_way) > left:
            self._under_way.popleft().result()
