"""Texts as Go prints them: quoting, times, URLs, base64 errors, aggregates, as in the messages of the real server."""

from __future__ import annotations

from mirror.gotext.base64 import GoBase64Error, decode_base64
from mirror.gotext.quoting import aggregate, format_float, format_general, go_text, html_escape, quote
from mirror.gotext.times import ZERO_TEXT, ZERO_TIME, GoTimeError, parse_rfc3339, rfc3339
from mirror.gotext.urls import GoUrl, GoUrlError, encode_query, parse_query

__all__ = [
    "ZERO_TEXT",
    "ZERO_TIME",
    "GoBase64Error",
    "GoTimeError",
    "GoUrl",
    "GoUrlError",
    "aggregate",
    "decode_base64",
    "encode_query",
    "format_float",
    "format_general",
    "go_text",
    "html_escape",
    "parse_query",
    "parse_rfc3339",
    "quote",
    "rfc3339",
]
