"""JSON values as Go's ``fmt`` prints them, where messages of the real server show them."""

from __future__ import annotations

from typing import Any, Final

from mirror.gotext import format_float, quote

_MAX_DEPTH: Final = 50


def go_value(value: Any, depth: int = 0) -> str:
    """``%v`` and ``%+v``: ``map[a:1 b:[x y]]``."""
    if depth > _MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_value(value[key], depth + 1)}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_value(item, depth + 1) for item in value)}]"
    if isinstance(value, str):
        return value
    return _scalar(value, "<nil>")


def go_syntax(value: Any, depth: int = 0) -> str:
    """``%#v``: ``map[string]interface {}{"a":1}``."""
    if depth > _MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        entries = ", ".join(f"{quote(key)}:{go_syntax(value[key], depth + 1)}" for key in sorted(value))
        return f"map[string]interface {{}}{{{entries}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(go_syntax(item, depth + 1) for item in value)}}}"
    if isinstance(value, str):
        return quote(value)
    return _scalar(value, "interface {}(nil)" if depth else "<nil>")


def go_type(value: Any) -> str:
    """``%T`` of a decoded JSON value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
    return "map[string]interface {}"


def _scalar(value: Any, nothing: str) -> str:
    if value is None:
        return nothing
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_float(value) if isinstance(value, float) else str(value)
