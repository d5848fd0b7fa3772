"""JSON patches (RFC 6902) and JSON merge patches (RFC 7386), as ``evanphx/json-patch`` applies them.

Both leave a trace in the text of the patched document, which messages show: whatever was looked into has its keys
sorted, the rest is as it was.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from mirror.gotext import html_escape

MAX_OPERATIONS: Final = 10_000
MAX_COPIED: Final = 64 * 1024 * 1024
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,9}")
_NOTHING: Final[Any] = object()


class PatchError(Exception):
    """A patch that does not apply."""


class Document:
    """A JSON document that is patched."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._opened: dict[int, Any] = {id(value): value}

    def open(self, value: Any) -> Any:
        """Remembers that a container was looked into."""
        self._opened[id(value)] = value
        return value

    @property
    def text(self) -> bytes:
        """The document as JSON."""
        return html_escape(
            json.dumps(self._ordered(self.value), separators=(",", ":"), ensure_ascii=False).encode(
                "utf-8", "surrogatepass"
            )
        )

    def _ordered(self, value: Any) -> Any:
        if isinstance(value, dict):
            keys = sorted(value) if id(value) in self._opened else value
            return {key: self._ordered(value[key]) for key in keys}
        if isinstance(value, list):
            return [self._ordered(item) for item in value]
        return value


# JSON patch


def apply_patch(document: Document, operations: list[Mapping[str, Any]]) -> None:
    """Applies the operations in order; after an error the document is of no use.

    Raises:
        PatchError: one of them cannot be applied.
    """
    copied = 0
    for operation in operations:
        match operation.get("op"):
            case "add":
                _add(document, _text(operation, "path"), operation.get("value"))
            case "remove":
                _remove(document, _text(operation, "path"))
            case "replace":
                _replace(document, _text(operation, "path"), operation.get("value"))
            case "move":
                source = _text(operation, "from")
                value = _get(document, source)
                _remove(document, source)
                _add(document, _text(operation, "path"), None if value is _NOTHING else value)
            case "copy":
                value = _get(document, _text(operation, "from"))
                copied += len(json.dumps(value)) if value is not _NOTHING else 0
                if copied > MAX_COPIED:
                    raise PatchError("too much is copied")
                _add(document, _text(operation, "path"), None if value is _NOTHING else copy.deepcopy(value))
            case "test":
                _test(document, _text(operation, "path"), operation.get("value"))
            case kind:
                raise PatchError(f"Unexpected kind: {kind}")


def _text(operation: Mapping[str, Any], name: str) -> str:
    value = operation.get(name)
    if not isinstance(value, str):
        raise PatchError(f"operation, missing {name} field")
    return value


def _find(document: Document, path: str) -> tuple[Any, str]:
    """The container that a path leads to, and the key in it."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    if len(parts) < 2:
        raise PatchError(f"doc is missing path: {path}")
    at = document.value
    for part in parts[1:-1]:
        at = at.get(part) if isinstance(at, dict) else at[_index(at, part)]
        if not isinstance(at, dict | list):
            raise PatchError(f"doc is missing path: {path}")
        document.open(at)
    return at, parts[-1]


def _index(items: list[Any], key: str, *, end: bool = False) -> int:
    """The index that a key means; negative ones count from the end. With `end` the place after the last counts, too."""
    size = len(items) + (1 if end else 0)
    if not _INDEX.fullmatch(key):
        raise PatchError(f"no index: {key}")
    index = int(key)
    if not -size <= index < size:
        raise PatchError(f"Unable to access invalid index: {index}")
    return index + size if index < 0 else index


def _get(document: Document, path: str) -> Any:
    container, key = _find(document, path)
    if isinstance(container, dict):
        return container.get(key, _NOTHING)
    return container[_index(container, key)]


def _add(document: Document, path: str, value: Any) -> None:
    container, key = _find(document, path)
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(container, key, end=True), value)


def _remove(document: Document, path: str) -> None:
    container, key = _find(document, path)
    if isinstance(container, dict):
        if key not in container:
            raise PatchError(f"Unable to remove nonexistent key: {key}")
        del container[key]
    else:
        del container[_index(container, key)]


def _replace(document: Document, path: str, value: Any) -> None:
    """What is not there is added to an object; only in arrays it has to be there."""
    if not path:
        if not isinstance(value, dict | list):
            raise PatchError("replace operation value must be object or array")
        document.value = document.open(value)
        return
    container, key = _find(document, path)
    if isinstance(container, dict):
        container[key] = value
    else:
        container[_index(container, key)] = value


def _test(document: Document, path: str, value: Any) -> None:
    """What is not there is null."""
    found = document.value if not path else _get(document, path)
    if not _equal(None if found is _NOTHING else found, value):
        raise PatchError(f"testing value {path} failed")


def _equal(one: Any, other: Any) -> bool:
    """Numbers are compared as they are written, so that 1 and 1.0 differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other)


# JSON merge patch


def merge_patch(document: Document, patch: Any) -> None:
    """Merges a patch, which is an object, into the document, which is one, too."""
    _merge(document, document.value, patch)


def _merge(document: Document, target: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
            continue
        current = target.get(key)
        if isinstance(current, dict):
            document.open(current)
            if isinstance(value, dict):
                _merge(document, current, value)
                continue
            target[key] = value
            continue
        target[key] = _pruned(document, value)


def _pruned(document: Document, value: Any) -> Any:
    """A value without its nulls, except those in arrays."""
    if isinstance(value, dict):
        kept = {key: _pruned(document, item) for key, item in value.items() if item is not None}
        return document.open(kept)
    if isinstance(value, list):
        return [_pruned(document, item) for item in value]
    return value
