"""JSON values as YAML text, to the byte as ``sigs.k8s.io/yaml`` writes them on go-yaml v2.

Only what JSON values need is here: block mappings with sorted keys, block sequences, scalars in the style that the
encoder of go-yaml asks for and its emitter, a descendant of libyaml's, allows. Sources: go-yaml v2 ``encode.go``,
``sorter.go``, ``emitterc.go``.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from mirror.gotext import format_general
from mirror.kubejson.yamlscalars import is_plain_string

_WIDTH: Final = 80
_INDENT: Final = 2
_LONGEST_SIMPLE_KEY: Final = 128
_MAX_DEPTH: Final = 200

_BREAKS: Final = "\n\r\x85\u2028\u2029"
_FIRST_INDICATORS: Final = frozenset("#,[]{}&*!|>'\"%@`")
_UNPRINTABLE: Final = re.compile("[^\n -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_ESCAPES: Final = {
    "\0": "0",
    "\a": "a",
    "\b": "b",
    "\t": "t",
    "\n": "n",
    "\v": "v",
    "\f": "f",
    "\r": "r",
    "\x1b": "e",
    '"': '"',
    "\\": "\\",
    "\x85": "N",
    "\u2028": "L",
    "\u2029": "P",
}


def to_yaml(value: Any) -> str:
    """The YAML text of a value that was made of JSON, newline at the end.

    Raises:
        ValueError: it is nested too deep.
    """
    emitter = _Emitter()
    emitter.node(value)
    return emitter.text()


class _Emitter:
    """Writes nodes and keeps track of where in the line it is.

    `_clear` says that what is written next needs no blank before it, `_indenting` that the line holds nothing yet but
    blanks and the marks of sequences; they decide where lines end.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._column = 0
        self._indent = -1
        self._clear = True
        self._indenting = True
        self._depth = 0

    def text(self) -> str:
        if self._column:
            self._parts.append("\n")
        return "".join(self._parts)

    # Nodes

    def node(self, value: Any, *, of_mapping: bool = False) -> None:
        """Writes a value; `of_mapping` where it belongs to a key."""
        if isinstance(value, dict | list) and value:
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise ValueError("nested too deep")
            outer = self._indent
            if isinstance(value, dict):
                self._increase()
                self._mapping(value)
            else:
                self._increase(indentless=of_mapping and not self._indenting)
                self._sequence(value)
            self._indent = outer
            self._depth -= 1
        elif isinstance(value, str):
            self._string(value)
        else:
            self._indicator(_plain(value))

    def _increase(self, *, indentless: bool = False) -> None:
        if self._indent < 0:
            self._indent = 0
        elif not indentless:
            self._indent += _INDENT

    def _mapping(self, entries: dict[str, Any]) -> None:
        for key in sorted(entries, key=_NATURAL):
            self._line()
            if len(key.encode("utf-8", "surrogatepass")) <= _LONGEST_SIMPLE_KEY and not _has_break(key):
                self._string(key, simple_key=True)
                self._indicator(":", apart=False)
            else:
                self._indicator("?", indenting=True)
                self._string(key)
                self._line()
                self._indicator(":", indenting=True)
            self.node(entries[key], of_mapping=True)

    def _sequence(self, items: list[Any]) -> None:
        for item in items:
            self._line()
            self._indicator("-", indenting=True)
            self.node(item)

    # Scalars

    def _string(self, text: str, *, simple_key: bool = False) -> None:
        outer = self._indent
        self._indent = _INDENT if outer < 0 else outer + _INDENT
        style = _style(text, simple_key=simple_key)
        if style == "|":
            self._literal(text)
        elif style == '"':
            self._double_quoted(text, folds=not simple_key)
        elif style == "'":
            self._single_quoted(text, folds=not simple_key)
        else:
            self._flowing(text, folds=not simple_key)
        self._indent = outer

    def _literal(self, text: str) -> None:
        hint = str(_INDENT) if text[0] == " " or text[0] in _BREAKS else ""
        if text[-1] not in _BREAKS:
            hint += "-"
        elif len(text) == 1 or text[-2] in _BREAKS:
            hint += "+"
        self._indicator(f"|{hint}")
        self._break()
        self._indenting = self._clear = True
        for line in re.findall(f"[^{_BREAKS}]+|[{_BREAKS}]", text):
            if line in _BREAKS:
                self._write_break(line)
            else:
                self._line()
                self._write(line)
                self._indenting = False

    def _double_quoted(self, text: str, *, folds: bool) -> None:
        self._indicator('"')
        after_space = False
        for index, char in enumerate(text):
            if char == " ":
                inside = 0 < index < len(text) - 1
                if folds and not after_space and self._column > _WIDTH and inside:
                    self._line()
                    if text[index + 1] == " ":
                        self._write("\\")
                else:
                    self._write(char)
                after_space = True
                continue
            after_space = False
            escaped = char in '"\\' or char in _BREAKS or _UNPRINTABLE.match(char)
            self._write(_escape(char) if escaped else char)
        self._indicator('"', apart=False)

    def _single_quoted(self, text: str, *, folds: bool) -> None:
        self._indicator("'")
        self._flow(text.replace("'", "''"), folds=folds, ends_fold=False)
        self._indicator("'", apart=False)

    def _flowing(self, text: str, *, folds: bool) -> None:
        if not self._clear:
            self._write(" ")
        self._flow(text, folds=folds, ends_fold=True)
        self._clear = self._indenting = False

    def _flow(self, text: str, *, folds: bool, ends_fold: bool) -> None:
        """Text whose lines may be folded at single blanks; a break of its own takes two."""
        after_space = after_break = False
        for index, char in enumerate(text):
            if char == " ":
                inside = ends_fold or 0 < index < len(text) - 1
                alone = not after_space and text[index + 1 : index + 2] != " "
                if folds and alone and inside and self._column > _WIDTH:
                    self._line()
                else:
                    self._write(char)
                after_space = True
            elif char in _BREAKS:
                if not after_break and char == "\n":
                    self._break()
                self._write_break(char)
                after_break = True
            else:
                if after_break:
                    self._line()
                self._write(char)
                self._indenting = after_space = after_break = False

    # Places

    def _indicator(self, text: str, *, apart: bool = True, indenting: bool = False) -> None:
        if apart and not self._clear:
            self._write(" ")
        self._write(text)
        self._clear = False
        self._indenting = self._indenting and indenting

    def _line(self) -> None:
        """Goes to where the current level begins, on a new line unless this one is still empty up to there."""
        indent = max(self._indent, 0)
        if not self._indenting or self._column > indent or (self._column == indent and not self._clear):
            self._break()
        if self._column < indent:
            self._write(" " * (indent - self._column))
        self._clear = self._indenting = True

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._column += len(text)

    def _break(self) -> None:
        self._parts.append("\n")
        self._column = 0

    def _write_break(self, char: str) -> None:
        self._parts.append(char)
        self._column = 0
        self._indenting = True


def _plain(value: float | bool | dict[str, Any] | list[Any] | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return str(value) if isinstance(value, int) else format_general(value)


# Styles


def _style(text: str, *, simple_key: bool) -> str:
    """How a string is written: as it is (``""``), in one of the quotes, or as a literal block (``|``)."""
    if "\n" in text:
        return "|" if not simple_key and _block_allowed(text) else '"'
    if not text or text == "<<" or not is_plain_string(text) or _BASE_60.fullmatch(text):
        return '"'
    if _UNPRINTABLE.search(text) or _space_beside_break(text):
        return '"'
    return "'" if _plain_forbidden(text) else ""


def _has_break(text: str) -> bool:
    return any(char in text for char in _BREAKS)


def _block_allowed(text: str) -> bool:
    return text[-1] != " " and not _UNPRINTABLE.search(text) and not re.search(f" [{_BREAKS}]", text)


def _space_beside_break(text: str) -> bool:
    return re.search(f" [{_BREAKS}]|[{_BREAKS}] ", text) is not None


def _plain_forbidden(text: str) -> bool:
    first = text[0]
    if text.startswith(("---", "...")) or first in _FIRST_INDICATORS or text[0] == " " or text[-1] == " ":
        return True
    if first in "?-" and (len(text) == 1 or text[1] in " \t"):
        return True
    return text[-1] == ":" or ": " in text or " #" in text or _has_break(text)


def _escape(char: str) -> str:
    short = _ESCAPES.get(char)
    if short is not None:
        return f"\\{short}"
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


# The order of keys


def _compare(one: str, other: str) -> int:
    """Natural order: numbers in keys by their value, letters after everything else but digits before them."""
    after_digit = False
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left == right:
            after_digit = left.isdecimal()
            continue
        return -1 if _comes_first(one, other, index, after_digit=after_digit) else 1
    return len(one) - len(other)


def _comes_first(one: str, other: str, index: int, *, after_digit: bool) -> bool:
    """Whether `one`, which differs from `other` at `index`, comes first."""
    left, right = one[index], other[index]
    if left.isalpha() and right.isalpha():
        return left < right
    if left.isalpha() or right.isalpha():
        return left.isalpha() if after_digit else right.isalpha()
    # Zeros count only behind another digit that is none: 01 and 1 are equal, 101 and 11 are not.
    prefix = "1" if "0" in (left, right) and one[:index].rstrip("0")[len(one[:index].rstrip("0123456789")) :] else ""
    first, second = _digits(one, index), _digits(other, index)
    numbers = int(f"{prefix}{first}" or 0), int(f"{prefix}{second}" or 0)
    if numbers[0] != numbers[1]:
        return numbers[0] < numbers[1]
    if len(first) != len(second):
        return len(first) < len(second)
    return left < right


def _digits(text: str, index: int) -> str:
    found = re.compile("[0-9]*").match(text, index)
    return found[0] if found else ""


_NATURAL: Final = functools.cmp_to_key(_compare)
