"""How values are looked at: as single things, as maps whose fields have owners, or as lists whose items have keys."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `wanted` is how messages call its type."""

    wanted: Literal["string", "numeric (int or float)", "boolean"]


@dataclass(frozen=True, slots=True)
class Untyped:
    """Any value, always owned as a whole."""


@dataclass(frozen=True, slots=True)
class MapAtom:
    """A struct with `fields`, or a map whose values are all an `element`. An atomic one is owned as a whole."""

    fields: Mapping[str, Atom] = field(default_factory=dict)
    element: Atom | None = None
    atomic: bool = False

    def of(self, name: str) -> Atom | None:
        """What is known of one field; None if there may be no such field."""
        return self.fields.get(name, self.element)


@dataclass(frozen=True, slots=True)
class ListAtom:
    """A list. An associative one has items that are known by `keys`, or, without any, by their value (a set)."""

    element: Atom
    associative: bool = False
    keys: tuple[str, ...] = ()


Atom: TypeAlias = Scalar | Untyped | MapAtom | ListAtom

# Lists that are not owned as a whole, by struct and field: their keys. What the OpenAPI document says of them in
# x-kubernetes-list-map-keys or, where that is missing, in x-kubernetes-patch-merge-key.
_KEYS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("ObjectMeta", "ownerReferences"): ("uid",),
    ("ObjectMeta", "finalizers"): (),
    ("ImageStreamSpec", "tags"): ("name",),
    ("ImageStreamStatus", "tags"): ("tag",),
    ("Image", "signatures"): ("name",),
    ("ImageSignature", "conditions"): ("type",),
}
# Structs with x-kubernetes-map-type: atomic.
_ATOMIC: Final = frozenset({"ObjectReference", "LocalObjectReference", "OwnerReference"})

_SCALARS: Final[dict[Any, Scalar]] = {
    str: Scalar("string"),
    bytes: Scalar("string"),
    bool: Scalar("boolean"),
    int: Scalar("numeric (int or float)"),
    float: Scalar("numeric (int or float)"),
}


@functools.cache
def atom_of(type_: type[msgspec.Struct]) -> MapAtom:
    """The atom of a kind of the API, found by its annotations."""
    fields = {
        one.encode_name: _atom(one.type, _KEYS.get((type_.__name__, one.encode_name)))
        for one in msgspec.structs.fields(type_)
    }
    return MapAtom(fields, atomic=type_.__name__ in _ATOMIC)


def _atom(annotation: Any, keys: tuple[str, ...] | None) -> Atom:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _atom(typing.get_args(annotation)[0], keys)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = (part for part in typing.get_args(annotation) if part is not type(None))
        return _atom(inner, keys)
    if origin is list:
        return ListAtom(_atom(typing.get_args(annotation)[0], None), keys is not None, keys or ())
    if origin is dict:
        return MapAtom(element=_atom(typing.get_args(annotation)[1], None))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return atom_of(annotation)
    return _SCALARS.get(annotation, Untyped())
