"""Names and filters of directories as people write them: distinguished names (RFC 4514) and search filters (RFC 4515).

What a client gives is never put into such a text and read again: a filter is read once, with places for it in its
values, and in a name every byte of it is written as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*")
_DESCRIPTION: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*")
_ESCAPE: Final = re.compile(r'\\(?:([0-9A-Fa-f]{2})|([ "#+,;<=>\\]))')
_SPECIAL: Final = frozenset('"+,;<>\\\0')
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_SAFE: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._@")
_DEEPEST: Final = 16


class Part(NamedTuple):
    """One ``type=value`` of a name; ``value`` without escapes."""

    type: str
    value: str


Name = tuple[tuple[Part, ...], ...]
"""A distinguished name: its relative names, the entry's own first; each is one part, seldom more."""


def read_name(text: str) -> Name:
    """Reads a distinguished name.

    Raises:
        ValueError: it is none.
    """
    found: list[tuple[Part, ...]] = []
    parts: list[Part] = []
    for piece, separator in _pieces(text):
        parts.append(_part(piece))
        if separator != "+":
            found.append(tuple(parts))
            parts = []
    return tuple(found)


def canonical(name: Name) -> Name:
    """A name as directories compare it: case and repeated blanks count for nothing (RFC 4518)."""
    return tuple(tuple(sorted(Part(part.type.lower(), folded(part.value)) for part in parts)) for parts in name)


def folded(value: str) -> str:
    """A value as directories compare it."""
    return " ".join(filter(None, value.casefold().split(" ")))


def written(name: Name) -> str:
    """A name as a text."""
    return ",".join("+".join(f"{part.type}={_escaped(part.value)}" for part in parts) for parts in name)


def is_below(name: Name, base: Name) -> bool:
    """Whether an entry is below another one, both canonical, or is that one itself."""
    return len(name) >= len(base) and name[len(name) - len(base) :] == base


def escaped(value: bytes) -> str:
    """What a client gave, to stand in a distinguished name: nothing of it means anything there."""
    return "".join(chr(byte) if byte in _SAFE else f"\\{byte:02x}" for byte in value)


def _pieces(text: str) -> list[tuple[str, str]]:
    """The parts of a name, each with the separator behind it."""
    found, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] in ",+":
            found.append((text[start:position], text[position]))
            start = position + 1
        position += 1
    return [*found, (text[start:], "")]


def _part(piece: str) -> Part:
    kind, equals, text = piece.partition("=")
    kind, text = kind.strip(" "), text.lstrip(" ")
    if not equals or _TYPE.fullmatch(kind) is None:
        raise ValueError(f"{piece[:100]!r} is no part of a distinguished name such as 'ou=people'")
    if text.startswith("#"):
        raise ValueError(f"{text[:100]!r}: values that begin with # are not understood; a # itself is written \\#")
    value, position, kept = bytearray(), 0, 0
    while position < len(text):
        escape = _ESCAPE.match(text, position)
        if escape is not None:
            value += bytes.fromhex(escape[1]) if escape[1] else escape[2].encode()
            position, kept = escape.end(), len(value)
            continue
        if text[position] in _SPECIAL:
            raise ValueError(f"{text[position]!r} in {text[:100]!r} has to be escaped by a backslash")
        value += text[position].encode()
        position += 1
    ending = bytes(value[kept:]).rstrip(b" ")  # blanks at the end count only if they are escaped
    try:
        found = (bytes(value[:kept]) + ending).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{text[:100]!r} is not UTF-8") from None
    return Part(kind, found)


def _escaped(value: str) -> str:
    last = len(value) - 1
    return "".join(
        "\\00"
        if sign == "\0"
        else f"\\{sign}"
        if sign in _SPECIAL or (at == 0 and sign in " #") or (at == last and sign == " ")
        else sign
        for at, sign in enumerate(value)
    )


class Value(NamedTuple):
    """A value in a filter: texts, and the names of places between them: every second one."""

    parts: tuple[bytes | str, ...]

    def filled(self, places: Mapping[str, bytes]) -> bytes:
        """The value, with what is put into its places."""
        return b"".join(part if isinstance(part, bytes) else places[part] for part in self.parts)


class Compared(NamedTuple):
    """``(attribute=value)``, or with ``>=``, ``<=`` or ``~=``."""

    attribute: str
    operator: str
    value: Value


class Present(NamedTuple):
    """``(attribute=*)``."""

    attribute: str


class Like(NamedTuple):
    """``(attribute=first*other*last)``: pieces of a value, of which the first and the last may be empty."""

    attribute: str
    pieces: tuple[Value, ...]


class Matching(NamedTuple):
    """``(attribute:dn:rule:=value)``: a matching rule by its name; without ``rule`` the attribute's own."""

    attribute: str
    rule: str
    value: Value
    dn: bool


class Both(NamedTuple):
    """``(&…)``, all of some filters, or ``(|…)``, any of them."""

    operator: str
    filters: tuple[Filter, ...]


class Not(NamedTuple):
    """``(!…)``."""

    filter: Filter


Filter = Compared | Present | Like | Matching | Both | Not


def read_filter(text: str, places: frozenset[str]) -> Filter:
    """Reads a filter, in whose values there may be `places`, such as ``{user}``.

    Raises:
        ValueError: it is none, or has other places.
    """
    found, end = _filter(text.strip(), 0, 0, places)
    if end != len(text.strip()):
        raise ValueError(f"{text.strip()[end:][:100]!r} is left over behind the filter")
    return found


def places_of(found: Filter) -> frozenset[str]:
    """The places that a filter has."""
    match found:
        case Both(_, filters):
            return frozenset().union(*map(places_of, filters))
        case Not(one):
            return places_of(one)
        case Like(_, pieces):
            return frozenset(part for piece in pieces for part in piece.parts if isinstance(part, str))
        case Compared(_, _, value) | Matching(_, _, value, _):
            return frozenset(part for part in value.parts if isinstance(part, str))
        case Present():
            return frozenset()


def _filter(text: str, start: int, depth: int, places: frozenset[str]) -> tuple[Filter, int]:
    """The filter that begins at a position, and where it ends."""
    if depth > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} filters in each other")
    if not text.startswith("(", start):
        raise ValueError(f"expected '(' at {text[start:][:100]!r}, as in '(uid={{user}})'")
    operator = text[start + 1 : start + 2]
    if operator not in {"&", "|", "!"}:
        end = text.find(")", start)
        if end < 0:
            raise ValueError(f"{text[start:][:100]!r} has no ')'")
        return _item(text[start + 1 : end], places), end + 1
    filters, position = [], start + 2
    while text.startswith("(", position):
        one, position = _filter(text, position, depth + 1, places)
        filters.append(one)
    if not text.startswith(")", position) or not filters or (operator == "!" and len(filters) > 1):
        raise ValueError(f"{text[start:][:100]!r} has no end, or not what belongs behind {operator!r}")
    return (Not(filters[0]) if operator == "!" else Both(operator, tuple(filters))), position + 1


_ITEM: Final = re.compile(r"([^=<>~:(]*)((?::[^:=]+)*)(=|>=|<=|~=|:=)(.*)", re.DOTALL)


def _item(text: str, places: frozenset[str]) -> Filter:
    item = _ITEM.fullmatch(text)
    if item is None or (item[1] and _DESCRIPTION.fullmatch(item[1]) is None) or bool(item[2]) > (item[3] == ":="):
        raise ValueError(f"{text[:100]!r} is no comparison such as 'uid={{user}}'")
    attribute, options, operator, value = item.groups()
    if operator == ":=":
        rules = [option for option in options.split(":")[1:] if option.lower() != "dn"]
        if len(rules) > 1 or not (attribute or rules) or not all(map(_TYPE.fullmatch, rules)):
            raise ValueError(f"{text[:100]!r}: expected an attribute, :dn and one matching rule at most before ':='")
        dn = len(rules) < options.count(":")
        return Matching(attribute, "".join(rules), _value(value, places), dn)
    if not attribute:
        raise ValueError(f"{text[:100]!r} names no attribute")
    pieces = value.split("*")
    if operator != "=" or len(pieces) == 1:
        return Compared(attribute, operator, _value(value, places))
    if pieces == ["", ""]:
        return Present(attribute)
    if "" in pieces[1:-1]:
        raise ValueError(f"{text[:100]!r}: nothing stands between two '*'")
    return Like(attribute, tuple(_value(piece, places) for piece in pieces))


def _value(text: str, places: frozenset[str]) -> Value:
    parts: list[bytes | str] = []
    for number, part in enumerate(_PLACE.split(text)):
        if number % 2 == 0:
            parts.append(_plain(part))
        elif part in places:
            parts.append(part)
        else:
            expected = " and ".join(f"{{{place}}}" for place in sorted(places))
            raise ValueError(f"{{{part[:100]}}} is unknown; there is {expected}")
    return Value(tuple(parts))


def _plain(text: str) -> bytes:
    """A part of a value without its escapes."""
    if re.search(r"\\(?![0-9A-Fa-f]{2})|[*(\0]", text):
        raise ValueError(
            f"{text[:100]!r}: '*', '(', ')', backslash and zero are written as \\2a, \\28, \\29, \\5c, \\00"
        )
    pieces = re.split(r"\\(..)", text)
    return b"".join(bytes.fromhex(piece) if at % 2 else piece.encode() for at, piece in enumerate(pieces))
