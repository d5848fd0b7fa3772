"""When scheduled image streams have their turn: a wheel of buckets (openshift-controller-manager ``scheduler.go``)."""

from __future__ import annotations

from typing import Final

from mirror.api.controllers.queue import Key

_HOUR: Final = 3600.0
_TEN_MINUTES: Final = 600.0


def bucket_count(interval: float) -> int:
    """How many buckets an interval (seconds) is divided into, the current one not counted."""
    if interval > _HOUR:
        return 8
    return 2 if interval < _TEN_MINUTES else 4


class Schedule:
    """Keys in buckets that come round one after the other; those of the current bucket have their turn."""

    def __init__(self, buckets: int) -> None:
        self._buckets: list[dict[Key, None]] = [{} for _ in range(buckets + 1)]
        self._position = 0

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def __contains__(self, key: Key) -> bool:
        return any(key in bucket for bucket in self._buckets)

    def add(self, key: Key) -> None:
        """Puts a key, wherever it was, into the bucket that holds the least, of equal ones into that farthest away."""
        self.remove(key)
        places = [self._at(step) for step in range(len(self._buckets) - 1, 0, -1)]
        self._buckets[min(places, key=lambda place: len(self._buckets[place]))][key] = None

    def delay(self, key: Key) -> None:
        """Moves a key to the end, if it is there: it has just been imported for another reason."""
        if key in self:
            self.remove(key)
            self._buckets[self._at(-1)][key] = None

    def remove(self, key: Key) -> None:
        """Takes a key out."""
        for bucket in self._buckets:
            bucket.pop(key, None)

    def take(self) -> Key | None:
        """The next key of the current bucket, which goes to the end; None when it is empty, and the wheel has moved."""
        current = self._buckets[self._position]
        if not current:
            self._position = self._at(1)
            return None
        key = next(iter(current))
        del current[key]
        self._buckets[self._at(-1)][key] = None
        return key

    def _at(self, step: int) -> int:
        return (self._position + step) % len(self._buckets)
