"""RFC 3339 times as Go reads and prints them (package time: format.go, format_rfc3339.go).

Go 1.24 still reads them through its general parser, which is laxer than the RFC: an hour may have one digit, the
fraction may follow a comma, and an offset may be as large as 24:60.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

LAYOUT: Final = "2006-01-02T15:04:05Z07:00"

ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Go's zero time."""

ZERO_TEXT: Final = "0001-01-01T00:00:00Z"
"""The zero time as `rfc3339` prints it."""

_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FRACTION: Final = re.compile(rb"[.,]([0-9]+)")
_UNSAFE: Final = re.compile(rb'["\\]|[^ -\x7f]')


class GoTimeError(ValueError):
    """Text that is no time; the message is that of Go's ``time.ParseError``."""


def rfc3339(moment: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ`` in UTC; fractions of a second are cut off."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}-{utc.month:02d}-{utc.day:02d}T{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}Z"


def parse_rfc3339(text: str | bytes) -> datetime:
    """What ``time.Parse(time.RFC3339, text)`` gives, in UTC and cut to microseconds.

    Instants outside the years that `datetime` knows (1 to 9999) become the first or the last one.

    Raises:
        GoTimeError: the text is no RFC 3339 time.
    """
    value = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return _Parser(value).parse()


class _Parser:
    """One pass over the elements of the layout, in their order, as the order decides which error comes first."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.rest = value

    def parse(self) -> datetime:
        year = self._year()
        self._literal("-")
        month = self._two_digits("01")
        if not 1 <= month <= 12:
            raise self._out_of_range("month")
        self._literal("-")
        day = self._two_digits("02")
        self._literal("T")
        hour = self._two_digits("15", short=True)
        if hour >= 24:
            raise self._out_of_range("hour")
        self._literal(":")
        minute = self._two_digits("04")
        if minute >= 60:
            raise self._out_of_range("minute")
        self._literal(":")
        second = self._two_digits("05")
        if second >= 60:
            raise self._out_of_range("second")
        microsecond = self._fraction()
        offset = self._offset()
        if self.rest:
            raise GoTimeError(f"parsing time {_quote(self.value)}: extra text: {_quote(self.rest)}")
        if not 1 <= day <= _days(year, month):
            raise self._out_of_range("day")
        return _instant((year, month, day, hour, minute, second, microsecond), offset)

    def _bad(self, element: str) -> GoTimeError:
        return GoTimeError(
            f'parsing time {_quote(self.value)} as "{LAYOUT}": cannot parse {_quote(self.rest)} as "{element}"'
        )

    def _out_of_range(self, what: str) -> GoTimeError:
        return GoTimeError(f"parsing time {_quote(self.value)}: {what} out of range")

    def _literal(self, character: str) -> None:
        if not self.rest.startswith(character.encode()):
            raise self._bad(character)
        self.rest = self.rest[1:]

    def _year(self) -> int:
        digits = self.rest[:4]
        if len(digits) < 4 or not digits.isdigit():
            raise self._bad("2006")
        self.rest = self.rest[4:]
        return int(digits)

    def _two_digits(self, element: str, *, short: bool = False) -> int:
        digits = self.rest[:2]
        if len(digits) < 2 or not digits.isdigit():
            digits = digits[:1]
            if not short or not digits.isdigit():
                raise self._bad(element)
        self.rest = self.rest[len(digits) :]
        return int(digits)

    def _fraction(self) -> int:
        """Microseconds. The layout has no fraction, but Go accepts one behind the seconds."""
        found = _FRACTION.match(self.rest)
        if found is None:
            return 0
        self.rest = self.rest[found.end() :]
        return int(found.group(1)[:6].ljust(6, b"0"))

    def _offset(self) -> timedelta:
        element = "Z07:00"
        if self.rest.startswith(b"Z"):
            self.rest = self.rest[1:]
            return timedelta()
        text = self.rest[:6]
        if len(text) < 6 or text[3:4] != b":":
            raise self._bad(element)
        # The number texts are judged before the sign, and their range before their form.
        hours = int(text[1:3]) if text[1:3].isdigit() else -1
        minutes = int(text[4:6]) if text[4:6].isdigit() and hours >= 0 else -1
        if hours > 24:
            raise self._out_of_range("time zone offset hour")
        if minutes > 60:
            raise self._out_of_range("time zone offset minute")
        if hours < 0 or minutes < 0 or text[:1] not in {b"+", b"-"}:
            raise self._bad(element)
        self.rest = self.rest[6:]
        offset = timedelta(hours=hours, minutes=minutes)
        return -offset if text.startswith(b"-") else offset


def _days(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def _instant(clock: tuple[int, int, int, int, int, int, int], offset: timedelta) -> datetime:
    year, month, day, hour, minute, second, microsecond = clock
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC) - offset
    except (ValueError, OverflowError):
        return ZERO_TIME if year <= 1 else _LATEST


def _quote(text: bytes) -> str:
    """The quoting of package time: every byte that is no printable ASCII is written in hexadecimal (DEL stays)."""
    escaped = _UNSAFE.sub(lambda found: _escape(found.group()), text)
    return f'"{escaped.decode("ascii")}"'


def _escape(byte: bytes) -> bytes:
    return b"\\" + byte if byte in {b'"', b"\\"} else b"\\x%02x" % byte[0]
