"""A disk that keeps nobody waiting."""

from __future__ import annotations

import os


def fsync(descriptor: int) -> None:
    """In the place of `os.fsync`: the descriptor has to be one, and nothing is waited for."""
    os.fstat(descriptor)
