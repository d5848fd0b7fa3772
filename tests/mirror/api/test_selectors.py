"""Label and field selectors: what they select, and in whose words they are refused."""

from __future__ import annotations

import contextlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.api.field_selectors import FieldTerm, SelectableFields, parse_fields
from mirror.api.label_selectors import SelectorError, parse_labels
from mirror.v1.imagestream import ImageStream
from mirror.v1.meta import ObjectMeta

LABELS = {"app": "web", "tier": "front", "size": "12", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("! missing", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app!=web", False),
        ("missing!=web", True),
        ("missing=web", False),
        ("app=web,tier=front", True),
        ("app=web,tier=back", False),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api)", True),
        ("missing notin (api)", True),
        ("app notin (web,api),tier", False),
        ("empty=", True),
        ("app=", False),
        ("empty in (,x)", True),
        ("empty in (x,)", True),
        ("empty in (x,,y)", True),
        ("size>11", True),
        ("size > 12", False),
        ("size<13", True),
        ("app>1", False),
        ("missing<1", False),
        ("in=x", False),
        ("notin", False),
        ("app,", None),
    ],
)
def test_labels(selector: str, matches: bool | None) -> None:
    if matches is None:
        with pytest.raises(SelectorError, match="expected: identifier after ','"):
            parse_labels(selector)
        return
    assert all(requirement.matches(LABELS) for requirement in parse_labels(selector)) is matches


# Expected texts follow apimachinery's parser.
@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!=a", "found '!=', expected: !, identifier, or 'end of string'"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        (
            "a in ()",
            (
                "unable to parse requirement: values: Invalid value: []: "
                "for 'in', 'notin' operators, values set can't be empty"
            ),
        ),
        ("a==(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            (
                'unable to parse requirement: values[0]: Invalid value: "x": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            ),
        ),
        (
            "a=-",
            (
                'unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be an empty string '
                "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ),
        ),
        (
            "-=a",
            (
                'unable to parse requirement: <nil>: Invalid value: "-": name part must consist of alphanumeric '
                "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  "
                "or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ),
        ),
    ],
)
def test_labels_refused(selector: str, problem: str) -> None:
    with pytest.raises(SelectorError) as refused:
        parse_labels(selector)
    assert str(refused.value) == problem


@given(st.text(st.sampled_from("ab=!(),<> \t\0in-ä"), max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_labels, parse_fields):
        with contextlib.suppress(SelectorError):
            assert isinstance(parse(text), tuple)


NAMES = st.sampled_from(["a", "b.c/d", "in", "x-1"])
TERMS = st.one_of(
    st.tuples(NAMES, st.sampled_from(["=", "==", "!="]), st.sampled_from(["", "v", "1", "in"])),
    st.tuples(NAMES, st.sampled_from(["in", "notin"]), st.sampled_from(["v", "1", "in"])),
)


@given(st.lists(TERMS, max_size=3))
def test_what_is_written_is_what_is_read(terms: list[tuple[str, str, str]]) -> None:
    written = [
        f"{key} {operator} ({value})" if operator in ("in", "notin") else f"{key}{operator}{value}"
        for key, operator, value in terms
    ]
    assert [(one.key, one.operator, *one.values) for one in parse_labels(",".join(written))] == terms


FIELDS = SelectableFields[ImageStream]({"spec.dockerImageRepository": lambda stream: stream.spec.dockerImageRepository})
STREAM = ImageStream(metadata=ObjectMeta(name="app", namespace="demo"))


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        (",", True),
        ("metadata.name=app", True),
        ("metadata.name==app", True),
        ("metadata.name!=app", False),
        ("metadata.name=app,metadata.namespace!=demo", False),
        ("metadata.namespace=demo,metadata.name=app,", True),
        ("spec.dockerImageRepository=", True),
        (r"metadata.name!=a\,b\=c\\d", True),
    ],
)
def test_fields(selector: str, matches: bool) -> None:
    terms = parse_fields(selector)
    FIELDS.check(terms)
    assert FIELDS.matches(terms, STREAM) is matches


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ("junk", "invalid selector: 'junk'; can't understand 'junk'"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        (r"metadata.name=a\b", r"invalid field selector: invalid escape sequence: \b"),
        ("metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"),
        ("spec.foo=a", '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ],
)
def test_fields_refused(selector: str, problem: str) -> None:
    with pytest.raises(SelectorError) as refused:
        FIELDS.check(parse_fields(selector))
    assert str(refused.value) == problem


def test_terms_are_in_the_order_of_their_texts() -> None:
    assert parse_fields(r"b!=2,a=\,") == (FieldTerm("a", ","), FieldTerm("b", "2", negated=True))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("symbol", ["(", "!", "==", ","])
def test_long_runs_of_symbols_take_no_longer_than_other_texts(symbol: str) -> None:
    with pytest.raises(SelectorError):
        parse_labels(f"a in {symbol * 100_000}")


def test_of_no_labels_only_their_absence_is_true() -> None:
    for key, operator in product(("a", "b"), ("", "=x", " in (x)", ">1")):
        assert not parse_labels(f"{key}{operator}")[0].matches({})
        assert parse_labels(f"!{key}")[0].matches({})
