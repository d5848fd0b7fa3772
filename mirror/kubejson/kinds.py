"""The Go types behind the API's structs: shapes for the decoder, found by introspection.

A msgspec Struct has the name of the Go struct; its annotations say the rest:

=============================  =======================================================================================
``str``, ``bool``, ``int``     ``string`` (or a string type of its own, see `_NAMED`), ``bool``, ``int64``
``bytes``                      ``[]byte``
``list[X]``, ``dict[str, X]``  slices and maps
``X | None``                   a pointer to a struct, number or boolean; a slice or map is nil by itself
``msgspec.Raw``                ``runtime.RawExtension``, ``metav1.FieldsV1``
``Annotated[str, …]``          with ``msgspec.Meta(extra={"go": "Time"})``: ``metav1.Time``; or another type's name
=============================  =======================================================================================
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec

from mirror import gojson
from mirror.gojson import Shape
from mirror.gotext import ZERO_TEXT

T = TypeVar("T", bound=msgspec.Struct)
Convert = Callable[[Any], Any]

# Fields whose Go type is not the plain string or int64 that their annotation says, by struct and JSON name.
_NAMED: Final = {
    ("ObjectMeta", "uid"): "types.UID",
    ("OwnerReference", "uid"): "types.UID",
    ("ObjectReference", "uid"): "types.UID",
    ("StatusDetails", "uid"): "types.UID",
    ("Preconditions", "uid"): "types.UID",
    ("ManagedFieldsEntry", "operation"): "v1.ManagedFieldsOperationType",
    ("Status", "reason"): "v1.StatusReason",
    ("Status", "code"): "int32",
    ("StatusDetails", "retryAfterSeconds"): "int32",
    ("StatusCause", "reason"): "v1.CauseType",
    ("DeleteOptions", "propagationPolicy"): "v1.DeletionPropagation",
    ("TagImportPolicy", "importMode"): "v1.ImportModeType",
    ("TagReferencePolicy", "type"): "v1.TagReferencePolicyType",
    ("TagEventCondition", "type"): "v1.TagEventConditionType",
    ("TagEventCondition", "status"): "v1.ConditionStatus",
    ("SignatureCondition", "type"): "v1.SignatureConditionType",
    ("SignatureCondition", "status"): "v1.ConditionStatus",
    ("Secret", "type"): "v1.SecretType",
}


@dataclass(frozen=True, slots=True)
class Kind(typing.Generic[T]):
    """A struct type with its shape and the decoder of its fast path."""

    type: type[T]
    shape: gojson.Struct
    convert: dict[str, tuple[str, Convert | None]]
    decoder: msgspec.json.Decoder[T]

    def build(self, values: dict[str, Any]) -> T:
        """Makes the struct of what was decoded: fields that were not set have their defaults."""
        arguments = {}
        for key, value in values.items():
            name, convert = self.convert[key]
            arguments[name] = value if convert is None else convert(value)
        return self.type(**arguments)


@functools.cache
def kind_of(type_: type[T], go_name: str, package: str) -> Kind[T]:
    """The kind of a Struct type. Types must not contain themselves."""
    fields: list[tuple[str, Shape]] = []
    convert: dict[str, tuple[str, Convert | None]] = {}
    for field in msgspec.structs.fields(type_):
        named = _NAMED.get((go_name, field.encode_name), "")
        shape, function = _translate(field.type, named, package)
        fields.append((field.encode_name, shape))
        convert[field.encode_name] = (field.name, function)
    shape = gojson.Struct(f"{package}.{go_name}", fields, fold=False)
    return Kind(type_, shape, convert, msgspec.json.Decoder(type_))


def _translate(annotation: Any, named: str, package: str) -> tuple[Shape, Convert | None]:
    """The shape of an annotation, and what turns the decoded value into the field's."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        base, *notes = typing.get_args(annotation)
        extra = [note.extra for note in notes if isinstance(note, msgspec.Meta) and note.extra]
        return _translate(base, extra[0].get("go", named) if extra else named, package)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = (part for part in typing.get_args(annotation) if part is not type(None))
        shape, convert = _translate(inner, named, package)
        if isinstance(shape, gojson.TimeShape):
            return shape, _time_or_none
        return (shape if isinstance(shape, _NIL_BY_ITSELF) else gojson.Pointer(shape)), convert
    if origin is list:
        shape, convert = _translate(typing.get_args(annotation)[0], "", package)
        return gojson.List(shape), convert and functools.partial(_each, convert)
    if origin is dict:
        shape, convert = _translate(typing.get_args(annotation)[1], "", package)
        return gojson.Map(shape), convert and functools.partial(_each_value, convert)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        kind = kind_of(annotation, annotation.__name__, package)
        return kind.shape, kind.build
    if annotation is msgspec.Raw:
        return gojson.Pointer(gojson.Raw), msgspec.Raw
    if named == "Time":
        return gojson.MetaTime, None
    if named == "int32":
        return gojson.Int32, None
    shape = _PLAIN[annotation]
    return (shape.named(named) if named else shape), None


_PLAIN: Final[dict[Any, Shape]] = {
    str: gojson.String,
    bool: gojson.Bool,
    int: gojson.Int64,
    float: gojson.Float64,
    bytes: gojson.Bytes,
    Any: gojson.Any,
}
_NIL_BY_ITSELF: Final = (gojson.List, gojson.Map, gojson.Pointer, gojson.BytesShape, gojson.AnyShape)


def _each(convert: Convert, values: list[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _each_value(convert: Convert, values: dict[str, Any]) -> dict[str, Any]:
    return {key: convert(value) for key, value in values.items()}


def _time_or_none(text: str) -> str | None:
    return None if text == ZERO_TEXT else text
