"""Field selectors: conditions on the few fields by which a kind may be selected (apimachinery ``fields``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from mirror.api.label_selectors import SelectorError
from mirror.gotext import quote
from mirror.v1.meta import ApiObject

T_contra = TypeVar("T_contra", bound=ApiObject, contravariant=True)

NAME: Final = "metadata.name"
NAMESPACE: Final = "metadata.namespace"
_OPERATORS: Final = ("!=", "==", "=")  # the first that fits is taken


def unknown_of_meta(name: str) -> str:
    """How kinds refuse a field that have said nothing else."""
    return f"{quote(name)} is not a known field selector: only {quote(NAME)}, {quote(NAMESPACE)}"


def unsupported(name: str) -> str:
    """How the kinds of the core and custom resources refuse a field."""
    return f"field label not supported: {name}"


@dataclass(frozen=True)
class SelectableFields(Generic[T_contra]):
    """By which fields a kind can be selected: `own` besides name and namespace; `unknown` says that of no other."""

    own: Mapping[str, Callable[[T_contra], str]] = field(default_factory=dict)
    unknown: Callable[[str], str] = unknown_of_meta
    namespaced: bool = True

    def check(self, terms: FieldTerms) -> None:
        """
        Raises:
            SelectorError: a term is about another field.
        """
        for term in terms:
            known = term.field == NAME or (term.field == NAMESPACE and self.namespaced) or term.field in self.own
            if not known:
                raise SelectorError(self.unknown(term.field))

    def matches(self, terms: FieldTerms, item: T_contra) -> bool:
        """Whether an object meets all terms."""
        return all((self._value(term.field, item) == term.value) != term.negated for term in terms)

    def _value(self, name: str, item: T_contra) -> str:
        if name == NAME:
            return item.metadata.name
        if name == NAMESPACE:
            return item.metadata.namespace
        return self.own[name](item)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition: a field has a value, or has not."""

    field: str
    value: str
    negated: bool = False


FieldTerms = tuple[FieldTerm, ...]


def parse_fields(text: str) -> FieldTerms:
    """The terms of a selector, in the byte order of their texts; all of them have to be met.

    Raises:
        SelectorError: it is none.
    """
    found = []
    for part in sorted(_parts(text)):
        if part:
            found.append(_term(text, part))
    return tuple(found)


def exact(terms: FieldTerms, name: str) -> str | None:
    """The value that a field has to have, if there is only one."""
    return next((term.value for term in terms if term.field == name and not term.negated), None)


def _parts(text: str) -> list[str]:
    """The parts between commas, of which a backslash takes the meaning."""
    parts, start, escaped = [], 0, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _term(text: str, part: str) -> FieldTerm:
    for at in range(len(part)):
        for operator in _OPERATORS:
            if part.startswith(operator, at):
                return FieldTerm(part[:at], _unescaped(part[at + len(operator) :]), operator == "!=")
    raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")


def _unescaped(value: str) -> str:
    kept, escaped = "", False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{character}")
            kept += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(character)}")
        else:
            kept += character
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return kept
