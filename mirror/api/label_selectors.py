"""Label selectors: their grammar, what is refused in whose words, and what they select (apimachinery ``labels``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mirror.api.fields import FieldError, invalid, joined
from mirror.api.metadata import label_value_errors, qualified_name_errors

Operator = Literal["in", "notin", "=", "==", "!=", "gt", "lt", "exists", "!"]

_END: Final = ""
_IDENTIFIER: Final = "identifier"
_ERROR: Final = "error"
_WORD: Final = re.compile(r"[^=!(),>< \t\r\n\0]+")
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_PAIRS: Final = frozenset(("==", "!="))
_KEYWORDS: Final = frozenset(("in", "notin"))
_OPERATORS: Final[Mapping[str, Operator]] = {
    "in": "in",
    "notin": "notin",
    "=": "=",
    "==": "==",
    "!=": "!=",
    ">": "gt",
    "<": "lt",
}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}")
_LARGEST: Final = 2**63


class SelectorError(ValueError):
    """A text that is no selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label `key`."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it."""
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "!":
            return value is None
        if value is None:
            return self.operator in ("notin", "!=")
        if self.operator in ("gt", "lt"):
            return self._compares(value)
        return (value in self.values) == (self.operator in ("in", "=", "=="))

    def _compares(self, value: str) -> bool:
        number, limit = _integer(value), _integer(self.values[0])
        if number is None or limit is None:
            return False
        return number > limit if self.operator == "gt" else number < limit


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The requirements of a selector, all of which have to be met; the empty one has none.

    Raises:
        SelectorError: it is none.
    """
    return _Parser(text).parse()


class _Parser:
    """Reads a selector. Where an operator may stand, ``in`` and ``notin`` are words of their own; elsewhere, names."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _look(self) -> tuple[str, str]:
        kind, text = self._tokens[min(self._at, len(self._tokens) - 1)]
        return (_IDENTIFIER if kind in _KEYWORDS else kind), text

    def _take(self) -> tuple[str, str]:
        found = self._look()
        self._at += 1
        return found

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while True:
            kind, text = self._look()
            if kind == _END:
                return tuple(found)
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, text = self._take()
            if kind == _END:
                return tuple(found)
            if kind != ",":
                raise SelectorError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self._look()
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{text}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        kind, text = self._take()
        negated = kind == "!"
        if negated:
            kind, text = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{text}', expected: identifier")
        problems = list(qualified_name_errors(text))
        if problems:
            raise SelectorError(str(invalid("<nil>", text, "; ".join(problems))))
        if negated:
            return Requirement(text, "!")
        if self._look()[0] in (_END, ","):
            return Requirement(text, "exists")
        operator = self._operator()
        values = self._values() if operator in ("in", "notin") else self._value()
        return _checked(Requirement(text, operator, tuple(sorted(values))))

    def _operator(self) -> Operator:
        kind, text = self._tokens[min(self._at, len(self._tokens) - 1)]
        self._at += 1
        if kind not in _OPERATORS:
            raise SelectorError(f"found '{text}', expected: in, notin, =, ==, !=, gt, lt")
        return _OPERATORS[kind]

    def _value(self) -> set[str]:
        if self._look()[0] in (_END, ","):
            return {""}
        kind, text = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{text}', expected: identifier")
        return {text}

    def _values(self) -> set[str]:
        kind, text = self._take()
        if kind != "(":
            raise SelectorError(f"found '{text}' expected: '('")
        kind, text = self._look()
        if kind == ")":
            self._at += 1
            return set()
        if kind not in (_IDENTIFIER, ","):
            raise SelectorError(f"found '{text}', expected: ',', ')' or identifier")
        found = self._list()
        self._at += 1  # the closing one, at which a list ends
        return found

    def _list(self) -> set[str]:
        """The values before a closing parenthesis; where there is nothing between commas, the empty value is meant."""
        found: set[str] = set()
        while True:
            kind, text = self._take()
            if kind == _IDENTIFIER:
                found.add(text)
                kind, text = self._look()
                if kind == ")":
                    return found
                if kind != ",":
                    raise SelectorError(f"found '{text}', expected: ',' or ')'")
            elif kind == ",":
                if not found:
                    found.add("")
                kind, text = self._look()
                if kind == ")":
                    return found | {""}
                if kind == ",":
                    self._at += 1
                    found.add("")
            else:
                raise SelectorError(f"found '{text}', expected: ',', or identifier")


def _checked(one: Requirement) -> Requirement:
    """
    Raises:
        SelectorError: the operator takes no such values.
    """
    errors: list[FieldError] = []
    if one.operator in ("in", "notin") and not one.values:
        errors.append(invalid("values", [], "for 'in', 'notin' operators, values set can't be empty"))
    for index, value in enumerate(one.values):
        if one.operator in ("gt", "lt") and _integer(value) is None:
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid(f"values[{index}]", value, text))
    for index, value in enumerate(one.values):
        problems = list(label_value_errors(value))
        if problems:
            errors.append(invalid(f"values[{index}][{one.key}]", value, "; ".join(problems)))
    if errors:
        raise SelectorError(joined(errors))
    return one


def _tokens(text: str) -> Sequence[tuple[str, str]]:
    """Kind and text of each word. Of special characters that stand together the longest known ones are taken."""
    found: list[tuple[str, str]] = []
    text = text.partition("\0")[0]
    at = _end(_BLANK, text, 0)
    while at < len(text):
        if word := _WORD.match(text, at):
            found.append((word[0] if word[0] in _KEYWORDS else _IDENTIFIER, word[0]))
            at = word.end()
        else:
            symbol = text[at : at + 2]
            if symbol not in _PAIRS:
                symbol = text[at]
            found.append((symbol, symbol))
            at += len(symbol)
        at = _end(_BLANK, text, at)
    return [*found, (_END, "")]


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found: Callable[[str, int], re.Match[str] | None] = pattern.match
    match = found(text, at)
    return at if match is None else match.end()


def _integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text) or not -_LARGEST <= int(text) < _LARGEST:
        return None
    return int(text)
