"""Strategic merge patches (apimachinery ``strategicpatch``): lists whose items have a key are merged item by item.

Maps and lists are changed in place, the patch included: messages show what is left of it.
"""

from __future__ import annotations

from typing import Any, Final

from mirror.api.goformat import go_type, go_value
from mirror.api.structured.schema import Atom, ListAtom, MapAtom, Untyped

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_FROM: Final = "$deleteFromPrimitiveList"
_ORDER: Final = "$setElementOrder"

_BAD_RETAIN: Final = "invalid patch format of retainKeys"
_BAD_ORDER: Final = "invalid patch format of setElementOrder list"
_BAD_DELETE: Final = "invalid patch format of primitive list"
_LISTS_OF_LISTS: Final = "lists of lists are not supported"


class StrategicPatchError(Exception):
    """A patch that cannot be applied; `malformed`: not to any object, `unfit`: not to this one."""

    def __init__(self, text: str, *, malformed: bool = False, unfit: bool = False) -> None:
        super().__init__(text)
        self.malformed = malformed
        self.unfit = unfit


def apply(original: dict[str, Any], patch: dict[str, Any], atom: Atom | None) -> dict[str, Any]:
    """Merges a patch into an object and gives the result.

    Raises:
        StrategicPatchError: it cannot be merged.
    """
    if _DIRECTIVE in patch:
        return _directed(patch)
    _retain_keys(original, patch)
    _merge_ordered(original, patch, atom)
    for key, value in patch.items():
        _merge_field(original, key, value, atom)
    return original


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch[_DIRECTIVE]
    if directive == "replace":
        del patch[_DIRECTIVE]
        return patch
    if directive == "delete":
        return {}
    raise StrategicPatchError(f"unknown patch type: {go_value(directive)} in map: {go_value(patch)}")


def _retain_keys(original: dict[str, Any], patch: dict[str, Any]) -> None:
    if _RETAIN not in patch:
        return
    keys = patch.pop(_RETAIN)
    if not isinstance(keys, list):
        raise StrategicPatchError(_BAD_RETAIN, malformed=True)
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_FROM, _ORDER)) and key not in keys:
            raise StrategicPatchError(_BAD_RETAIN, malformed=True)
    for key in [key for key in original if key not in keys]:
        del original[key]


def _merge_field(original: dict[str, Any], key: str, value: Any, atom: Atom | None) -> None:
    deleting = key.startswith(_DELETE_FROM)
    if deleting:
        key = _field_of(key, _DELETE_FROM, _BAD_DELETE)
    if value is None:
        original.pop(key, None)
        return
    if key not in original or type(original[key]) is not type(value):
        if not deleting:
            _discard_nulls(value)
            _put(original, key, value)
        return
    below = atom.of(key) if isinstance(atom, MapAtom) else None
    if isinstance(value, dict):
        original[key] = value if isinstance(below, Untyped) else apply(original[key], value, below)
    elif isinstance(value, list):
        keyed = isinstance(below, ListAtom) and below.associative
        if deleting or keyed:
            original[key] = _merge_lists(original[key], value, below, deleting=deleting)
        else:
            original[key] = value
    else:
        _put(original, key, value)


def _put(original: dict[str, Any], key: str, value: Any) -> None:
    """Sets a field, unless the value is nothing but a directive."""
    kept = _without_directives(value)
    if kept is _NOTHING:
        original.pop(key, None)
    else:
        original[key] = kept


_NOTHING: Final[Any] = object()


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return _NOTHING
        for key in list(value):
            kept = _without_directives(value[key])
            if kept is _NOTHING:
                del value[key]
            else:
                value[key] = kept
    elif isinstance(value, list):
        return [kept for item in value if (kept := _without_directives(item)) is not _NOTHING]
    return value


def _discard_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for item in value.values():
            _discard_nulls(item)
    elif isinstance(value, list):
        for item in value:
            _discard_nulls(item)


def _field_of(key: str, prefix: str, problem: str) -> str:
    head, slash, field = key.partition("/")
    if not slash or head != prefix:
        raise StrategicPatchError(problem, malformed=True)
    return field


# Lists


def _merge_ordered(original: dict[str, Any], patch: dict[str, Any], atom: Atom | None) -> None:
    """Merges the lists of which the patch says in which order their items are to be."""
    for key in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise _bad_type("[]interface {}", order)
        field = _field_of(key, _ORDER, _BAD_ORDER)
        there, wanted = _list_of(original, field), _list_of(patch, field)
        below = atom.of(field) if isinstance(atom, MapAtom) else None
        if below is None:
            raise StrategicPatchError(f'unable to find api field "{field}" in struct')
        merge_key = _merge_key(below)
        _check_order(wanted, order, merge_key)
        if field not in original and field not in patch:
            continue
        if field not in patch:
            merged = there
        elif field not in original:
            merged = _without_directives(wanted)
        elif isinstance(below, ListAtom) and below.associative:
            merged = _merge_lists(there, wanted, below)
        else:
            merged = wanted
        if not there and not wanted:
            raise StrategicPatchError("no elements in any of the given slices")
        original[field] = _in_order(merged, order, there, merge_key)
        patch.pop(field, None)


def _list_of(tree: dict[str, Any], field: str) -> list[Any]:
    """The list in a field; an empty one if there is none.

    Raises:
        StrategicPatchError: the field holds something else.
    """
    value = tree.get(field, [])
    if not isinstance(value, list):
        raise _bad_type("[]interface {}", value)
    return value


def _check_order(wanted: list[Any], order: list[Any], merge_key: str) -> None:
    """The items of a patch have to be in the order that the patch itself asks for."""
    kept = [item for item in wanted if not (isinstance(item, dict) and _DIRECTIVE in item)]
    position = 0
    for item in order:
        if position < len(kept) and order and wanted and _key(kept[position], merge_key) == _key(item, merge_key):
            position += 1
    if order and wanted and position < len(kept):
        raise StrategicPatchError(
            f"The order in patch list:\n{go_value(wanted)}\n doesn't match {_ORDER} list:\n{go_value(order)}\n"
        )


def _merge_key(atom: Atom | None) -> str:
    return atom.keys[0] if isinstance(atom, ListAtom) and atom.keys else ""


def _key(item: Any, merge_key: str) -> Any:
    """What an item is known by: the value of its merge key, or itself.

    Raises:
        StrategicPatchError: it has no such key.
    """
    if not merge_key:
        return item
    if not isinstance(item, dict):
        raise _bad_type("map[string]interface {}", item)
    if merge_key not in item:
        raise StrategicPatchError(f"map: {go_value(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _merge_lists(original: list[Any], patch: list[Any], atom: Atom | None, *, deleting: bool = False) -> list[Any]:
    if not original and not patch:
        return original
    merge_key = _merge_key(atom)
    if not _are_maps(original, patch):
        if deleting:
            return [item for item in original if item not in patch]
        return _in_order(list(dict.fromkeys([*original, *patch])), patch, original, "")
    if not merge_key:
        raise StrategicPatchError("cannot merge lists without merge key for struct")
    original, patch = _take_special(original, patch, merge_key)
    merged = list(original)
    element = atom.element if isinstance(atom, ListAtom) else None
    for item in patch:
        key = _key(item, merge_key)
        at = next((index for index, one in enumerate(merged) if _key(one, merge_key) == key), None)
        if at is None:
            merged.append(item)
        else:
            merged[at] = apply(merged[at], item, element)
    return _in_order(merged, patch, original, merge_key)


def _are_maps(*lists: list[Any]) -> bool:
    """Whether the items are maps; all have to be of one type.

    Raises:
        StrategicPatchError: they are not, or are lists.
    """
    kinds = {type(item) for items in lists for item in items}
    if list in kinds:
        raise StrategicPatchError(_LISTS_OF_LISTS, unfit=True)
    if len(kinds) > 1:
        raise StrategicPatchError(f"list element types are not identical: {go_value(list(lists))}")
    return kinds == {dict}


def _take_special(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Follows the directives among the items of a patch; what is left are the others."""
    plain, replace = [], False
    for item in patch:
        directive = item.get(_DIRECTIVE, _NOTHING)
        if directive is _NOTHING:
            plain.append(item)
        elif directive == "delete":
            gone = _key(item, merge_key)
            original = [one for one in original if one.get(merge_key) != gone]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise StrategicPatchError("merging lists cannot yet be specified in the patch")
        else:
            raise StrategicPatchError(f"unknown patch type: {go_value(directive)} in map: {go_value(item)}")
    return (plain, []) if replace else (original, plain)


def _in_order(merged: list[Any], wanted: list[Any], there: list[Any], merge_key: str) -> list[Any]:
    """Items of a patch in its order, the others where they were among them."""
    order = [_key(item, merge_key) for item in wanted]
    before = [_key(item, merge_key) for item in there]
    own = [item for item in merged if _key(item, merge_key) in order]
    own.sort(key=lambda item: _position(order, _key(item, merge_key)))
    others = [item for item in merged if _key(item, merge_key) not in order]
    others.sort(key=lambda item: _position(before, _key(item, merge_key)))
    result: list[Any] = []
    while own and others:
        left, right = _key(others[0], merge_key), _key(own[0], merge_key)
        first = left in before and right in before and before.index(left) < before.index(right)
        result.append(others.pop(0) if first else own.pop(0))
    return [*result, *own, *others]


def _position(order: list[Any], key: Any) -> int:
    return order.index(key) if key in order else len(order)


def _bad_type(wanted: str, value: Any) -> StrategicPatchError:
    return StrategicPatchError(f"expected a {wanted}, but received a {go_type(value)}")
