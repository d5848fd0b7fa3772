"""Texts as Go prints them: quoting, times, base64 errors, aggregates. The real server's messages are made of these."""

from __future__ import annotations

from mirror.gotext.base64 import GoBase64Error, decode_base64
from mirror.gotext.quoting import aggregate, format_float, go_text, html_escape, quote
from mirror.gotext.times import ZERO_TEXT, ZERO_TIME, GoTimeError, parse_rfc3339, rfc3339

__all__ = [
    "ZERO_TEXT",
    "ZERO_TIME",
    "GoBase64Error",
    "GoTimeError",
    "aggregate",
    "decode_base64",
    "format_float",
    "go_text",
    "html_escape",
    "parse_rfc3339",
    "quote",
    "rfc3339",
]
