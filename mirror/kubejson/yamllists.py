"""Long lists as ``oc get -o yaml`` writes them, read line by line instead of event by event.

What go-yaml writes for objects of an API is a small part of YAML: block mappings and sequences, plain and quoted
scalars on a line, plain ones that are folded, literal blocks. An item of a list that has nothing else is read here,
several times faster; every other one is left to the parser, and so is the whole text where it is no such list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from mirror.kubejson.yamlscalars import YamlValueError, resolve

_ITEMS: Final = re.compile(r"^items:\n", re.MULTILINE)
_DASH: Final = re.compile(r"^-", re.MULTILINE)
_NEXT: Final = re.compile(r"^[^-\n ]", re.MULTILINE)
_DEEPEST: Final = 40
_ODD: Final = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Characters that a parser refuses, takes for the end of a line, or treats in some other way than text."""
_ANCHOR: Final = re.compile(r"(?:^|[\s\[{,:-])[&*]\S", re.MULTILINE)
_TOP: Final = re.compile(r"[A-Za-z]\w*:(?: .*)?|  .*")
_ENTRY: Final = re.compile(r"([A-Za-z_./][A-Za-z0-9_./-]{0,250}):(?: (.+))?")
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_./$(]|-(?=[0-9])).*")
_NOT_PLAIN: Final = re.compile(r": | #|[: ]$")
_SINGLE: Final = re.compile(r"'((?:[^']|'')*)'")
_DOUBLE: Final = re.compile(r'"(?:[^"\\]|\\["\\nt])*"')
_LARGEST: Final = 2**63

Entry = tuple[str, int, Any]
"""A key, what kind of value is on its line, and the value."""

_NOTHING, _SCALAR, _FOLDABLE, _LITERAL = range(4)


class _Irregular(Exception):
    """This is something for the parser."""


def list_to_json(text: str, convert: Callable[[str], bytes]) -> bytes | None:
    """The JSON text of a list, compact and with sorted keys; None if it is not written as one.

    `convert` is the way for every text; it raises what is wrong, which then is found again in the whole text.
    """
    if not text.endswith("\n") or _ODD.search(text):
        return None
    begin = _ITEMS.search(text)
    if begin is None:
        return None
    end = _NEXT.search(text, begin.end())
    behind = len(text) if end is None else end.start()
    try:
        parts = _top_level(text[: begin.start()], convert)
        for key, value in _top_level(text[behind:], convert).items():
            if key in parts:
                return None
            parts[key] = value
        if "items" in parts:
            return None
        return _assembled(parts, _Items(convert).read(text, begin.end(), behind))
    except (_Irregular, ValueError):
        return None


def _assembled(parts: dict[str, msgspec.Raw], items: Iterator[bytes]) -> bytes:
    """All of the object. The items, of which there may be very many, never stand beside each other as well."""
    text = bytearray()
    for key in sorted([*parts, "items"]):
        text += b"," if text else b"{"
        text += msgspec.json.encode(key) + b":"
        if key != "items":
            text += bytes(parts[key])
            continue
        text += b"["
        for place, item in enumerate(items):
            text += b"," + item if place else item
        text += b"]"
    text += b"}"
    return bytes(text)


def _top_level(text: str, convert: Callable[[str], bytes]) -> dict[str, msgspec.Raw]:
    """What stands before the items, or behind them."""
    if not text.strip("\n"):
        return {}
    if text[0] == " " or not all(map(_TOP.fullmatch, text.rstrip("\n").split("\n"))) or _ANCHOR.search(text):
        raise _Irregular
    return msgspec.json.decode(convert(text), type=dict[str, msgspec.Raw])


class _Items:
    """Reads items, one after the other. Lines that come again and again are looked at once."""

    def __init__(self, convert: Callable[[str], bytes]) -> None:
        self._convert = convert
        self._encode = msgspec.json.Encoder(order="sorted").encode
        self._entries: dict[str, Entry] = {}
        self._lines: list[str] = []

    def read(self, text: str, start: int, end: int) -> Iterator[bytes]:
        """The items of a part of a text, as JSON.

        Raises:
            _Irregular, ValueError: the parser has to look at the whole text.
        """
        if start == end:
            raise _Irregular
        while start < end:
            if not text.startswith("- ", start):
                raise _Irregular
            found = _DASH.search(text, start + 1, end)
            behind = end if found is None else found.start()
            yield self._item(text[start:behind])
            start = behind

    def _item(self, text: str) -> bytes:
        """An item, with its dash: so the parser finds whatever does not belong to it."""
        self._lines = f"  {text[2:]}".rstrip("\n").split("\n")
        try:
            value, at = self._mapping(0, 2, 0)
            if at == len(self._lines):
                return self._encode(value)
        except _Irregular:
            pass
        if _ANCHOR.search(text):  # what it stands for may be elsewhere, or much
            raise _Irregular
        return self._convert(text)[1:-1]

    def _mapping(self, at: int, column: int, depth: int) -> tuple[dict[str, Any], int]:
        """The mapping that begins on a line, and the line behind it."""
        lines, entries = self._lines, self._entries
        found: dict[str, Any] = {}
        if depth > _DEEPEST:
            raise _Irregular
        while at < len(lines):
            line = lines[at]
            rest = line.lstrip(" ")
            indent = len(line) - len(rest)
            if indent != column or not rest:
                if indent < column and rest:
                    break
                raise _Irregular
            entry = entries.get(rest)
            if entry is None:
                if rest[:2] == "- ":
                    break
                entry = entries[rest] = _entry(rest)
            key, kind, value = entry
            if key in found:
                raise _Irregular
            at += 1
            if kind == _FOLDABLE:
                value, at = self._folded(value, at, column)
            elif kind == _NOTHING:
                value, at = self._below(at, column, depth)
            elif kind == _LITERAL:
                value, at = self._literal(value, at, column)
            elif type(value) is dict or type(value) is list:
                value = type(value)()
            found[key] = value
        return found, at

    def _below(self, at: int, column: int, depth: int) -> tuple[Any, int]:
        """The value of a key that has nothing on its line."""
        if at == len(self._lines):
            return None, at
        line = self._lines[at]
        rest = line.lstrip(" ")
        indent = len(line) - len(rest)
        if rest[:2] == "- " and indent >= column:
            return self._sequence(at, indent, depth + 1)
        if indent > column:
            return self._mapping(at, indent, depth + 1)
        return None, at

    def _sequence(self, at: int, column: int, depth: int) -> tuple[list[Any], int]:
        lines = self._lines
        found: list[Any] = []
        begins = " " * column + "- "
        while at < len(lines) and lines[at].startswith(begins):
            rest = lines[at][column + 2 :]
            if _ENTRY.fullmatch(rest):
                lines[at] = " " * (column + 2) + rest
                value, at = self._mapping(at, column + 2, depth + 1)
            else:
                kind, value = _value(rest)
                at += 1
                if kind not in (_SCALAR, _FOLDABLE) or (at < len(lines) and _indent(lines[at]) > column):
                    raise _Irregular
                value = _resolved(value) if kind == _FOLDABLE else value
            found.append(value)
        return found, at

    def _folded(self, text: str, at: int, column: int) -> tuple[Any, int]:
        """A plain scalar, with the lines on which it goes on."""
        lines = self._lines
        if at == len(lines) or _indent(lines[at]) <= column:
            return _resolved(text), at
        parts = [text]
        while at < len(lines) and _indent(lines[at]) > column:
            part = lines[at].lstrip(" ")
            if not _PLAIN.fullmatch(part) or _NOT_PLAIN.search(part):
                raise _Irregular
            parts.append(part)
            at += 1
        return _resolved(" ".join(parts)), at

    def _literal(self, header: str, at: int, column: int) -> tuple[str, int]:
        lines = self._lines
        inner = _indent(lines[at]) if at < len(lines) else 0
        if inner <= column or not lines[at].strip(" "):
            raise _Irregular
        parts = []
        while at < len(lines):
            line = lines[at]
            if line and _indent(line) < inner:
                if not line.strip(" "):
                    raise _Irregular
                break
            parts.append(line[inner:])
            at += 1
        while parts and not parts[-1]:
            parts.pop()
        return "\n".join(parts) + ("\n" if header == "|" else ""), at


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _entry(rest: str) -> Entry:
    """A line ``key: value``, or ``key:``."""
    found = _ENTRY.fullmatch(rest)
    if found is None or not isinstance(_resolved(found[1]), str):
        raise _Irregular
    if found[2] is None:
        return found[1], _NOTHING, None
    return found[1], *_value(found[2])


def _value(text: str) -> tuple[int, Any]:
    """What stands on the line of a key, or of a dash."""
    if _PLAIN.fullmatch(text):
        if _NOT_PLAIN.search(text):
            raise _Irregular
        return _FOLDABLE, text
    if text in ("|", "|-"):
        return _LITERAL, text
    if text in ("{}", "[]"):
        return _SCALAR, {} if text == "{}" else []
    if found := _SINGLE.fullmatch(text):
        return _SCALAR, found[1].replace("''", "'")
    if _DOUBLE.fullmatch(text):
        return _SCALAR, json.loads(text)
    raise _Irregular


def _resolved(text: str) -> Any:
    """The value of a plain scalar."""
    try:
        value = resolve("", text)
    except YamlValueError:
        raise _Irregular from None
    if value is None or isinstance(value, str | bool) or (type(value) is int and abs(value) < _LARGEST):
        return value
    raise _Irregular
