"""Go's JSON decoder: its rules about keys, types and repetition, and its error texts, word for word.

Declare the Go type as a shape, then `decode`:

>>> layer = Struct("main.Layer", [("digest", String), ("size", Int64)])
>>> decode(b'{"Digest": "sha256:1", "size": 3, "other": []}', layer)
{'digest': 'sha256:1', 'size': 3}
>>> decode(b'{"size": "3"}', layer)
Traceback (most recent call last):
mirror.gojson.errors.GoTypeError: json: cannot unmarshal string into Go struct field Layer.size of type int64
"""

from __future__ import annotations

from mirror.gojson.decoder import decode, decode_stream, unquote
from mirror.gojson.errors import GoJSONError, GoSyntaxError, GoTypeError
from mirror.gojson.scanner import check_valid, quote_byte
from mirror.gojson.shapes import (
    Any,
    AnyShape,
    Bool,
    BoolShape,
    Bytes,
    BytesShape,
    Custom,
    Field,
    Float64,
    Int,
    Int32,
    Int64,
    IntShape,
    List,
    Map,
    MetaTime,
    Pointer,
    Raw,
    Shape,
    String,
    StringShape,
    Struct,
    Text,
    Time,
    TimeShape,
    Uint64,
)
from mirror.gojson.strict import StrictLog

__all__ = [
    "Any",
    "AnyShape",
    "Bool",
    "BoolShape",
    "Bytes",
    "BytesShape",
    "Custom",
    "Field",
    "Float64",
    "GoJSONError",
    "GoSyntaxError",
    "GoTypeError",
    "Int",
    "Int32",
    "Int64",
    "IntShape",
    "List",
    "Map",
    "MetaTime",
    "Pointer",
    "Raw",
    "Shape",
    "StrictLog",
    "String",
    "StringShape",
    "Struct",
    "Text",
    "Time",
    "TimeShape",
    "Uint64",
    "check_valid",
    "decode",
    "decode_stream",
    "quote_byte",
    "unquote",
]
