"""YAML as the real server writes it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.kubejson import to_yaml, yaml_to_json

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029\ufeff") | st.sampled_from(" \n:#-'\"")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_reads_back(value: dict[str, object]) -> None:
    assert msgspec.json.decode(yaml_to_json(to_yaml(value).encode())) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("plain text", "plain text"),
        ("1001", '"1001"'),
        ("1.0", '"1.0"'),
        ("2026-11-23T07:26:10Z", '"2026-11-23T07:26:10Z"'),
        ("yes", '"yes"'),
        ("y", '"y"'),
        ("null", '"null"'),
        ("<<", '"<<"'),
        ("1:30", '"1:30"'),
        ("a: b", "'a: b'"),
        ("it's: b", "'it''s: b'"),
        ("a:b", "a:b"),
        ("a #b", "'a #b'"),
        ("a#b", "a#b"),
        ("- a", "'- a'"),
        ("-a", "-a"),
        ("*", "'*'"),
        ("@x", "'@x'"),
        (" x", "' x'"),
        ("x ", "'x '"),
        ("a\tb", '"a\\tb"'),
        ("\U0001f600", '"\\U0001F600"'),
        ("é", "é"),
        ("one\ntwo", "|-\n  one\n  two"),
        ("one\ntwo\n", "|\n  one\n  two"),
        ("one\n\n", "|+\n  one\n"),
        ("  one\ntwo", "|2-\n    one\n  two"),
        ("one \ntwo", '"one \\ntwo"'),
    ],
)
def test_strings(text: str, written: str) -> None:
    assert to_yaml({"k": text}) == f"k: {written}\n"


def test_long_lines_are_folded_behind_the_eightieth_column() -> None:
    words = " ".join(["word"] * 40)
    assert max(map(len, to_yaml({"k": words}).splitlines())) <= 85
    assert to_yaml({"k": words}).splitlines()[1].startswith("  word")
    assert "\n" not in to_yaml({"k": "x" * 300}).rstrip("\n")


def test_keys_are_in_natural_order() -> None:
    keys = ["a10", "a9", "a", "1", "01", "10", "Z", "_", "f:x", "f.x", "a1b", "a1"]
    written = [line.split(": 0")[0].strip('"') for line in to_yaml(dict.fromkeys(keys, 0)).splitlines()]
    assert written == ["_", "1", "01", "10", "Z", "a", "a1", "a1b", "a9", "a10", "f.x", "f:x"]


def test_sequences_stand_under_their_key_and_long_keys_apart() -> None:
    key = "k" * 130
    assert to_yaml({"a": [[1, 2], {"x": [3]}, []], "b": {}}) == "a:\n- - 1\n  - 2\n- x:\n  - 3\n- []\nb: {}\n"
    assert to_yaml({key: {"a": [1]}}) == f"? {key}\n: a:\n  - 1\n"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (1e6, "1e+06"),
        (123456789.5, "1.234567895e+08"),
        (1.25e-7, "1.25e-07"),
        (0.0001, "0.0001"),
        (100000.0, "100000"),
        (-0.5, "-0.5"),
    ],
)
def test_floats(number: float, written: str) -> None:
    assert to_yaml({"k": number}) == f"k: {written}\n"


def test_deep_nesting_is_refused() -> None:
    value: object = 1
    for _ in range(300):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        to_yaml(value)
