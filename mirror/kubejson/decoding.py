"""API request bodies as the real server decodes them (``sigs.k8s.io/json``, apimachinery ``serializer/json``).

Keys are compared as they are. Unknown and repeated fields are no errors but problems, which the caller turns into
warnings or, with ``fieldValidation=Strict``, into a refusal.

Most bodies take the fast path: msgspec makes the object, and nothing is wrong with it if what it read is all that was
sent. Else the ``json`` module looks for unknown and repeated fields. Whatever either of them refuses, and whatever they
might read differently from Go, is decoded by Go's rules.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

from mirror import gojson
from mirror.gojson import Shape, StrictLog
from mirror.gotext import ZERO_TEXT, GoTimeError, parse_rfc3339
from mirror.kubejson.kinds import Kind, kind_of

T = TypeVar("T", bound=msgspec.Struct)

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[T]):
    """An object, and the texts of what is wrong with the fields that were sent, in document order."""

    value: T
    problems: list[str]


def decode_object(data: bytes, type_: type[T], *, go_name: str = "", package: str = "v1") -> Decoded[T]:
    """Decodes a JSON body into a Struct of the API.

    Args:
        data: the body.
        type_: the Struct type; `mirror.kubejson.kinds` says how its annotations are read.
        go_name: the name of the Go type, where it is not that of the Struct.
        package: the Go package that error texts show before type names.

    Raises:
        GoJSONError: with the text of Go's decoder, such as ``json: cannot unmarshal string into Go struct field
            ImageStreamImportSpec.spec.images of type []v1.ImageImportSpec``.
    """
    kind = kind_of(type_, go_name or type_.__name__, package)
    fast = _decode_fast(data, kind)
    if fast is not None:
        return fast
    log = StrictLog()
    return Decoded(kind.build(gojson.decode(data, kind.shape, strict=log)), log.problems)


_LEAVES: Final = (gojson.StringShape, gojson.BoolShape, gojson.BytesShape)
"""What needs no second look."""


class _Doubt(Exception):
    """The fast path might see something else than Go."""


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object, repeated ones included."""


def _decode_fast(data: bytes, kind: Kind[T]) -> Decoded[T] | None:
    try:
        value = kind.decoder.decode(data)
        if _is_plain(data, kind.shape):
            return Decoded(value, [])
        tree = json.loads(data.decode(), object_pairs_hook=_Object, parse_float=_doubt, parse_constant=_doubt)
        log = StrictLog()
        _inspect(kind.shape, tree, log)
    except (msgspec.MsgspecError, ValueError, RecursionError, _Doubt):
        return None
    return Decoded(value, log.problems)


def _is_plain(data: bytes, shape: Shape) -> bool:
    """Whether a body has known fields only, each once, and values that everybody reads alike.

    What has repeated fields is longer than what was read of it, and comes out otherwise when it is written again; so do
    texts with unusual escapes and numbers with unusual forms, which need not be plain.
    """
    tree = msgspec.json.decode(data)
    return msgspec.json.encode(tree) == msgspec.json.format(data, indent=-1) and _is_known(shape, tree)


def _is_known(shape: Shape, value: Any) -> bool:
    if isinstance(shape, gojson.Pointer):
        if shape.item is gojson.Raw:
            return value is not None
        shape = shape.item
    if value is None:
        return True
    if isinstance(shape, gojson.Struct):
        fields = shape.exact
        if not value.keys() <= fields.keys():
            return False
        for key, inner in value.items():
            below = fields[key].shape
            if not isinstance(below, _LEAVES) and not _is_known(below, inner):
                return False
        return True
    if isinstance(shape, gojson.List):
        return isinstance(shape.item, _LEAVES) or all(_is_known(shape.item, one) for one in value)
    if isinstance(shape, gojson.Map):
        return isinstance(shape.value, _LEAVES) or all(_is_known(shape.value, one) for one in value.values())
    if isinstance(shape, gojson.IntShape):
        return type(value) is int and shape.minimum <= value <= shape.maximum
    return False


def _doubt(_literal: str) -> NoReturn:
    """msgspec may take a number with a point for an integer."""
    raise _Doubt


def _inspect(shape: Shape, value: Any, log: StrictLog) -> None:
    """Notes unknown fields.

    Raises:
        _Doubt: there is a repeated key, which Go may merge, or a value that Go would change or refuse.
    """
    if isinstance(shape, gojson.Pointer):
        if shape.item is gojson.Raw:
            if value is None:  # msgspec keeps the text
                raise _Doubt
            return
        shape = shape.item
    if value is None:
        return
    if isinstance(shape, gojson.Struct):
        _inspect_struct(shape, value, log)
    elif isinstance(shape, gojson.Map):
        if len(dict(value)) != len(value):
            raise _Doubt
        _inspect_entries(shape.value, value, log)
    elif isinstance(shape, gojson.List):
        _inspect_items(shape.item, value, log)
    elif isinstance(shape, gojson.IntShape):
        if not shape.minimum <= value <= shape.maximum:
            raise _Doubt
    elif isinstance(shape, gojson.TimeShape):
        _inspect_time(value)


def _inspect_struct(shape: gojson.Struct, members: _Object, log: StrictLog) -> None:
    mark = log.mark()
    seen: set[str] = set()
    for key, value in members:
        field = shape.exact.get(key)
        if field is None:
            log.unknown(key)
            continue
        if key in seen:
            raise _Doubt
        seen.add(key)
        if not isinstance(field.shape, _LEAVES):
            log.push_key(key)
            _inspect(field.shape, value, log)
            log.reset(mark)


def _inspect_entries(shape: Shape, members: _Object, log: StrictLog) -> None:
    if isinstance(shape, _LEAVES):
        return
    mark = log.mark()
    for key, value in members:
        log.push_key(key)
        _inspect(shape, value, log)
        log.reset(mark)


def _inspect_items(shape: Shape, items: list[Any], log: StrictLog) -> None:
    if isinstance(shape, _LEAVES):
        return
    mark = log.mark()
    for index, value in enumerate(items):
        log.push_index(index)
        _inspect(shape, value, log)
        log.reset(mark)


def _inspect_time(text: str) -> None:
    if _TIME.fullmatch(text) is None or text == ZERO_TEXT:
        raise _Doubt
    try:
        parse_rfc3339(text)
    except GoTimeError:
        raise _Doubt from None
