"""The objects of one resource as they are now, in memory, in the order in which lists show them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from mirror.store.interface import Record


def sort_key(namespace: str, name: str) -> str:
    """What lists are sorted by. With a namespace that has no slash, which storing makes sure of, it is unique."""
    return f"{namespace}/{name}"


class Records:
    """Records by key. The order is worked out when it is first asked for, and kept up from then on."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._order: list[str] | None = None

    def find(self, namespace: str, name: str) -> Record | None:
        """One record, or None."""
        record = self._records.get(sort_key(namespace, name))
        return record if record is not None and record.namespace == namespace else None

    def put(self, record: Record) -> None:
        """Adds a record, or replaces the one of its key."""
        key = sort_key(record.namespace, record.name)
        if self._order is not None and key not in self._records:
            insort(self._order, key)
        self._records[key] = record

    def remove(self, record: Record) -> None:
        """Removes the record of that key, which is there."""
        key = sort_key(record.namespace, record.name)
        del self._records[key]
        if self._order is not None:
            del self._order[bisect_left(self._order, key)]

    def part(
        self,
        namespace: str | None,
        after: tuple[str, str] | None,
        limit: int | None,
        earlier: dict[str, Record | None],
    ) -> tuple[Sequence[Record], int]:
        """Some records in order, and how many follow.

        `earlier` says, by sort key, what was there (None: nothing) at the time that the list is to be of, where that
        is not what is there now.
        """
        if self._order is None:
            self._order = sorted(self._records)
        order, records = self._order, self._records
        if earlier:
            records = {key: record for key, record in (records | earlier).items() if record is not None}
            order = sorted(records)
        start, end = 0, len(order)
        if namespace is not None:
            start, end = (bisect_left(order, namespace + sign) for sign in "/0")  # "0" is what follows "/"
        if after is not None:
            start = max(start, bisect_right(order, sort_key(*after)))
        stop = end if limit is None else min(end, start + limit)
        return [records[key] for key in order[start:stop]], max(end - stop, 0)
