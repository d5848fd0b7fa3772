"""What a YAML scalar means to go-yaml v2, which Kubernetes uses: YAML 1.1 with some of 1.2 (``resolve.go``)."""

from __future__ import annotations

import math
import re
from typing import Final

from mirror.gotext import GoBase64Error, decode_base64, go_text

Scalar = str | int | float | bool | None

_PREFIX: Final = "tag:yaml.org,2002:"
STR: Final = f"{_PREFIX}str"
MERGE: Final = f"{_PREFIX}merge"
_BOOL: Final = f"{_PREFIX}bool"
_INT: Final = f"{_PREFIX}int"
_FLOAT: Final = f"{_PREFIX}float"
_NULL: Final = f"{_PREFIX}null"
_TIMESTAMP: Final = f"{_PREFIX}timestamp"
_BINARY: Final = f"{_PREFIX}binary"
_RESOLVABLE: Final = frozenset(("", STR, _BOOL, _INT, _FLOAT, _NULL, _TIMESTAMP))

_WORDS: Final[dict[str, tuple[str, Scalar]]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), (_BOOL, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), (_BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (_NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (_FLOAT, math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (_FLOAT, math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (_FLOAT, -math.inf)),
}
_POINT_FLOAT: Final = re.compile(r"\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_FLOAT_FORM: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INT_FORM: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES: Final = (("hex", 16), ("bin", 2), ("oct", 8), ("dec", 10))
_TIMESTAMP_FORM: Final = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:[.,][0-9]+)?)?"
)
_LONGEST_NUMBER: Final = 400


class YamlValueError(ValueError):
    """A scalar that does not have the type that its tag says; the text is go-yaml's."""


def resolve(tag: str, text: str) -> Scalar:
    """The value of a scalar that is plain or has a tag (in its long form).

    Timestamps stay strings; unknown tags do not matter.

    Raises:
        YamlValueError: the text does not fit the tag.
    """
    if tag not in _RESOLVABLE:
        return _binary(text) if tag == _BINARY else text
    found, value = (STR, text) if tag == STR else _guess(tag, text)
    if tag in {"", found}:
        return value
    if tag == _FLOAT and found == _INT and isinstance(value, int) and value < 2**63:
        return float(value)
    raise YamlValueError(f"cannot decode {_short(found)} `{text}` as a {_short(tag)}")


def is_plain_string(text: str) -> bool:
    """Whether the text, written without quotes, is a string."""
    return _guess("", text)[0] == STR


def _guess(tag: str, text: str) -> tuple[str, Scalar]:
    word = _WORDS.get(text)
    if word is not None:
        return word
    if text[0] == ".":
        number = float(text) if _POINT_FLOAT.fullmatch(text) else math.inf
        return (STR, text) if math.isinf(number) else (_FLOAT, number)
    if text[0] not in "+-0123456789":
        return STR, text
    if tag in {"", _TIMESTAMP} and _TIMESTAMP_FORM.fullmatch(text):
        return _TIMESTAMP, text
    return _number(text)


def _number(text: str) -> tuple[str, Scalar]:
    """An integer of at most 64 bits, or a float; underscores are passed over."""
    plain = text.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return _INT, integer
    if _FLOAT_FORM.fullmatch(plain):
        number = float(plain)
        if not math.isinf(number):
            return _FLOAT, number
    return STR, text


def _integer(plain: str) -> int | None:
    found = _INT_FORM.fullmatch(plain)
    if found is None or len(plain) > _LONGEST_NUMBER:
        return None
    group, base = next((group, base) for group, base in _BASES if found[group] is not None)
    number = int(found[group], base)
    if found["sign"] == "-":
        return -number if number <= 2**63 else None
    # What does not fit int64 is tried as uint64, which knows no signs.
    return number if number < (2**63 if found["sign"] else 2**64) else None


def _binary(text: str) -> str:
    try:
        return go_text(decode_base64(text))
    except GoBase64Error:
        raise YamlValueError("!!binary value contains invalid base64 data") from None


def _short(tag: str) -> str:
    return f"!!{tag[len(_PREFIX) :]}" if tag.startswith(_PREFIX) else tag
