"""Shapes: what a JSON text is decoded into, as the Go types of the real program say.

A shape carries the Go type as error texts print it. What decoding gives:

===========================  ====================================================================================
`String`, `Bool`, `Float64`  str, bool, float
`Int64`, `Int32`, …          int, within the range of the type
`Bytes`                      bytes, from base64
`Time`, `MetaTime`           str: RFC 3339 in UTC with whole seconds, as it is printed (``time.Time``, ``metav1.Time``)
`Raw`                        bytes: the JSON text of the value as it stands (``json.RawMessage``)
`Any`                        dict, list, str, bool, int, float or None
`List`, `Map`, `Struct`      list; dict; dict with the fields that were set, under their own names
`Pointer`                    what it points to, or None
`Custom`, `Text`             whatever its function returns (types with ``UnmarshalJSON``, ``UnmarshalText``)
===========================  ====================================================================================
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any as AnyValue
from typing import Final, Self

from mirror.gotext import ZERO_TEXT


class Shape:
    """Base of all shapes. `go` is the Go type as error texts print it."""

    __slots__ = ("go",)

    def __init__(self, go: str) -> None:
        self.go = go

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.go!r})"

    def zero(self) -> AnyValue:
        """What an element of a list or map is when its JSON value is ``null``."""
        return None

    def named(self, go: str) -> Self:
        """The same shape under the name of a Go type of its own, such as ``digest.Digest`` for a string."""
        other = copy.copy(self)
        other.go = go
        return other


class StringShape(Shape):
    __slots__ = ()

    def zero(self) -> str:
        return ""


class BoolShape(Shape):
    __slots__ = ()

    def zero(self) -> bool:
        return False


class IntShape(Shape):
    """An integer type. Numbers with a point or an exponent never fit, not even ``1.0``."""

    __slots__ = ("maximum", "minimum")

    def __init__(self, go: str, minimum: int, maximum: int) -> None:
        super().__init__(go)
        self.minimum = minimum
        self.maximum = maximum

    def zero(self) -> int:
        return 0


class FloatShape(Shape):
    __slots__ = ()

    def zero(self) -> float:
        return 0.0


class BytesShape(Shape):
    __slots__ = ()


class TimeShape(Shape):
    """``time.Time``, or ``metav1.Time``, which unquotes the string first and takes ``null`` for the zero time."""

    __slots__ = ("meta",)

    def __init__(self, go: str, *, meta: bool) -> None:
        super().__init__(go)
        self.meta = meta

    def zero(self) -> str:
        return ZERO_TEXT


class RawShape(Shape):
    __slots__ = ()


class AnyShape(Shape):
    __slots__ = ()


String: Final = StringShape("string")
Bool: Final = BoolShape("bool")
Int: Final = IntShape("int", -(2**63), 2**63 - 1)
Int64: Final = IntShape("int64", -(2**63), 2**63 - 1)
Int32: Final = IntShape("int32", -(2**31), 2**31 - 1)
Uint64: Final = IntShape("uint64", 0, 2**64 - 1)
Float64: Final = FloatShape("float64")
Bytes: Final = BytesShape("[]uint8")
Time: Final = TimeShape("time.Time", meta=False)
MetaTime: Final = TimeShape("v1.Time", meta=True)
Raw: Final = RawShape("json.RawMessage")
Any: Final = AnyShape("interface {}")


class List(Shape):
    """A slice."""

    __slots__ = ("item",)

    def __init__(self, item: Shape, go: str = "") -> None:
        super().__init__(go or f"[]{item.go}")
        self.item = item


class Map(Shape):
    """A map with string keys."""

    __slots__ = ("value",)

    def __init__(self, value: Shape, go: str = "") -> None:
        super().__init__(go or f"map[string]{value.go}")
        self.value = value


class Pointer(Shape):
    """A pointer: ``null`` makes it nil. Errors name the type that it points to."""

    __slots__ = ("item",)

    def __init__(self, item: Shape) -> None:
        super().__init__(item.go)
        self.item = item


class Custom(Shape):
    """A type with an ``UnmarshalJSON`` of its own.

    `decode` gets the JSON text of the value, ``null`` included (a `Pointer` around the type catches that one). It
    raises `GoJSONError`, which stops all decoding at once.
    """

    __slots__ = ("decode",)

    def __init__(self, go: str, decode: Callable[[bytes], AnyValue]) -> None:
        super().__init__(go)
        self.decode = decode


class Text(Shape):
    """A type with an ``UnmarshalText``, or a string type of its own: only strings fit, and ``null`` is passed over.

    `decode` may raise `GoJSONError`, which stops all decoding at once.
    """

    __slots__ = ("decode",)

    def __init__(self, go: str, decode: Callable[[str], AnyValue] = str) -> None:
        super().__init__(go)
        self.decode = decode

    def zero(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct under its JSON name.

    `via` are the names of the embedded structs that it was promoted from. Go 1.24 shows them in the path of an error:
    ``Manifest.Versioned.schemaVersion``.
    """

    name: str
    shape: Shape
    via: tuple[str, ...] = ()


class Struct(Shape):
    """A struct. With `fold` its keys are found regardless of case, an exact match first; Kubernetes goes without.

    `go` is the type with its package, ``dockerpre012.DockerConfig``, or the whole text of an anonymous one.
    """

    __slots__ = ("exact", "fields", "folded", "name")

    def __init__(self, go: str, fields: Iterable[Field | tuple[str, Shape]], *, fold: bool = True) -> None:
        super().__init__(go)
        # reflect.Type.Name: without the package, and empty for an anonymous struct.
        self.name = "" if re.match(r"struct\b", go) else go.rpartition(".")[2]
        listed = [entry if isinstance(entry, Field) else Field(*entry) for entry in fields]
        self.fields = tuple((field.name, field.shape) for field in listed)
        self.exact = {field.name: field for field in listed}
        self.folded: dict[str, Field] = {}
        for field in listed if fold else ():
            self.folded.setdefault(fold_name(field.name), field)

    def find(self, key: str) -> Field | None:
        """The field that a key of a JSON object names."""
        return self.exact.get(key) or (self.folded.get(fold_name(key)) if self.folded else None)

    def zero(self) -> dict[str, AnyValue]:
        return {}


_FOLDS: Final = {ord(small): small.upper() for small in "abcdefghijklmnopqrstuvwxyz"} | {0x17F: "S", 0x212A: "K"}


def fold_name(name: str) -> str:
    """A form that two names share when Go takes them for equal regardless of case.

    Field names are ASCII, and of all other characters only the long s and the Kelvin sign fold to ASCII letters.
    """
    return name.upper() if name.isascii() else name.translate(_FOLDS)
