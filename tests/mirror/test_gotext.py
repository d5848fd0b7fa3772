"""mirror.gotext: quoting, times, base64 and floats as Go prints them."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.gotext import (
    ZERO_TEXT,
    ZERO_TIME,
    GoBase64Error,
    GoTimeError,
    aggregate,
    decode_base64,
    format_float,
    go_text,
    html_escape,
    parse_rfc3339,
    quote,
    rfc3339,
)
from mirror.gotext.printable import is_printable


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("plain text", '"plain text"'),
        ("404 page not found\n", r'"404 page not found\n"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("é ü 世界 😀", '"é ü 世界 😀"'),
        ("\u0080\u00a0\u00ad\u200b\u2028\ufeff\ue000", r'"\u0080\u00a0\u00ad\u200b\u2028\ufeff\ue000"'),
        ("\U000e0001\U0010ffff", r'"\U000e0001\U0010ffff"'),
        ("\ufffd", '"\ufffd"'),
        (b"\xff\xc3(\xe2\x82", r'"\xff\xc3(\xe2\x82"'),
        ("é\xff".encode("latin-1"), r'"\xe9\xff"'),
        ("a\udcffb", r'"a\xffb"'),
        ("\ud800", r'"\xed\xa0\x80"'),
        ("'`", '"\'`"'),
        ("\U0001fae8\U000323af", '"\U0001fae8\U000323af"'),  # new in Unicode 15.0
        ("\u1c89\U0002ebf0", r'"\u1c89\U0002ebf0"'),  # newer than that
    ],
)
def test_quote(text: str | bytes, quoted: str) -> None:
    assert quote(text) == quoted


@given(st.text(st.characters(codec="ascii")))
def test_quoted_ascii_reads_back(text: str) -> None:
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', quote(text))
    assert quote(text)[1:-1].encode().decode("unicode_escape") == text


@given(st.binary())
def test_quote_takes_any_bytes(data: bytes) -> None:
    assert quote(data) == quote(data.decode("utf-8", "surrogateescape"))
    assert go_text(data).encode().decode() == go_text(data)


def test_printable_agrees_with_python_where_it_knows() -> None:
    """Whatever was assigned in Unicode 14 is judged alike; nothing but the newest characters may differ."""
    differing = [
        code
        for code in range(0x110000)
        if is_printable(chr(code)) != chr(code).isprintable() and unicodedata.category(chr(code)) != "Cn"
    ]
    newest = unicodedata.unidata_version not in {"14.0.0", "15.0.0"}
    assert newest or not differing


def test_go_text_replaces_every_invalid_byte() -> None:
    assert go_text(b"a\xe2\x82b\xed\xa0\x80") == "a\ufffd\ufffdb\ufffd\ufffd\ufffd"
    assert go_text("é".encode()) == "é"


def test_html_escape() -> None:
    assert html_escape('"<&>\u2028\u2029é"'.encode()) == rb'"\u003c\u0026\u003e\u2028\u2029' + "é".encode() + b'"'
    plain = b'{"a":1}'
    assert html_escape(plain) is plain


@given(st.text())
def test_html_escape_keeps_the_value(text: str) -> None:
    encoded = json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")
    escaped = html_escape(encoded)
    assert not re.search(rb"[<>&]|\xe2\x80[\xa8\xa9]", escaped)
    assert json.loads(escaped.decode("utf-8", "surrogatepass")) == text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [([], ""), (["a"], "a"), (["a", "b", "a"], "[a, b]"), (["a", "a"], "a")],
)
def test_aggregate(texts: list[str], expected: str) -> None:
    assert aggregate(texts) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-12.25, "-12.25"),
        (100.0, "100"),
        (0.001, "0.001"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.25e300, "-1.25e+300"),
        (123456789.123, "123456789.123"),
        (5e-324, "5e-324"),
    ],
)
def test_format_float(number: float, text: str) -> None:
    assert format_float(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_format_float_reads_back(number: float) -> None:
    assert float(format_float(number)) == number


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2021-01-01T00:00:00+02:00", "2020-12-31T22:00:00Z"),
        ("2020-01-02T03:04:05.999999999Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02T03:04:05,5-00:30", "2020-01-02T03:34:05Z"),
        ("2020-01-02T3:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-02-29T00:00:00+24:60", "2020-02-27T23:00:00Z"),
        ("0001-01-01T00:00:00Z", ZERO_TEXT),
        ("0999-12-31T23:59:59Z", "0999-12-31T23:59:59Z"),
        ("0000-06-01T00:00:00Z", ZERO_TEXT),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z"),
    ],
)
def test_times(text: str, printed: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == printed


@pytest.mark.parametrize(
    ("text", "rest", "element"),
    [
        ("yesterday", "yesterday", "2006"),
        ("", "", "2006"),
        ("20x0-01-02", "20x0-01-02", "2006"),
        ("2020", "", "-"),
        ("2020/01", "/01", "-"),
        ("2020-1-2", "1-2", "01"),
        ("2020-01-2T", "2T", "02"),
        ("2020-01-02", "", "T"),
        ("2020-01-02 03:04:05Z", " 03:04:05Z", "T"),
        ("2020-01-02Tx", "x", "15"),
        ("2020-01-02T03", "", ":"),
        ("2020-01-02T03:4:05Z", "4:05Z", "04"),
        ("2020-01-02T03:04:5Z", "5Z", "05"),
        ("2020-01-02T03:04:05", "", "Z07:00"),
        ("2020-01-02T03:04:05.Z", ".Z", "Z07:00"),
        ("2020-01-02T03:04:05z", "z", "Z07:00"),
        ("2020-01-02T03:04:05+0100", "+0100", "Z07:00"),
        ("2020-01-02T03:04:05*01:00", "*01:00", "Z07:00"),
        ("2020-01-02T03:04:05+x1:00", "+x1:00", "Z07:00"),
    ],
)
def test_times_that_do_not_parse(text: str, rest: str, element: str) -> None:
    with pytest.raises(GoTimeError) as caught:
        parse_rfc3339(text)
    layout = "2006-01-02T15:04:05Z07:00"
    assert str(caught.value) == f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2020-13-02T00:00:00Z", "month out of range"),
        ("2020-00-02T00:00:00Z", "month out of range"),
        ("2020-01-02T24:00:00Z", "hour out of range"),
        ("2020-01-02T03:60:05Z", "minute out of range"),
        ("2020-01-02T03:04:60Z", "second out of range"),
        ("2020-01-02T03:04:05+25:00", "time zone offset hour out of range"),
        ("2020-01-02T03:04:05+01:61", "time zone offset minute out of range"),
        ("2020-01-02T03:04:05+25:xx", "time zone offset hour out of range"),
        ("2020-01-02T03:04:05Z+", 'extra text: "+"'),
        ("2020-02-30T03:04:05Z", "day out of range"),
        ("2021-02-29T03:04:05Z", "day out of range"),
        ("1900-02-29T03:04:05Z", "day out of range"),
        ("2020-01-00T03:04:05Z", "day out of range"),
    ],
)
def test_times_out_of_range(text: str, problem: str) -> None:
    with pytest.raises(GoTimeError) as caught:
        parse_rfc3339(text)
    assert str(caught.value) == f'parsing time "{text}": {problem}'


def test_package_time_quotes_in_a_way_of_its_own() -> None:
    with pytest.raises(GoTimeError, match=re.escape(rf'parsing time "\"\\\xc3\xa9{chr(127)}\x0a" as ')):
        parse_rfc3339('"\\é\x7f\n')


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001 - the zone is drawn too
    st.integers(-1439, 1439),
)
def test_times_read_back(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_rfc3339(moment.isoformat(timespec="microseconds")) == moment
    assert parse_rfc3339(rfc3339(moment)) == moment.astimezone(UTC).replace(microsecond=0)


@given(st.text(alphabet="0123456789-:TZ.,+ x", max_size=40))
def test_hostile_times(text: str) -> None:
    try:
        assert parse_rfc3339(text) >= ZERO_TIME
    except GoTimeError:
        return


@pytest.mark.parametrize(
    ("text", "padded", "url", "expected"),
    [
        ("", True, False, b""),
        ("dXNlcjpwYXNz", True, False, b"user:pass"),
        ("dXNlcg==", True, False, b"user"),
        ("dXNl\r\ncg=\n=\n", True, False, b"user"),
        ("dXNlcg", False, False, b"user"),
        ("dXNlch", False, False, b"user"),
        ("-_-_", True, True, b"\xfb\xff\xbf"),
        ("!!!", True, False, 0),
        ("dXNl!", True, False, 4),
        ("d", True, False, 0),
        ("dXNlc", True, False, 4),
        ("dXNlcg", True, False, 4),
        ("dXNlcg=", True, False, 7),
        ("dXNlcg=\n", True, False, 8),
        ("dXNlcg=x", True, False, 6),
        ("dXNlcg==x", True, False, 8),
        ("dXNlcg==\n=", True, False, 9),
        ("=", True, False, 0),
        ("a=", True, False, 1),
        ("abc=d", True, False, 4),
        ("dXNlcg==", False, False, 6),
        ("dXNlc", False, False, 4),
        ("-_-_", True, False, 0),
        ("+/", True, True, 0),
        ("dXN\nlcé", True, False, 6),
    ],
)
def test_base64(text: str, padded: bool, url: bool, expected: bytes | int) -> None:
    if isinstance(expected, bytes):
        assert decode_base64(text, padded=padded, url=url) == expected
        return
    with pytest.raises(GoBase64Error) as caught:
        decode_base64(text, padded=padded, url=url)
    assert str(caught.value) == f"illegal base64 data at input byte {expected}"


@given(st.binary())
def test_base64_reads_back(data: bytes) -> None:
    encoded = base64.b64encode(data)
    assert decode_base64(encoded) == data
    assert decode_base64(encoded.rstrip(b"="), padded=False) == data
    assert decode_base64(base64.urlsafe_b64encode(data), url=True) == data


@given(st.text(alphabet="AQg+/-_=\n x", max_size=24), st.booleans())
def test_hostile_base64(text: str, padded: bool) -> None:
    try:
        decode_base64(text, padded=padded)
    except GoBase64Error as error:
        position = int(str(error).rpartition(" ")[2])
        assert 0 <= position <= len(text)
