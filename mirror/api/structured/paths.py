"""Paths to fields, sets of them, and ``fieldsV1``, the form in which managed fields carry such sets.

An element of a path is the text that ``fieldsV1`` has for it: ``f:NAME`` for a field, ``k:{"name":"x"}`` for an item of
a list by its keys, ``v:VALUE`` for an item of a set, ``i:INDEX`` for one by its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from mirror.api.structured.schema import Atom, ListAtom, MapAtom
from mirror.gotext import quote

Path: TypeAlias = tuple[str, ...]
Fields: TypeAlias = frozenset[Path]
"""A set of paths. A path may be in it without those below it, and the other way round."""

_RANKS: Final = "fkvi"
_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_MAX_DEPTH: Final = 100
_FEW: Final = 64
_LONGEST_KEPT: Final = 1024
"""Characters of an element that is remembered: longer ones, which clients may write, would fill the memory."""


class _TooLongToKeepError(Exception):
    """Something is too long to be remembered."""


class UnkeyedError(ValueError):
    """An item of an associative list has no key; the text is that of the real server."""


def field(name: str) -> str:
    """The element of a field."""
    return f"f:{name}"


def item(atom: ListAtom, value: Any) -> str:
    """The element of an item of an associative list.

    Raises:
        UnkeyedError: the item has no key.
    """
    if atom.keys:
        return f"k:{_json(_keys_of(atom, value))}"
    if isinstance(value, dict):
        raise UnkeyedError("associative list without keys has an element that's a map type")
    if isinstance(value, list):
        raise UnkeyedError("not supported: associative list with lists as elements")
    if value is None:
        raise UnkeyedError("associative list without keys has an element that's an explicit null")
    return f"v:{_json(value)}"


def _keys_of(atom: ListAtom, value: Any) -> dict[str, Any]:
    if value is None:
        raise UnkeyedError("associative list with keys may not have a null element")
    if not isinstance(value, dict):
        raise UnkeyedError("associative list with keys may not have non-map elements")
    keys = {name: value[name] for name in sorted(atom.keys) if name in value}
    if not keys:
        named = f"[{' '.join(quote(name) for name in atom.keys)}]"
        text = "associative list with keys has an element that omits all key fields"
        raise UnkeyedError(f"{text} {named} (and doesn't have default values for any key fields)")
    return keys


def shown(path: Path) -> str:
    """A path as conflicts show it: ``.spec.tags[name="x"].from``."""
    return "".join(_shown(element) for element in path)


def _shown(element: str) -> str:
    kind, content = element[0], element[2:]
    if kind == "f":
        return f".{content}"
    if kind == "k":
        return f"[{','.join(f'{name}={_go(value)}' for name, value in json.loads(content).items())}]"
    return f"[={_go(json.loads(content))}]" if kind == "v" else f"[{content}]"


def _go(value: Any) -> str:
    return quote(value) if isinstance(value, str) else _json(value)


def in_order(fields: Iterable[Path]) -> list[Path]:
    """Paths in the order of ``fieldsV1``: a path before what is below it, fields before items."""
    return sorted(fields, key=lambda path: [_rank(element) for element in path])


def _rank(element: str) -> tuple[int, int, bytes]:
    return _kept_rank(element) if len(element) <= _LONGEST_KEPT else _rank_of(element)


def _rank_of(element: str) -> tuple[int, int, bytes]:
    kind, content = element[0], element[2:]
    index = int(content) if kind == "i" else 0
    return _RANKS.index(kind), index, content.encode("utf-8", "surrogatepass")


_kept_rank = lru_cache(maxsize=4096)(_rank_of)


# fieldsV1


def encode(fields: Fields) -> msgspec.Raw:
    """A set as ``fieldsV1``. Clients set the same few fields over and over."""
    if len(fields) <= _FEW:
        with suppress(_TooLongToKeepError):
            return _encoded_few(fields)
    return _encoded(fields)


def _encoded(fields: Fields) -> msgspec.Raw:
    tree: dict[str, Any] = {}
    for path in in_order(fields):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return msgspec.Raw(_json(_without_lonely_dots(tree)).encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=256)
def _encoded_few(fields: Fields) -> msgspec.Raw:
    """
    Raises:
        _TooLongToKeepError: what they are called is too long to be remembered; nothing is, then.
    """
    if any(len(element) > _LONGEST_KEPT for path in fields for element in path):
        raise _TooLongToKeepError
    return _encoded(fields)


def _without_lonely_dots(tree: dict[str, Any]) -> dict[str, Any]:
    """A path with nothing below it is an empty object."""
    return {key: {} if not value or set(value) == {"."} else _without_lonely_dots(value) for key, value in tree.items()}


def decode(raw: msgspec.Raw) -> Fields:
    """The set that ``fieldsV1`` stands for.

    Raises:
        ValueError: it is none.
    """
    try:
        tree = json.loads(bytes(raw)) or {} if bytes(raw) else {}
        return frozenset(_decoded(tree, ()))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _decoded(tree: Any, path: Path) -> Iterator[Path]:
    if not isinstance(tree, dict) or len(path) > _MAX_DEPTH:
        raise ValueError("no object")
    for key, below in tree.items():
        if key == ".":
            yield path
            continue
        element = _checked(key)
        if below == {}:
            yield (*path, element)
        else:
            yield from _decoded(below, (*path, element))


def _checked(key: str) -> str:
    """An element in the form that comparing needs."""
    kind, content = key[:2], key[2:]
    if kind == "f:":
        return key
    if kind == "i:":
        return f"i:{int(content)}"
    if kind not in ("k:", "v:"):
        raise ValueError(f"unknown path element {key!r}")
    value = json.loads(content)
    if kind == "k:" and not isinstance(value, dict):
        raise ValueError(f"unknown path element {key!r}")
    return kind + _json(dict(sorted(value.items())) if isinstance(value, dict) else value)


def with_named_fields(fields: Fields, atom: Atom) -> Fields:
    """The set with those fields of structs that are only there as part of a longer path."""
    found = set(fields)
    for path in fields:
        at: Atom | None = atom
        for depth, element in enumerate(path[:-1], 1):
            if isinstance(at, MapAtom) and element[0] == "f":
                if element[2:] in at.fields:
                    found.add(path[:depth])
                at = at.of(element[2:])
            elif isinstance(at, ListAtom):
                at = at.element
            else:
                break
    return frozenset(found)
