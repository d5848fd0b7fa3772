"""From a JSON tree to the shape of a type, with the words of apimachinery ``runtime/converter.go``."""

from __future__ import annotations

from typing import Any, Final

from mirror import gojson
from mirror.api.goformat import go_type
from mirror.gojson import Shape
from mirror.gotext import GoBase64Error, GoTimeError, decode_base64, parse_rfc3339

_KINDS: Final = {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64", float: "float64"}


class RestoreError(ValueError):
    """A value that does not have the shape of its field."""


def restore(shape: Shape, tree: Any) -> tuple[Any, list[str]]:
    """A tree that fits the shape, and the fields in it that the shape does not know, in the order of their texts.

    Raises:
        RestoreError: a value does not fit.
    """
    unknown: list[str] = []
    restored = _restore(shape, tree, "", unknown)
    return restored, sorted(f'unknown field "{path}"' for path in unknown)


def _restore(shape: Shape, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(shape, gojson.Pointer):
        shape = shape.item
    if value is None or shape is gojson.Raw or isinstance(shape, gojson.AnyShape):
        return value
    if isinstance(shape, gojson.Struct):
        return _restore_struct(shape, value, path, unknown)
    if isinstance(shape, gojson.Map):
        if not isinstance(value, dict):
            raise RestoreError(f"cannot restore map from {_kind(value)}")
        return {key: _restore(shape.value, item, f"{path}.{key}", unknown) for key, item in value.items()}
    if isinstance(shape, gojson.List):
        if not isinstance(value, list):
            raise RestoreError(f"cannot restore slice from {_kind(value)}")
        return [_restore(shape.item, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if isinstance(shape, gojson.BytesShape):
        return _restore_bytes(value)
    if isinstance(shape, gojson.TimeShape):
        return _restore_time(value)
    return _restore_scalar(shape, value)


def _restore_struct(shape: gojson.Struct, value: Any, path: str, unknown: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RestoreError(f"cannot restore struct from: {_kind(value)}")
    prefix = f"{path}." if path else ""
    restored = {}
    for name, field in shape.exact.items():
        if name in value:
            restored[name] = _restore(field.shape, value[name], f"{prefix}{name}", unknown)
    unknown += [f"{prefix}{key}" for key in value if key not in shape.exact]
    return restored


def _restore_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        raise RestoreError(f"cannot restore slice from {_kind(value)}")
    try:
        decode_base64(value)
    except GoBase64Error as error:
        raise RestoreError(f"error decoding from json: {error}") from None
    return value


def _restore_time(value: Any) -> Any:
    if not isinstance(value, str):
        name = {dict: "object", list: "array", bool: "bool"}.get(type(value), "number")
        raise RestoreError(f"json: cannot unmarshal {name} into Go value of type string")
    try:
        parse_rfc3339(value)
    except GoTimeError as error:
        raise RestoreError(str(error)) from None
    return value


def _restore_scalar(shape: Shape, value: Any) -> Any:
    """Texts, booleans and numbers. Whole numbers may be written with a point."""
    if isinstance(shape, gojson.StringShape):
        if isinstance(value, int) and not isinstance(value, bool):
            raise RestoreError(f"cannot convert int64 to {shape.go}")
        wanted, kind = isinstance(value, str), "string"
    elif isinstance(shape, gojson.BoolShape):
        wanted, kind = isinstance(value, bool), "bool"
    else:
        wanted, kind = isinstance(value, int | float) and not isinstance(value, bool), shape.go
        if isinstance(value, float):
            if not value.is_integer():
                raise RestoreError(f"cannot convert {go_type(value)} to {shape.go}")
            value = int(value)
    if not wanted:
        raise RestoreError(f"unrecognized type: {kind}")
    return value


def _kind(value: Any) -> str:
    return _KINDS[type(value)]
