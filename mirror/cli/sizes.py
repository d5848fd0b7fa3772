"""Sizes and counts as people write and read them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from mirror.errors import InputError

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGTkmgt]?)(i?B|b)?")
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(option: str, text: str) -> int:
    """A number of bytes: ``4GiB``, ``4G`` (the same, as split(1) has it), ``4GB`` (a thousand to the third), ``65536``.

    Raises:
        InputError: it is none; names the option.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] == "iB" and not found[2]):
        raise InputError(f"{option}: {text!r}: expected a size such as 4GiB, 650MB or 1000000")
    unit = 1000 if found[3] in {"B", "b"} and found[2] else 1024
    return int(Decimal(found[1]) * unit ** _POWERS[found[2].lower()])


def size_text(count: int) -> str:
    """A number of bytes for people, in binary units: ``1.5 GiB``."""
    if abs(count) < 1024:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        size /= 1024
        if abs(size) < 1024 or unit == "PiB":
            break
    return f"{size:.1f} {unit}"


def counted(count: int, noun: str, zero: str = "0") -> str:
    """So many of something: ``1 image``, ``2 images``, or of none `zero` images."""
    return f"{count or zero} {noun}{'' if count == 1 else 's'}"
