"""What the headers of registries say, and what they might say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mirror.seed.remote.patience import retry_after
from mirror.seed.remote.registry import header_number

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35", 30.0),
        ("Fri, 02 Jan 2026 04:04:35 +0100", 30.0),
        ("Fri, 02 Jan 2026 03:04:04 GMT", 0.0),
        ("9" * 5000, 999_999_999.0),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("Fri, 32 Jan 2026 03:04:35 GMT", None),
        ("Fri, 02 Jan 2026 03:04:35 +99999999999999", None),
    ],
)
def test_how_long_a_registry_wants_to_be_left_alone(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("32212254720", 30 << 30), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None)]
    + [(text, None) for text in ("", "-1", "+1", "1_0", "1.0", "²", "0x10", "*")],
)
def test_numbers_of_bytes(text: str, number: int | None) -> None:
    assert header_number(text) == number
