"""Sets of fields, as ``fieldsV1`` has them."""

from __future__ import annotations

import gc
import tracemalloc

from mirror.api.structured.paths import decode, encode, field


def test_long_names_are_taken_and_not_remembered() -> None:
    """Clients may write them: what is remembered of each would fill the memory."""
    tracemalloc.start()
    try:
        for number in range(40):
            fields = frozenset({(field("metadata"), field(f"{number}{'x' * 100_000}"))})
            assert decode(encode(fields)) == fields
        del fields
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
