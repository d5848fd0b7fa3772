"""Which fields two objects differ in, and which fields an object sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mirror.api.structured import paths
from mirror.api.structured.paths import Fields, Path
from mirror.api.structured.schema import Atom, ListAtom, MapAtom

ABSENT: Final[Any] = object()
"""There is nothing, not even null."""

_PLAIN: Final = frozenset({str, int, bool, type(None)})
"""Of equal values of these types there is nothing to say."""


@dataclass(slots=True)
class Comparison:
    """The paths of what was added, removed and changed."""

    added: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)


def compare(atom: Atom, old: Any, new: Any) -> Comparison:
    """What happened from `old` to `new`.

    Raises:
        UnkeyedError: an item of an associative list has no key.
    """
    found = Comparison()
    _compare(atom, old, new, (), found)
    return found


def _compare(atom: Atom, old: Any, new: Any, path: Path, found: Comparison) -> None:
    """Compares; what is owned as a whole, or empty on both sides, is one field."""
    if isinstance(atom, MapAtom) and not atom.atomic and _are(dict, old, new):
        for name in _names(old, new):
            before, after = _get(old, name), _get(new, name)
            if before == after and type(before) in _PLAIN:
                continue
            below = atom.of(name)
            if below is not None:
                _compare(below, before, after, (*path, paths.field(name)), found)
    elif isinstance(atom, ListAtom) and atom.associative and _are(list, old, new):
        _compare_items(atom, old, new, path, found)
    else:
        _compare_leaf(old, new, path, found)
        return
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)


def _are(type_: type, old: Any, new: Any) -> bool:
    """Whether both are of a type, or nothing; and one of them is something."""
    something = False
    for value in (old, new):
        if value is not ABSENT and value is not None:
            if not isinstance(value, type_):
                return False
            something = something or bool(value)
    return something


def _compare_leaf(old: Any, new: Any, path: Path, found: Comparison) -> None:
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    elif old != new or (old is None) != (new is None):
        found.modified.add(path)


def _compare_items(atom: ListAtom, old: Any, new: Any, path: Path, found: Comparison) -> None:
    """Compares items of the same key; of those that are there more than once only whether they are."""
    before, after = _by_key(atom, old), _by_key(atom, new)
    for element in (*before, *(element for element in after if element not in before)):
        below = (*path, element)
        olds, news = before.get(element, []), after.get(element, [])
        if len(olds) < 2 and len(news) < 2:
            _compare(atom.element, olds[0] if olds else ABSENT, news[0] if news else ABSENT, below, found)
        elif len(olds) > 1 and len(news) > 1:
            if olds != news:
                found.modified.add(below)
        elif len(olds) > 1:
            if news:
                _compare(atom.element, ABSENT, news[0], below, found)
            found.removed.add(below)
        else:
            if olds:
                _compare(atom.element, olds[0], ABSENT, below, found)
            found.added.add(below)


def _by_key(atom: ListAtom, items: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for value in items if isinstance(items, list) else ():
        found.setdefault(paths.item(atom, value), []).append(value)
    return found


def _names(old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict):
        yield from old
    if isinstance(new, dict):
        yield from (name for name in new if not isinstance(old, dict) or name not in old)


def _get(value: Any, name: str) -> Any:
    return value.get(name, ABSENT) if isinstance(value, dict) else ABSENT


def fields_of(atom: Atom, value: Any) -> Fields:
    """The fields that an object sets: its leaves, its items, and maps that it says are empty.

    Raises:
        UnkeyedError: an item of an associative list has no key.
    """
    return frozenset(_fields(atom, value, ()))


def _fields(atom: Atom, value: Any, path: Path) -> Iterator[Path]:
    if isinstance(atom, MapAtom) and not atom.atomic:
        for name, inner in value.items() if isinstance(value, dict) else ():
            below, known = (*path, paths.field(name)), atom.of(name)
            if known is not None:
                yield from _fields(known, inner, below)
            if inner is None or inner == {} or name not in atom.fields:
                yield below
    elif isinstance(atom, ListAtom) and atom.associative:
        for element, found in _by_key(atom, value).items():
            if len(found) == 1:
                yield from _fields(atom.element, found[0], (*path, element))
            yield (*path, element)
    else:
        yield path
