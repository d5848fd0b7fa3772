"""Go's ``%q``, its texts of floats, its HTML escaping of JSON and the text of an aggregate (strconv, encoding/json)."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from mirror.gotext.printable import is_printable

_SHORT: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}
_SPECIAL: Final = re.compile(r"[^ !#-\[\]-~]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_HTML: Final = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))
_SEPARATORS: Final = (("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))
_LEAD: Final = b"\xe2"


def quote(text: str | bytes) -> str:
    """The text in double quotes as ``%q`` and ``strconv.Quote`` print it.

    Bytes that are no UTF-8 become ``\\xff``. In a ``str`` the same goes for what ``surrogateescape`` made of them.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    short = _SHORT.get(character)
    if short is not None:
        return short
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:  # no Go string holds a surrogate; its three bytes are three invalid ones
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    if is_printable(character):
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_text(data: bytes) -> str:
    """A Go string as JSON carries it: every byte that is no UTF-8 becomes U+FFFD."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _SURROGATES.sub("\ufffd", data.decode("utf-8", "surrogateescape"))


def html_escape(data: bytes) -> bytes:
    """JSON text as Go's encoder writes it: ``<``, ``>``, ``&``, U+2028 and U+2029 as ``\\u`` escapes.

    These bytes occur in JSON only inside strings. The same object comes back when there is nothing to do.
    """
    for plain, escaped in _HTML:
        if plain in data:
            data = data.replace(plain, escaped)
    if _LEAD in data:  # a single byte is looked for much faster than three
        for plain, escaped in _SEPARATORS:
            data = data.replace(plain, escaped)
    return data


def format_float(number: float) -> str:
    """A finite float64 as ``encoding/json`` prints it: shortest digits, exponent from 1e21 and below 1e-6."""
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    mantissa, _, exponent = f"{number!r}e0".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    power = int(exponent.split("e")[0]) + len(whole)
    digits = (whole + fraction).rstrip("0")
    power -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0")
    if 1e-6 <= abs(number) < 1e21:
        if power <= 0:
            return f"{sign}0.{'0' * -power}{digits}"
        if power >= len(digits):
            return f"{sign}{digits}{'0' * (power - len(digits))}"
        return f"{sign}{digits[:power]}.{digits[power:]}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    # encoding/json shortens e-09 to e-9, but not e-10, and never writes e+09.
    return f"{sign}{digits[0]}{tail}e{power - 1:+d}"


def format_general(number: float, *, bits: int = 64) -> str:
    """A finite number as ``strconv.FormatFloat(number, 'g', -1, bits)`` prints it: an exponent below 1e-4, from 1e6 on.

    For `bits` 32 the number is one that a float32 holds: it takes fewer digits to tell it from others.
    """
    kind = "f" if bits == 32 else "d"
    packed = struct.pack(kind, number)
    scientific = next(text for text in _lengthening(number) if struct.pack(kind, float(text)) == packed)
    mantissa, _, exponent = scientific.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits, power = mantissa.removeprefix("-").replace(".", ""), int(exponent)
    if power < -4 or power >= 6:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole, fraction = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _lengthening(number: float) -> Iterator[str]:
    """A number in scientific notation with one digit, with two, and so on."""
    return (f"{number:.{digits}e}" for digits in range(17))


def aggregate(texts: Iterable[str]) -> str:
    """The text of an aggregate of errors: repeated texts once, several in brackets, one as it is, none as ``""``."""
    distinct = list(dict.fromkeys(texts))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]" if distinct else ""
