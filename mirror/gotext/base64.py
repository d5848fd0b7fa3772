"""Go's ``encoding/base64``: the same bytes, and the same text for what cannot be decoded."""

from __future__ import annotations

import binascii
import re
from typing import Final

_STANDARD: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_STANDARD: Final = bytes.maketrans(b"-_+/", b"+/\x00\x00")
_LINE_ENDS: Final = b"\r\n"
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9+/]*+(={0,2})")


class GoBase64Error(ValueError):
    """Text that is no base64: ``illegal base64 data at input byte N``."""


def decode_base64(text: str | bytes, *, url: bool = False, padded: bool = True) -> bytes:
    """Decodes what ``StdEncoding`` decodes, or ``URLEncoding``, or the raw form of either (``padded=False``).

    Line feeds and carriage returns are ignored, and so are the bits left over in the last character.

    Raises:
        GoBase64Error: with Go's position of the first byte that does not fit.
    """
    source = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    standard = source.translate(_TO_STANDARD) if url else source
    core = standard.translate(None, _LINE_ENDS)
    found = _WELL_FORMED.fullmatch(core)
    pad = len(found.group(1)) if found else 0
    letters = len(core) - pad
    if found is None or pad != (-letters % 4 if padded else 0) or letters % 4 == 1:
        raise GoBase64Error(f"illegal base64 data at input byte {_bad_byte(standard, padded=padded)}")
    return binascii.a2b_base64(core[:letters] + b"=" * (-letters % 4))


def _bad_byte(source: bytes, *, padded: bool) -> int:
    """Where Go's decoder stops, group of four by group of four. `source` is known to be malformed."""
    at = 0
    while True:
        filled = 0
        while filled < 4:
            if at == len(source):
                return at - filled
            byte = source[at]
            at += 1
            if byte in _STANDARD:
                filled += 1
            elif byte in _LINE_ENDS:
                continue
            elif byte != ord("=") or not padded or filled < 2:
                return at - 1
            else:
                return _bad_padding(source, at, filled)


def _bad_padding(source: bytes, at: int, filled: int) -> int:
    """Behind the first ``=`` of a group with two or three letters: too little padding, or something after it."""
    at = _skip_line_ends(source, at)
    if filled == 2:
        if at == len(source):
            return at
        if source[at] != ord("="):
            return at - 1
        at = _skip_line_ends(source, at + 1)
    return at


def _skip_line_ends(source: bytes, at: int) -> int:
    while at < len(source) and source[at] in _LINE_ENDS:
        at += 1
    return at
