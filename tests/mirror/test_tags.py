"""The priority order of tags against the recorded lists, and its properties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.importer.tags import prioritize_tags

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "prioritize_tags.json").read_text("utf-8")
)
TAGS = st.one_of(
    st.text("019v.-_arc+", max_size=10),
    st.from_regex(r"v?[0-9]{1,2}\.[0-9]{1,2}(\.[0-9]{1,2})?(-[a-z0-9]{1,3}(\.[a-z0-9]{1,3})?)?", fullmatch=True),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row["in"])[:50] or "empty")
def test_recorded(row: dict[str, Any]) -> None:
    assert prioritize_tags(row["in"]) == row["out"]


@given(st.lists(TAGS, unique=True, max_size=30).flatmap(lambda tags: st.tuples(st.just(tags), st.permutations(tags))))
def test_order_does_not_depend_on_the_order_given(lists: tuple[list[str], list[str]]) -> None:
    tags, shuffled = ([tag for tag in tags if "+" not in tag] for tags in lists)
    assert prioritize_tags(tags) == prioritize_tags(shuffled)
    assert sorted(prioritize_tags(tags)) == sorted(tags)


@pytest.mark.parametrize(
    ("tags", "ordered"),
    [
        # The largest number that 64 bits hold is a version, the next one is not.
        (
            ["18446744073709551616.0", "18446744073709551615.0", "1.0"],
            ["18446744073709551615.0", "1.0", "18446744073709551616.0"],
        ),
        (["1.0.0-18446744073709551616", "1.0.0-1"], ["1.0.0-1", "1.0.0-18446744073709551616"]),
        (
            ["1.0.0-a", "1.0.0-9", "1.0.0-10", "1.0.0-9.a", "1.0.0"],
            ["1.0.0", "1.0.0-a", "1.0.0-10", "1.0.0-9.a", "1.0.0-9"],
        ),
        # Digits of other scripts are no digits.
        (["\u0661.\u0662", "1.2"], ["1.2", "\u0661.\u0662"]),
        (["1.2\n", "1.2"], ["1.2", "1.2\n"]),
        (["latest", "latest"], ["latest", "latest"]),
        (["1.0.0+b", "1.0.0+a", "v1.0.0+0", "1.0.0"], ["1.0.0+b", "1.0.0+a", "1.0.0", "v1.0.0+0"]),
        # More than twelve, and equals come in the order that Go's sort leaves them in.
        (
            ["1.0.0+a", "1.0.0+b", "1.0.0+c", *(f"2.{number}.0" for number in range(10)), "latest", "x", "x"],
            [
                "latest",
                *(f"2.{number}.0" for number in range(9, -1, -1)),
                "1.0.0+a",
                "1.0.0+c",
                "1.0.0+b",
                "x",
                "x",
            ],
        ),
    ],
)
def test_limits(tags: list[str], ordered: list[str]) -> None:
    assert prioritize_tags(tags) == ordered


@pytest.mark.parametrize("piece", ["1", "1.", "0.", "-", "1-", "a.", "+", "1.0.0-1.", "1.0.0-a"])
def test_long_hostile_tags_are_ordered(piece: str) -> None:
    tags = [piece * 100_000, f"1.0.0-{piece * 100_000}", f"1.0-{piece * 100_000}", f"1.0.0+{piece * 100_000}!"]
    assert sorted(prioritize_tags(tags)) == sorted(tags)
