"""What several tests of the registry need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.registry import Clock, put_image

from fake_registry.fixtures import Tree


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine on one of the loops that the product runs on."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def runner(work: Any) -> Any:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(work)

    return runner


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two repositories of one host."""
    tree = Tree.open(tmp_path)
    put_image(tree, "team/app", "v1")
    put_image(tree, "team/other", "v1")
    return tree
