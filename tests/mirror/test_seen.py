"""What content is made into is remembered: only of small content, and no failure."""

from __future__ import annotations

import pytest

from mirror.importer.seen import remembered


def test_the_same_content_is_looked_at_once() -> None:
    looked_at: list[tuple[bytes, bool]] = []

    @remembered
    def length(content: bytes, *, doubled: bool) -> int:
        looked_at.append((content, doubled))
        return len(content) * (2 if doubled else 1)

    found = [
        length(bytes(content), doubled=doubled) for content in (b"abc", b"ab", b"abc") for doubled in (True, False)
    ]
    assert found == [6, 3, 4, 2, 6, 3]
    assert looked_at == [(b"abc", True), (b"abc", False), (b"ab", True), (b"ab", False)]


def test_large_content_is_not_kept() -> None:
    looked_at: list[int] = []

    @remembered
    def note(content: bytes) -> None:
        looked_at.append(len(content))

    for size in (16 * 1024, 16 * 1024, 16 * 1024 + 1, 16 * 1024 + 1):
        note(b"x" * size)
    assert looked_at == [16 * 1024, 16 * 1024 + 1, 16 * 1024 + 1]


def test_failures_are_not_remembered() -> None:
    answers = iter([ValueError("first"), 7])

    @remembered
    def answer(content: bytes) -> int:
        match next(answers):
            case int(value):
                return value
            case failure:
                raise failure  # type: ignore[misc]

    with pytest.raises(ValueError, match="first"):
        answer(b"a")
    assert answer(b"a") == 7
