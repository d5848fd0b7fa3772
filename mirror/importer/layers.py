"""The process-wide cache of layer sizes (importer ``digestToLayerSizeCache``)."""

from __future__ import annotations

from collections import OrderedDict


class LayerSizes:
    """Sizes in bytes by digest, least recently used dropped first."""

    def __init__(self, entries: int = 2048) -> None:
        self._entries = entries
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def get(self, digest: str) -> int | None:
        """A known size, or None."""
        size = self._sizes.get(digest)
        if size is not None:
            self._sizes.move_to_end(digest)
        return size

    def add(self, digest: str, size: int) -> None:
        """Remembers a size."""
        self._sizes[digest] = size
        self._sizes.move_to_end(digest)
        if len(self._sizes) > self._entries:
            self._sizes.popitem(last=False)
