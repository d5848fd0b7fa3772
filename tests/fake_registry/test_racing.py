"""Waiting for several things: the first one counts, and nothing of the others is left."""

from __future__ import annotations

import asyncio

import pytest

from fake_registry.racing import first_of


async def endless(ended: list[str], name: str) -> None:
    """Waits for ever; says when it is made to end."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


async def test_the_first_is_told_and_the_others_end() -> None:
    ended: list[str] = []
    first = asyncio.ensure_future(asyncio.sleep(0, "done"))
    assert await first_of(endless(ended, "one"), first, endless(ended, "other")) == {first}
    assert (first.result(), sorted(ended)) == ("done", ["one", "other"])


async def test_what_the_first_raises_is_its_own() -> None:
    async def failing() -> None:
        raise OSError("broken")

    ended: list[str] = []
    first = asyncio.ensure_future(failing())
    assert first in await first_of(first, endless(ended, "other"))
    with pytest.raises(OSError, match="broken"):
        first.result()
    assert ended == ["other"]


async def test_all_end_with_whoever_waits() -> None:
    ended: list[str] = []
    waiting = asyncio.ensure_future(first_of(endless(ended, "one"), endless(ended, "other")))
    for _ in range(3):  # until both have begun
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == ["one", "other"]
