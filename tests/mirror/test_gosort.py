"""The order of equals: the expected places are what Go's ``sort.Sort`` made of the ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.importer.gosort import STABLE, _Sorting, go_order

TURNS = (
    "21 57 54 3 51 48 6 45 42 9 39 36 12 33 0 15 30 27 18 24 31 10 22 58 19 25 1 55 28 52 16 4 49 13 34 46 7 37 43 40 "
    "50 41 8 38 44 11 35 47 32 5 29 14 20 53 2 17 56 26 23 59"
)
ROWS = [
    ([], []),
    ([2, 1, 1], [1, 2, 0]),
    ([1] * 13, list(range(13))),
    ([2, 1] * 7, [9, 1, 13, 3, 7, 5, 11, 12, 6, 0, 10, 8, 4, 2]),
    # after an unbalanced partition three elements change places
    ([0, 1, 2, 0, 0, 1, 0, 2, 1, 0, 0, 1, 1, 1], [6, 10, 0, 3, 4, 9, 8, 12, 1, 5, 11, 13, 2, 7]),
    (
        [7, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9],
        [2, 4, 7, 1, 10, 3, 9, 5, 11, 8, 0, 14, 12, 6, 13, 15],
    ),
    # turned round first
    (
        [9 - place // 3 for place in range(30)],
        [27, 29, 28, 24, 26, 25, 23, 22, 21, 20, 19, 18, 15, 17, 16, 14, 13, 12, 9, 11, 10, 8, 7, 6, 5, 4, 3, 0, 2, 1],
    ),
    (
        [place % 3 for place in range(60)],
        [int(place) for place in TURNS.split()],
    ),
]


@pytest.mark.parametrize(("ranks", "places"), ROWS)
def test_as_go_sorts(ranks: list[int], places: list[int]) -> None:
    assert go_order(ranks) == places


RANKS = st.integers(1, 30).flatmap(lambda most: st.lists(st.integers(0, most), max_size=200))


@given(RANKS)
def test_it_is_sorted(ranks: list[int]) -> None:
    places = go_order(ranks)
    assert sorted(places) == list(range(len(ranks)))
    assert [ranks[place] for place in places] == sorted(ranks)
    if len(ranks) <= STABLE:
        assert places == sorted(range(len(ranks)), key=ranks.__getitem__)


@given(RANKS)
def test_after_too_many_bad_pivots_it_is_sorted_as_well(ranks: list[int]) -> None:
    sorting = _Sorting(ranks)
    sorting.sort(0, len(ranks), limit=0)
    assert sorting.ranks == sorted(ranks)
    assert [ranks[place] for place in sorting.places] == sorted(ranks)
