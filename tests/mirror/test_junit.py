"""JUnit XML: suites, counts, and text that XML has no way to write."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.junit import Case, junit_xml, write_junit


def test_cases_of_a_suite_stand_together() -> None:
    cases = [Case("a", "1"), Case("b", "2", "lost", "line\nline"), Case("a", "3", "<&>")]
    root = ET.fromstring(junit_xml("all", cases))
    assert root.attrib == {"name": "all"}
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("a", "2", "1"),
        ("b", "1", "1"),
    ]
    failures = [
        (case.get("name"), failure.get("message"), failure.text) for case in root.iter("testcase") for failure in case
    ]
    assert failures == [("3", "<&>", None), ("2", "lost", "line\nline")]


@given(st.text(st.characters()))
def test_any_text_can_be_read_back_or_is_replaced(text: str) -> None:
    (case,) = ET.fromstring(junit_xml("all", [Case("suite", text, "problem", text)])).iter("testcase")
    name = case.get("name")
    assert name is not None
    assert len(name) == len(text)
    assert all(there in (given, "\ufffd", " ", "\n", "\t", "\r") for given, there in zip(text, name, strict=True))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent/report\.xml: No such file"):
        write_junit(tmp_path / "absent" / "report.xml", "all", [])
