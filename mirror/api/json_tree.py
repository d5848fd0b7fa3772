"""Patches as plain JSON values, with what strict decoding finds wrong with them (``sigs.k8s.io/json``)."""

from __future__ import annotations

import json
from typing import Any, Final

from mirror import gojson
from mirror.gojson import GoJSONError, Shape, StrictLog

_MAX_DEPTH: Final = 200
"""Deeper than any object of the API; the real server stops at 10,000."""


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, repeated ones included."""


def read_tree(data: bytes, shape: Shape, log: StrictLog, fields: frozenset[str] | None = None) -> Any:
    """Decodes a text into dictionaries, lists and scalars, and notes repeated keys.

    With `fields` the text is a list of objects that may have no other fields.

    Raises:
        GoJSONError: it is no JSON, or not of the shape on the outside.
    """
    gojson.decode(data, shape)
    try:
        return _plain(json.loads(data.decode("utf-8", "replace"), object_pairs_hook=_Members), log, 0, fields)
    except RecursionError:
        raise GoJSONError("exceeded max depth") from None


def _plain(value: Any, log: StrictLog, depth: int, fields: frozenset[str] | None) -> Any:
    if depth > _MAX_DEPTH:
        raise GoJSONError("exceeded max depth")
    mark = log.mark()
    if isinstance(value, _Members):
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key, inner in value:
            name = _valid(key)
            if fields is not None and depth == 1 and name not in fields:
                log.unknown(name)
                continue
            log.see(name, seen)
            log.push_key(name)
            found[name] = _plain(inner, log, depth + 1, fields)
            log.reset(mark)
        return found
    if isinstance(value, list):
        items = []
        for index, inner in enumerate(value):
            log.push_index(index)
            items.append(_plain(inner, log, depth + 1, fields))
            log.reset(mark)
        return items
    return _valid(value) if isinstance(value, str) else value


def _valid(text: str) -> str:
    """A text as Go has it: halves of surrogate pairs are replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text
