"""JSON syntax with the rules and words of Go's ``encoding/json`` (scanner.go).

The scanner never recurses, and its time is linear in the text: hostile nesting costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from mirror.gojson.errors import GoSyntaxError
from mirror.gotext import quote

MAX_DEPTH: Final = 10_000

# All repetitions are possessive: a mismatch fails at once and nothing is kept for backtracking.
_STRING: Final = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER: Final = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR: Final = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
_WS: Final = rb"[ \t\n\r]*+"


def _nest(value: bytes) -> bytes:
    """Matches what `value` matches, and the containers that hold nothing else."""
    member = _STRING + _WS + rb":" + _WS + value + _WS
    members = member + rb"(?:," + _WS + member + rb")*+"
    elements = value + _WS + rb"(?:," + _WS + value + _WS + rb")*+"
    return rb"(?:" + value + rb"|\{" + _WS + rb"(?:" + members + rb")?+\}|\[" + _WS + rb"(?:" + elements + rb")?+\])"


# Runs of what is simple are taken in one step: members and elements with little nesting, each with its comma.
_NESTED: Final = 2
_SIMPLE: Final = _nest(_nest(_SCALAR))
_MEMBERS: Final = re.compile(rb"(?:" + _WS + _STRING + _WS + rb":" + _WS + _SIMPLE + _WS + rb",)*+")
_ELEMENTS: Final = re.compile(rb"(?:" + _WS + _SIMPLE + _WS + rb",)*+")
_SPACE: Final = re.compile(_WS)
_KEY: Final = re.compile(_STRING)
_VALUE: Final = re.compile(_SCALAR + rb"|[\[{]")

_STRING_START: Final = re.compile(_STRING.removesuffix(rb'"'))
_HEX: Final = re.compile(rb"[0-9a-fA-F]*")
_NUMBER_STARTS: Final = frozenset(b"-0123456789")
_NUMBER_GOES_ON: Final = frozenset((b".", b"e", b"E"))

_STRICT: Final = msgspec.json.Decoder()

_OBJECT: Final = ord("{")  # its closing bracket is two further, as that of an array
_ARRAY: Final = ord("[")
_BRACKETS: Final = frozenset((_OBJECT, _ARRAY))
_QUOTE: Final = ord('"')
_COLON: Final = ord(":")
_COMMA: Final = ord(",")
_MINUS: Final = ord("-")
_POINT: Final = ord(".")

_IN_NUMBER: Final = "in numeric literal"
_IN_FRACTION: Final = "after decimal point in numeric literal"
_IN_EXPONENT: Final = "in exponent of numeric literal"
_IN_ESCAPE: Final = "in string escape code"
_IN_HEX: Final = r"in \u hexadecimal character escape"
_IN_LITERAL: Final = {
    literal: [f"in literal {literal.decode()} (expecting '{chr(byte)}')" for byte in literal]
    for literal in (b"true", b"false", b"null")
}
_TAKES_NO_BLANK: Final = frozenset([_IN_NUMBER, _IN_FRACTION, _IN_EXPONENT, _IN_ESCAPE, _IN_HEX]).union(
    *_IN_LITERAL.values()
)

_Step: TypeAlias = "Callable[[], _Step | None]"


def check_valid(data: bytes) -> None:
    """Checks that the text is one JSON value and nothing else.

    Raises:
        GoSyntaxError: as ``json.Unmarshal`` words it.
    """
    if _is_plainly_valid(data):
        return
    end = _skip(_SPACE, data, scan_value(data))
    if end < len(data):
        raise _unexpected(data, end, "after top-level value")


def _is_plainly_valid(data: bytes) -> bool:
    """Whether a strict decoder takes the text, so that Go does, too. What it refuses may still be valid for Go:
    strings that are no UTF-8, halves of surrogate pairs, numbers beyond a double, much nesting."""
    try:
        _STRICT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def scan_value(data: bytes) -> int:
    """The end of the first JSON value of the text; what follows is not looked at.

    Raises:
        GoSyntaxError: the text does not begin with a JSON value.
    """
    return _Scanner(data).scan()


def _skip(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


class _Scanner:
    """Walks over one value. `open` has a bracket for each container that is open.

    Every step returns the next one, so that the depth of the text is never that of the Python stack.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.open = bytearray()

    def scan(self) -> int:
        step: _Step | None = self._value
        while step is not None:
            step = step()
        return self.at

    def _space(self) -> int:
        """Skips white space; the byte behind it, or -1 at the end."""
        self.at = _skip(_SPACE, self.data, self.at)
        return self.data[self.at] if self.at < len(self.data) else -1

    def _value(self) -> _Step:
        """Reads a scalar, or the opening bracket of a container."""
        first = self._space()
        found = _VALUE.match(self.data, self.at)
        if found is None:
            raise self._value_error(first)
        if first in _BRACKETS:
            return self._enter(first)
        self.at = found.end()
        if first in _NUMBER_STARTS and self.data[self.at : self.at + 1] in _NUMBER_GOES_ON:
            self._check_number(found.start())
        return self._after

    def _enter(self, bracket: int) -> _Step:
        self.open.append(bracket)
        if len(self.open) > MAX_DEPTH:
            raise _unexpected(self.data, self.at, "exceeded max depth")
        self.at += 1
        if self._space() == bracket + 2:
            return self._leave()
        return self._members if bracket == _OBJECT else self._elements

    def _leave(self) -> _Step:
        self.at += 1
        self.open.pop()
        return self._after

    def _after(self) -> _Step | None:
        """Behind a value: what ends or continues the innermost container."""
        if not self.open:
            return None
        bracket = self.open[-1]
        after = self._space()
        if after == bracket + 2:
            return self._leave()
        if after != _COMMA:
            where = "after object key:value pair" if bracket == _OBJECT else "after array element"
            raise _unexpected(self.data, self.at, where)
        self.at += 1
        return self._members if bracket == _OBJECT else self._elements

    def _members(self) -> _Step:
        """Simple members, and the key and colon of the first that is not simple or not followed by a comma."""
        if len(self.open) <= MAX_DEPTH - _NESTED:
            self.at = _skip(_MEMBERS, self.data, self.at)
        if self._space() != _QUOTE:
            raise _unexpected(self.data, self.at, "looking for beginning of object key string")
        self._key()
        if self._space() != _COLON:
            raise _unexpected(self.data, self.at, "after object key")
        self.at += 1
        return self._value

    def _elements(self) -> _Step:
        if len(self.open) <= MAX_DEPTH - _NESTED:
            self.at = _skip(_ELEMENTS, self.data, self.at)
        return self._value

    def _key(self) -> None:
        found = _KEY.match(self.data, self.at)
        if found is None:
            raise _string_error(self.data, self.at)
        self.at = found.end()

    def _value_error(self, first: int) -> GoSyntaxError:
        if first == _QUOTE:
            return _string_error(self.data, self.at)
        if first == _MINUS:
            return _unexpected(self.data, self.at + 1, _IN_NUMBER)
        for literal in _IN_LITERAL:
            if first == literal[0]:
                return _literal_error(self.data, self.at, literal)
        return _unexpected(self.data, self.at, "looking for beginning of value")

    def _check_number(self, start: int) -> None:
        """Judges the ``.`` or ``e`` behind a number: it belongs to it, unless the number is complete before it."""
        number = self.data[start : self.at]
        exponent = b"e" in number or b"E" in number
        if self.data[self.at] != _POINT and not exponent:
            signed = self.data[self.at + 1 : self.at + 2] in {b"+", b"-"}
            raise _unexpected(self.data, self.at + 1 + signed, _IN_EXPONENT)
        if self.data[self.at] == _POINT and not exponent and b"." not in number:
            raise _unexpected(self.data, self.at + 1, _IN_FRACTION)


def _unexpected(data: bytes, at: int, context: str) -> GoSyntaxError:
    """The byte at `at` does not belong there. At the end Go tries a blank before it misses anything: where white space
    may stand, or a string goes on, the text has ended too early; elsewhere it is the blank that is wrong."""
    if at < len(data):
        return GoSyntaxError(f"invalid character {quote_byte(data[at])} {context}")
    text = f"invalid character ' ' {context}" if context in _TAKES_NO_BLANK else "unexpected end of JSON input"
    return GoSyntaxError(text, at_end=True)


def quote_byte(byte: int) -> str:
    """A byte as the scanner names it: the character with that code, so that bytes from 0x80 on look like Latin-1."""
    if byte == ord("'"):
        return r"'\''"
    if byte == ord('"'):
        return "'\"'"
    return f"'{quote(chr(byte))[1:-1]}'"


def _string_error(data: bytes, at: int) -> GoSyntaxError:
    """What is wrong with the string that begins here."""
    at = _skip(_STRING_START, data, at)
    if data[at : at + 1] != b"\\":
        return _unexpected(data, at, "in string literal")
    if data[at + 1 : at + 2] != b"u":
        return _unexpected(data, at + 1, _IN_ESCAPE)
    at = _skip(_HEX, data, at + 2)
    return _unexpected(data, at, _IN_HEX)


def _literal_error(data: bytes, at: int, literal: bytes) -> GoSyntaxError:
    index = next(i for i, byte in enumerate(literal) if data[at + i : at + i + 1] != bytes((byte,)))
    return _unexpected(data, at + index, _IN_LITERAL[literal][index])
