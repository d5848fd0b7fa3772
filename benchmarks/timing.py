"""How often something can be done in a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

_ROUNDS = 5
_ROUND_SECONDS = 0.2


class Result(NamedTuple):
    """One measurement: what was done, and the seconds that one of it took."""

    what: str
    seconds: float

    @property
    def rate(self) -> float:
        return 1 / self.seconds


def best_of(what: str, call: Callable[[int], object]) -> Result:
    """Calls ``call(0)``, ``call(1)``, … in several rounds; the best round counts, the others were disturbed."""
    number = 0
    best = float("inf")
    for _ in range(_ROUNDS):
        start, first = time.perf_counter(), number
        while (elapsed := time.perf_counter() - start) < _ROUND_SECONDS:
            call(number)
            number += 1
        best = min(best, elapsed / (number - first))
    return Result(what, best)
