"""Two objects made one, and objects with fields taken out."""

from __future__ import annotations

from typing import Any

from mirror.api.structured import paths
from mirror.api.structured.compare import ABSENT, fields_of
from mirror.api.structured.paths import Fields
from mirror.api.structured.schema import Atom, ListAtom, MapAtom


def merge(atom: Atom, live: Any, wanted: Any) -> Any:
    """The live object with everything in it that is wanted. Neither is changed.

    Raises:
        UnkeyedError: an item of an associative list has no key.
    """
    if wanted is ABSENT:
        return live
    if live is ABSENT:
        live = None
    if isinstance(atom, MapAtom) and not atom.atomic and (live or wanted) and isinstance(wanted, dict | None):
        return _merge_maps(atom, live if isinstance(live, dict) else {}, wanted or {})
    if isinstance(atom, ListAtom) and atom.associative and (live or wanted) and isinstance(wanted, list | None):
        return _merge_items(atom, live if isinstance(live, list) else [], wanted or [])
    return wanted


def _merge_maps(atom: MapAtom, live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    merged = dict(live)
    for name, value in wanted.items():
        below = atom.of(name)
        merged[name] = value if below is None else merge(below, live.get(name, ABSENT), value)
    return merged


def _merge_items(atom: ListAtom, live: list[Any], wanted: list[Any]) -> list[Any]:
    """Items in the order in which they are wanted; live ones that nobody wants stay where they are among the others."""
    by_key = {paths.item(atom, value): value for value in wanted}
    present: dict[str, Any] = {}
    for value in live:
        present.setdefault(paths.item(atom, value), value)
    shared = [key for key in by_key if key in present]
    merged: list[Any] = []
    done: set[str] = set()

    def take(key: str) -> None:
        done.add(key)
        merged.append(merge(atom.element, present.get(key, ABSENT), by_key[key]))

    remaining = list(by_key)
    for value in live:
        key = paths.item(atom, value)
        if key not in by_key:
            merged.append(value)
        elif key not in done and shared and key == shared[0]:
            while remaining and key not in done:
                if remaining[0] not in done:
                    take(remaining[0])
                remaining.pop(0)
            shared = [one for one in shared if one not in done]
    for key in remaining:
        if key not in done:
            take(key)
    return merged


def without(atom: Atom, value: Any, fields: Fields) -> Any:
    """An object without these fields; what becomes empty is null."""
    if not fields:
        return value
    if isinstance(atom, MapAtom) and isinstance(value, dict):
        return None if atom.atomic else _map_without(atom, value, fields)
    if isinstance(atom, ListAtom) and isinstance(value, list):
        return _list_without(atom, value, fields) if atom.associative else None
    return value if isinstance(value, str | int | float) else None


def _map_without(atom: MapAtom, value: dict[str, Any], fields: Fields) -> Any:
    left = {}
    for name, inner in value.items():
        element = paths.field(name)
        if (element,) in fields:
            continue
        below = atom.of(name)
        left[name] = inner if below is None else without(below, inner, _below(fields, element))
    return left or None


def _list_without(atom: ListAtom, value: list[Any], fields: Fields) -> Any:
    left = []
    for inner in value:
        element = paths.item(atom, inner)
        if (element,) not in fields:
            left.append(without(atom.element, inner, _below(fields, element)))
    return left or None


def _below(fields: Fields, element: str) -> Fields:
    return frozenset(path[1:] for path in fields if len(path) > 1 and path[0] == element)


def pruned(atom: Atom, merged: Any, last: Fields, owned: Fields) -> Any:
    """What is left of a merged object when a manager who applied the fields `last` before applies it again.

    `owned` is what anybody owns by now, that manager included: the rest of `last` goes.
    """
    if not last:
        return merged
    before = paths.with_named_fields(last, atom)
    everything = paths.with_named_fields(fields_of(atom, merged), atom)
    kept = paths.with_named_fields(fields_of(atom, without(atom, merged, before)), atom)
    kept |= paths.with_named_fields(owned, atom)
    left = without(atom, merged, everything - kept)
    gone = everything - paths.with_named_fields(fields_of(atom, left), atom)
    return without(atom, merged, gone & before)
