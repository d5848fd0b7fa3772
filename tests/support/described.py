"""Requests that a description allows, and some that it does not, as schemathesis draws them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable


def ask(operation: Any, mode: Any, examples: int, send: Callable[[Any], None]) -> None:
    """Gives `send` at most so many cases of an operation, in every run the same ones."""
    drawn = given(case=operation.as_strategy(generation_mode=mode))
    few = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with contextlib.suppress(Unsatisfiable):  # there is nothing that could be wrong with a request without parameters
        few(drawn(send))()
