"""The order in which Go's ``sort.Sort`` leaves what is equal (package sort, ``pdqsort``, since Go 1.19).

It is no stable order, but always the same one: which elements change places depends on nothing but the comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["STABLE", "go_order"]

STABLE: Final = 12
"""Up to so many elements the order is stable."""

_NINTHER: Final = 50
_SHIFTING: Final = 50
_SHIFTS: Final = 5
_MOST_SWAPS: Final = 12
_WORD: Final = 2**64 - 1


def go_order(ranks: Sequence[int]) -> list[int]:
    """The places that elements of these ranks come from, in the order that they are sorted into."""
    sorting = _Sorting(ranks)
    sorting.sort(0, len(ranks), len(ranks).bit_length())
    return sorting.places


class _Sorting:
    """Ranks, and the places where they were, while they are sorted."""

    def __init__(self, ranks: Sequence[int]) -> None:
        self.ranks = list(ranks)
        self.places = list(range(len(ranks)))

    def swap(self, one: int, other: int) -> None:
        ranks, places = self.ranks, self.places
        ranks[one], ranks[other] = ranks[other], ranks[one]
        places[one], places[other] = places[other], places[one]

    def sort(self, start: int, end: int, limit: int) -> None:
        """Sorts a range; `limit` is how many bad pivots there may be before it goes on as a heap."""
        balanced = partitioned = True
        while end - start > STABLE:
            if limit == 0:
                self.heap_sort(start, end)
                return
            if not balanced:
                self.break_patterns(start, end)
                limit -= 1
            pivot, swaps = self.choose_pivot(start, end)
            if swaps == _MOST_SWAPS:  # it seems to be in the opposite order
                self.reverse(start, end)
                pivot = (end - 1) - (pivot - start)
            if balanced and partitioned and swaps in (0, _MOST_SWAPS) and self.nearly_sorted(start, end):
                return
            if start > 0 and not self.ranks[start - 1] < self.ranks[pivot]:
                start = self.partition_equal(start, end, pivot)
                continue
            length = end - start
            middle, partitioned = self.partition(start, end, pivot)
            left, right = middle - start, end - middle
            balanced = min(left, right) >= length // 8
            if left < right:
                self.sort(start, middle, limit)
                start = middle + 1
            else:
                self.sort(middle + 1, end, limit)
                end = middle
        self.insertion_sort(start, end)

    def insertion_sort(self, start: int, end: int) -> None:
        for first in range(start + 1, end):
            self.shift_left(first, start)

    def shift_left(self, place: int, start: int) -> None:
        while place > start and self.ranks[place] < self.ranks[place - 1]:
            self.swap(place, place - 1)
            place -= 1

    def heap_sort(self, start: int, end: int) -> None:
        length = end - start
        for root in range((length - 1) // 2, -1, -1):
            self.sift_down(root, length, start)
        for last in range(length - 1, -1, -1):
            self.swap(start, start + last)
            self.sift_down(0, last, start)

    def sift_down(self, root: int, length: int, start: int) -> None:
        ranks = self.ranks
        while (child := 2 * root + 1) < length:
            if child + 1 < length and ranks[start + child] < ranks[start + child + 1]:
                child += 1
            if not ranks[start + root] < ranks[start + child]:
                return
            self.swap(start + root, start + child)
            root = child

    def partition(self, start: int, end: int, pivot: int) -> tuple[int, bool]:
        """Puts what is less than the pivot before it; where it is then, and whether all was so before."""
        self.swap(start, pivot)
        low, high = self.out_of_place(start, start + 1, end - 1)
        done = low > high
        while low <= high:
            self.swap(low, high)
            low, high = self.out_of_place(start, low + 1, high - 1)
        self.swap(high, start)
        return high, done

    def out_of_place(self, pivot: int, low: int, high: int) -> tuple[int, int]:
        """The next two that are on the wrong sides of a pivot; crossed over if there are none."""
        ranks = self.ranks
        rank = ranks[pivot]
        while low <= high and ranks[low] < rank:
            low += 1
        while low <= high and not ranks[high] < rank:
            high -= 1
        return low, high

    def partition_equal(self, start: int, end: int, pivot: int) -> int:
        """Puts what equals the pivot before what is greater; where that begins."""
        self.swap(start, pivot)
        ranks = self.ranks
        rank, low, high = ranks[start], start + 1, end - 1
        while True:
            while low <= high and not rank < ranks[low]:
                low += 1
            while low <= high and rank < ranks[high]:
                high -= 1
            if low > high:
                return low
            self.swap(low, high)
            low, high = low + 1, high - 1

    def nearly_sorted(self, start: int, end: int) -> bool:
        """Whether it is sorted, after a few that are not in order were shifted where they belong."""
        ranks, place = self.ranks, start + 1
        for _ in range(_SHIFTS):
            while place < end and not ranks[place] < ranks[place - 1]:
                place += 1
            if place == end:
                return True
            if end - start < _SHIFTING:
                return False
            self.swap(place, place - 1)
            if place - start >= 2:
                self.shift_left(place - 1, 0)
            if end - place >= 2:
                after = place + 1
                while after < end and ranks[after] < ranks[after - 1]:
                    self.swap(after, after - 1)
                    after += 1
        return False

    def break_patterns(self, start: int, end: int) -> None:
        """Moves three elements in the middle to places that are drawn from the length."""
        length = end - start
        mask = (1 << length.bit_length()) - 1
        drawn, middle = length, start + length // 4 * 2
        for index in range(3):
            drawn ^= drawn << 13 & _WORD
            drawn ^= drawn >> 7
            drawn ^= drawn << 17 & _WORD
            other = drawn & mask
            self.swap(middle - 1 + index, start + (other - length if other >= length else other))

    def choose_pivot(self, start: int, end: int) -> tuple[int, int]:
        """A pivot, and how many of the elements that were compared for it were not in order."""
        quarter = (end - start) // 4
        chosen = [start + quarter, start + 2 * quarter, start + 3 * quarter]
        swaps = 0
        if end - start >= _NINTHER:
            for index, place in enumerate(chosen):
                chosen[index], more = self.median(place - 1, place, place + 1)
                swaps += more
        pivot, more = self.median(*chosen)
        return pivot, swaps + more

    def median(self, first: int, second: int, third: int) -> tuple[int, int]:
        ranks, swaps = self.ranks, 0
        if ranks[second] < ranks[first]:
            first, second, swaps = second, first, swaps + 1
        if ranks[third] < ranks[second]:
            second, third, swaps = third, second, swaps + 1
        if ranks[second] < ranks[first]:
            first, second, swaps = second, first, swaps + 1
        return second, swaps

    def reverse(self, start: int, end: int) -> None:
        self.ranks[start:end] = self.ranks[start:end][::-1]
        self.places[start:end] = self.places[start:end][::-1]
