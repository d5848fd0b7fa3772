from __future__ import annotations


def env() -> None:
    """Env."""
