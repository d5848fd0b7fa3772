"""The reference answers in tests/vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent.parent / "vectors"


def load(name: str) -> Any:
    """The content of a row file."""
    return json.loads((VECTORS / f"{name}.json").read_text())


def rows(name: str) -> list[Any]:
    """The rows of a file as parameters, by their names."""
    return [pytest.param(row, id=f"{name}-{index}-{row.get('name', '')[:60]}") for index, row in enumerate(load(name))]
