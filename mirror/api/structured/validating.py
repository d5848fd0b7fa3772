"""Whether a value has the shape that its atom asks for (structured-merge-diff ``typed/validate.go``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mirror.api.goformat import go_syntax, go_type, go_value
from mirror.api.structured import paths
from mirror.api.structured.schema import Atom, ListAtom, MapAtom, Scalar


class UnfitError(ValueError):
    """A value that does not have the shape; the text is that of the real server."""


def check(atom: Atom, value: Any) -> None:
    """Checks a value.

    Raises:
        UnfitError: with all that is wrong.
    """
    found = [f"{path}: {text}" if path else text for path, text in _problems(atom, value)]
    if len(found) == 1:
        raise UnfitError(found[0])
    if found:
        raise UnfitError("\n  ".join(["errors:", *found]))


def _problems(atom: Atom, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(atom, Scalar):
        yield from _scalar_problems(atom, value)
    elif isinstance(atom, MapAtom):
        if not isinstance(value, dict):
            yield "", f"expected map, got &{{{go_value(value)}}}"
            return
        yield from _field_problems(atom, value)
    elif isinstance(atom, ListAtom):
        if not isinstance(value, list):
            yield "", f"expected list, got &{{{go_value(value)}}}"
            return
        yield from _item_problems(atom, value)


def _scalar_problems(atom: Scalar, value: Any) -> Iterator[tuple[str, str]]:
    if atom.wanted == "string" and not isinstance(value, str):
        yield "", f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
    elif atom.wanted == "boolean" and not isinstance(value, bool):
        yield "", f"expected boolean, got &{{{go_value(value)}}}"
    elif atom.wanted == "numeric (int or float)" and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield "", f"expected {atom.wanted}, got {go_type(value)}"


def _field_problems(atom: MapAtom, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The first unknown field ends the search in its map."""
    for name, inner in sorted(value.items()):
        below = atom.of(name)
        if below is None:
            yield f".{name}", "field not declared in schema"
            return
        yield from ((f".{name}{path}", text) for path, text in _problems(below, inner))


def _item_problems(atom: ListAtom, value: list[Any]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for index, inner in enumerate(value):
        element = f"i:{index}"
        if atom.associative:
            try:
                element = paths.item(atom, inner)
            except paths.UnkeyedError as error:
                yield "", f"element {index}: {error}"
                return
            if element in seen:
                yield "", f"duplicate entries for key {paths.shown((element,))}"
            seen.add(element)
        where = paths.shown((element,))
        yield from ((f"{where}{path}", text) for path, text in _problems(atom.element, inner))
