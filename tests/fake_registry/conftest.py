"""What several tests of the registry need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine on one of the loops that the product runs on."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def runner(work: Any) -> Any:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(work)

    return runner
