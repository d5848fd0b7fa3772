"""Decoding of JSON into shapes as ``json.Unmarshal`` of Go 1.24 does it (decode.go).

What is odd here is odd there: a type error does not stop the decoding, and the first one is reported at the end; a
key that occurs again is decoded into what the first left behind, so that objects merge; an array is decoded into the
elements of the array that it replaces; ``null`` leaves strings, numbers and structs alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any as AnyValue
from typing import Final

from mirror.gojson.errors import GoJSONError, GoSyntaxError, GoTypeError
from mirror.gojson.scanner import check_valid, scan_value
from mirror.gojson.shapes import (
    AnyShape,
    BoolShape,
    BytesShape,
    Custom,
    FloatShape,
    IntShape,
    List,
    Map,
    Pointer,
    RawShape,
    Shape,
    StringShape,
    Struct,
    Text,
    TimeShape,
)
from mirror.gojson.strict import StrictLog
from mirror.gotext import GoBase64Error, GoTimeError, decode_base64, go_text, parse_rfc3339, rfc3339

# The text is known to be valid JSON when these are used.
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_STRING: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_KEY: Final = re.compile(rb'[ \t\n\r]*+"((?:[^"\\]++|\\.)*+)"[ \t\n\r]*+:[ \t\n\r]*+', re.DOTALL)
_AFTER: Final = re.compile(rb"[ \t\n\r]*+([,\]}])[ \t\n\r]*+")
_PLAIN: Final = re.compile(rb"[^,\]} \t\n\r]++")
_BETWEEN: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_MISSING: Final = object()
_KINDS: Final = {b'"': "string", b"{": "object", b"[": "array", b"t": "bool", b"f": "bool", b"n": "null"}
_EXACT: Final = 2**53


def decode(data: bytes, shape: Shape, *, strict: StrictLog | None = None) -> AnyValue:
    """Decodes a whole JSON text.

    Args:
        data: the text.
        shape: what it is decoded into.
        strict: takes note of unknown and repeated fields, where given.

    Raises:
        GoSyntaxError: the text is no JSON; this wins over everything else.
        GoJSONError: the error of a type that decodes itself, or else the first value that did not fit.
    """
    check_valid(data)
    return _Decoder(data, strict).decode(shape)


def decode_stream(data: bytes, shape: Shape) -> AnyValue:
    """Decodes the first JSON value of a text and ignores what follows, as ``json.Decoder`` does with a body.

    Raises:
        GoSyntaxError: ``EOF`` when there is nothing but white space, ``unexpected EOF`` when the value is cut off.
        GoJSONError: as `decode`.
    """
    try:
        end = scan_value(data)
    except GoSyntaxError as error:
        if not error.at_end:
            raise
        raise GoSyntaxError("unexpected EOF" if data.strip(b" \t\n\r") else "EOF", at_end=True) from None
    return _Decoder(data[:end], None).decode(shape)


def unquote(literal: bytes) -> str:
    """The text of a JSON string, given what stands between its quotes.

    Every invalid byte, and every half of a surrogate pair that is alone, becomes U+FFFD.
    """
    text = go_text(literal)
    if "\\" not in text:
        return text
    text = json.loads(f'"{text}"')
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


class _Decoder:
    """One decoding. `path` and `struct` say where in the Go value the decoder is: that is what errors show."""

    def __init__(self, data: bytes, strict: StrictLog | None) -> None:
        self.data = data
        self.at = 0
        self.path: list[str] = []
        self.struct = ""
        self.saved: GoJSONError | None = None
        self.strict = strict
        # What lies behind the end of a list that was decoded over a longer one: Go shortens the slice, but a longer
        # array that follows is decoded into the old elements again. Kept by identity, and with it the list itself.
        self.behind: dict[int, tuple[list[AnyValue], list[AnyValue]]] = {}

    def decode(self, shape: Shape) -> AnyValue:
        self.at = _end(_SPACE, self.data, 0)
        value = self.value(shape, _MISSING)
        if self.saved is not None:
            raise self.saved
        return shape.zero() if value is _MISSING else value

    def value(self, shape: Shape, current: AnyValue) -> AnyValue:
        """Decodes the value that begins here. `_MISSING` stands for what is not set, before and after."""
        return _METHODS[type(shape)](self, shape, current)

    # --- literals

    def decode_string(self, shape: StringShape, current: AnyValue) -> AnyValue:
        found = _STRING.match(self.data, self.at)
        if found is None:
            return self.misfit(shape, current)
        self.at = found.end()
        return unquote(found.group(1))

    def decode_boolean(self, shape: BoolShape, current: AnyValue) -> AnyValue:
        first = self.first()
        if first not in {b"t", b"f"}:
            return self.misfit(shape, current)
        self.skip()
        return first == b"t"

    def decode_integer(self, shape: IntShape, current: AnyValue) -> AnyValue:
        if self.first() in _KINDS:
            return self.misfit(shape, current)
        literal = self.span()
        # No type has more than 20 digits; longer literals are not worth converting.
        if _INTEGER.fullmatch(literal) and len(literal) <= 20 and shape.minimum <= int(literal) <= shape.maximum:
            return int(literal)
        self.save(GoTypeError(f"number {literal.decode()}", shape.go, self.struct, self.path))
        return current

    def decode_float(self, shape: FloatShape, current: AnyValue) -> AnyValue:
        if self.first() in _KINDS:
            return self.misfit(shape, current)
        number = self.number(self.span(), shape.go)
        return current if number is None else number

    def decode_bytes(self, shape: BytesShape, current: AnyValue) -> AnyValue:
        found = _STRING.match(self.data, self.at)
        if found is None:
            return self.null() if self.first() == b"n" else self.misfit(shape, current)
        self.at = found.end()
        try:
            return decode_base64(unquote(found.group(1)))
        except GoBase64Error as error:
            self.save(GoJSONError(str(error)))
            return current

    def decode_time(self, shape: TimeShape, current: AnyValue) -> AnyValue:
        found = _STRING.match(self.data, self.at)
        if found is None and self.first() == b"n":
            self.skip()
            return _MISSING if shape.meta else current
        if found is None and shape.meta:
            raise GoTypeError(self.kind(), "string", self.struct, self.path)
        if found is None:
            raise GoJSONError("Time.UnmarshalJSON: input is not a JSON string")
        self.at = found.end()
        literal = found.group(1)
        try:  # time.Time does not unquote what stands between the quotes, metav1.Time does
            return rfc3339(parse_rfc3339(unquote(literal) if shape.meta else literal))
        except GoTimeError as error:
            raise GoJSONError(str(error)) from None

    # --- containers

    def decode_list(self, shape: List, current: AnyValue) -> AnyValue:
        if self.first() != b"[":
            return self.null() if self.first() == b"n" else self.misfit(shape, current)
        old: list[AnyValue] = [] if current is _MISSING else current
        beneath = old + self.behind.pop(id(old), (old, []))[1]
        items: list[AnyValue] = []
        mark = self.strict.mark() if self.strict else 0
        more = self.enter()
        while more:
            if self.strict:
                self.strict.push_index(len(items))
            item = self.value(shape.item, _element(beneath, len(items)))
            items.append(shape.item.zero() if item is _MISSING else item)
            if self.strict:
                self.strict.reset(mark)
            more = self.follow()
        if items and len(items) < len(beneath):
            self.behind[id(items)] = (items, beneath[len(items) :])
        return items

    def decode_map(self, shape: Map, current: AnyValue) -> AnyValue:
        if self.first() != b"{":
            return self.null() if self.first() == b"n" else self.misfit(shape, current)
        entries: dict[str, AnyValue] = {} if current is _MISSING else current
        seen: set[str] = set()
        mark = self.strict.mark() if self.strict else 0
        more = self.enter()
        while more:
            key = self.key()
            if self.strict:
                self.strict.see(key, seen)
                self.strict.push_key(key)
            value = self.value(shape.value, _MISSING)
            entries[key] = shape.value.zero() if value is _MISSING else value
            if self.strict:
                self.strict.reset(mark)
            more = self.follow()
        return entries

    def decode_struct(self, shape: Struct, current: AnyValue) -> AnyValue:
        if self.first() != b"{":
            return self.misfit(shape, current)
        values: dict[str, AnyValue] = {} if current is _MISSING else current
        outer, depth = self.struct, len(self.path)
        seen: set[str] = set()
        mark = self.strict.mark() if self.strict else 0
        more = self.enter()
        while more:
            key = self.key()
            field = shape.find(key)
            if field is None:
                if self.strict:
                    self.strict.unknown(key)
                self.skip()
            else:
                if self.strict:
                    self.strict.see(field.name, seen)
                    self.strict.push_key(field.name)
                self.struct = shape.name
                self.path += (*field.via, field.name)
                value = self.value(field.shape, values.get(field.name, _MISSING))
                if value is not _MISSING:
                    values[field.name] = value
                else:
                    values.pop(field.name, None)
                self.struct = outer
                del self.path[depth:]
                if self.strict:
                    self.strict.reset(mark)
            more = self.follow()
        return values

    def decode_pointer(self, shape: Pointer, current: AnyValue) -> AnyValue:
        if self.first() == b"n":
            return self.null()
        value = self.value(shape.item, current)
        # Go allocates what the pointer points to before it looks at the value.
        return shape.item.zero() if value is _MISSING else value

    # --- types with methods of their own

    def decode_custom(self, shape: Custom, _current: AnyValue) -> AnyValue:
        try:
            return shape.decode(self.span())
        except GoTypeError as error:
            raise error.within(self.struct, self.path) from None

    def decode_text(self, shape: Text, current: AnyValue) -> AnyValue:
        found = _STRING.match(self.data, self.at)
        if found is None:
            return self.misfit(shape, current)
        self.at = found.end()
        return shape.decode(unquote(found.group(1)))

    def decode_raw(self, _shape: RawShape, _current: AnyValue) -> AnyValue:
        return self.span()

    def decode_anything(self, _shape: AnyShape, _current: AnyValue) -> AnyValue:
        """Builds plain values. Containers that are open wait on a stack, so that depth does not matter."""
        if self.first() == b"n":
            return self.null()
        stack: list[tuple[dict[str, AnyValue] | list[AnyValue], str]] = []
        while True:
            value, complete = self.begin_anything()
            while complete:
                if not stack:
                    return value
                container, key = stack[-1]
                if isinstance(container, dict):
                    container[key] = value
                else:
                    container.append(value)
                if self.follow():
                    stack[-1] = (container, self.key() if isinstance(container, dict) else "")
                    break
                value = stack.pop()[0]
            else:
                stack.append((value, self.key() if isinstance(value, dict) else ""))

    def begin_anything(self) -> tuple[AnyValue, bool]:
        """A scalar or an empty container, which is complete, or a container whose first entry comes next."""
        first = self.first()
        if first in {b"{", b"["}:
            more = self.enter()
            return ({} if first == b"{" else []), not more
        literal = self.span()
        if first == b'"':
            return unquote(literal[1:-1]), True
        if first in _KINDS:
            return {b"t": True, b"f": False, b"n": None}[first], True
        return self.number(literal, "float64"), True

    # --- the text

    def first(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def kind(self) -> str:
        return _KINDS.get(self.first(), "number")

    def enter(self) -> bool:
        """Steps into a container; whether there is anything in it."""
        self.at = _end(_SPACE, self.data, self.at + 1)
        if self.first() not in {b"]", b"}"}:
            return True
        self.at += 1
        return False

    def follow(self) -> bool:
        """Steps over the comma behind an entry, or over the closing bracket; whether there is another entry."""
        found = _AFTER.match(self.data, self.at)
        assert found is not None
        if found.group(1) == b",":
            self.at = found.end()
            return True
        self.at = found.end(1)
        return False

    def key(self) -> str:
        found = _KEY.match(self.data, self.at)
        assert found is not None
        self.at = found.end()
        return unquote(found.group(1))

    def skip(self) -> None:
        first = self.first()
        if first == b'"':
            self.at = _end(_STRING, self.data, self.at)
        elif first in {b"{", b"["}:
            self.skip_container()
        else:
            self.at = _end(_PLAIN, self.data, self.at)

    def skip_container(self) -> None:
        depth = 0
        while True:
            self.at = _end(_BETWEEN, self.data, self.at) + 1
            depth += 1 if self.data[self.at - 1] in b"{[" else -1
            if depth == 0:
                return

    def span(self) -> bytes:
        start = self.at
        self.skip()
        return self.data[start : self.at]

    def null(self) -> AnyValue:
        self.skip()
        return _MISSING

    def number(self, literal: bytes, go: str) -> int | float | None:
        """A float64; integers that it holds exactly are given as int, as they print."""
        number = float(literal)
        if number in {float("inf"), float("-inf")}:
            self.save(GoTypeError(f"number {literal.decode()}", go, self.struct, self.path))
            return None
        whole = abs(number) < _EXACT and literal != b"-0" and _INTEGER.fullmatch(literal)
        return int(number) if whole else number

    def misfit(self, shape: Shape, current: AnyValue) -> AnyValue:
        """Notes that the value does not fit, unless it is ``null``, and leaves alone what was there."""
        if self.first() != b"n":
            self.save(GoTypeError(self.kind(), shape.go, self.struct, self.path))
        self.skip()
        return current

    def save(self, error: GoJSONError) -> None:
        if self.saved is None:
            self.saved = error


def _element(items: list[AnyValue], index: int) -> AnyValue:
    """An element to decode over. A nil one (pointer, map, list) is as good as none."""
    item = items[index] if index < len(items) else None
    return _MISSING if item is None else item


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


_METHODS: Final[dict[type[Shape], Callable[[_Decoder, AnyValue, AnyValue], AnyValue]]] = {
    StringShape: _Decoder.decode_string,
    BoolShape: _Decoder.decode_boolean,
    IntShape: _Decoder.decode_integer,
    FloatShape: _Decoder.decode_float,
    BytesShape: _Decoder.decode_bytes,
    TimeShape: _Decoder.decode_time,
    RawShape: _Decoder.decode_raw,
    AnyShape: _Decoder.decode_anything,
    List: _Decoder.decode_list,
    Map: _Decoder.decode_map,
    Struct: _Decoder.decode_struct,
    Pointer: _Decoder.decode_pointer,
    Custom: _Decoder.decode_custom,
    Text: _Decoder.decode_text,
}
