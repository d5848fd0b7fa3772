"""Media types as Go's ``mime.ParseMediaType`` reads them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mirror.importer.failures import ClientFailure

# RFC 2045 rather than RFC 9110: curly brackets are no specials.
_TSPECIALS: Final = frozenset('()<>@,;:\\"/[]?=')
_TOKEN: Final = frozenset(map(chr, range(0x21, 0x7F))) - _TSPECIALS
# What Go's unicode.IsSpace takes for white space; Python's strip would also take separators.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


@lru_cache(maxsize=1024)
def parse_media_type(value: str) -> str:
    """The media type of a Content-Type value in lower case, parameters checked and dropped; empty for an empty value.

    Raises:
        ClientFailure: with Go's text, ``mime: …``.
    """
    if not value:
        return ""
    base, _, _ = value.partition(";")
    media_type = base.strip(_SPACE).lower()
    _check_media_type(media_type)
    rest = value[len(base) :]
    seen: dict[str, str] = {}
    while rest:
        rest = rest.lstrip(_SPACE)
        if not rest:
            break
        parsed = _parameter(rest)
        if parsed is None:
            if rest.strip(_SPACE) == ";":
                return media_type
            raise ClientFailure("mime: invalid media parameter")
        name, parameter, rest = parsed
        if seen.setdefault(name, parameter) != parameter:  # the same once more does no harm
            raise ClientFailure("mime: duplicate parameter name")
    return media_type


def _check_media_type(text: str) -> None:
    kind, rest = _token(text)
    if not kind:
        raise ClientFailure("mime: no media type")
    if not rest:
        return
    if not rest.startswith("/"):
        raise ClientFailure("mime: expected slash after first token")
    subtype, rest = _token(rest[1:])
    if not subtype:
        raise ClientFailure("mime: expected token after slash")
    if rest:
        raise ClientFailure("mime: unexpected content after media subtype")


def _token(text: str) -> tuple[str, str]:
    end = next((i for i, char in enumerate(text) if char not in _TOKEN), len(text))
    return text[:end], text[end:]


def _parameter(text: str) -> tuple[str, str, str] | None:
    """Reads ``; name=value``; the name in lower case, the value and what follows, or None where Go gives up."""
    if not text.startswith(";"):
        return None
    name, rest = _token(text[1:].lstrip(_SPACE))
    if not name:
        return None
    rest = rest.lstrip(_SPACE)
    if not rest.startswith("="):
        return None
    found = _value(rest[1:].lstrip(_SPACE))
    return None if found is None else (name.lower(), *found)


def _value(text: str) -> tuple[str, str] | None:
    """Reads a parameter value; it and what follows, or None when there is none."""
    if not text.startswith('"'):
        value, rest = _token(text)
        return (value, rest) if value else None
    value = ""
    i = 1
    while i < len(text):
        char = text[i]
        if char == '"':
            return value, text[i + 1 :]
        if char == "\\" and i + 1 < len(text) and text[i + 1] in _TSPECIALS:
            i += 1
        elif char in "\r\n":
            return None
        value += text[i]
        i += 1
    return None
