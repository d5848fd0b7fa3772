"""Media types as Go's ``mime.ParseMediaType`` reads them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mirror.importer.failures import ClientFailure

# What Go's unicode.IsSpace takes for white space; Python's strip would also take separators.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

# RFC 2045 rather than RFC 9110: curly brackets are no specials.
_TSPECIALS: Final = re.escape('()<>@,;:\\"/[]?=')
_TOKEN: Final = re.compile(rf"(?:(?![{_TSPECIALS}])[!-~])+")
_BLANK: Final = f"[{_SPACE}]*"
_PARAMETER: Final = re.compile(
    rf"{_BLANK};{_BLANK}({_TOKEN.pattern}){_BLANK}={_BLANK}"
    rf'(?:({_TOKEN.pattern})|"((?:[^"\\\r\n]|\\[{_TSPECIALS}]|\\(?![{_TSPECIALS}]))*)")'
)
_ESCAPED: Final = re.compile(rf"\\([{_TSPECIALS}])")
_LONGEST_KEPT: Final = 256


def parse_media_type(value: str) -> str:
    """The media type of a Content-Type value in lower case, parameters checked and dropped; empty for an empty value.

    Raises:
        ClientFailure: with Go's text, ``mime: …``.
    """
    return _kept(value) if len(value) <= _LONGEST_KEPT else _parsed(value)


def _parsed(value: str) -> str:
    if not value:
        return ""
    base, _, _ = value.partition(";")
    media_type = base.strip(_SPACE).lower()
    _check_media_type(media_type)
    at = len(base)
    seen: dict[str, str] = {}
    while found := _PARAMETER.match(value, at):
        name, token, quoted = found.groups()
        parameter = token or _ESCAPED.sub(r"\1", quoted)
        if seen.setdefault(name.lower(), parameter) != parameter:  # the same once more does no harm
            raise ClientFailure("mime: duplicate parameter name")
        at = found.end()
    if value[at:].strip(_SPACE) not in ("", ";"):
        raise ClientFailure("mime: invalid media parameter")
    return media_type


_kept = lru_cache(maxsize=1024)(_parsed)


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
    found = _TOKEN.match(text)
    return (found[0], text[found.end() :]) if found is not None else ("", text)
