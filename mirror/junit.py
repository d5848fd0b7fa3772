"""JUnit XML, the format in which build servers take the results of tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from mirror.errors import InputError

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2)."""


class Case(NamedTuple):
    """A test case; `problem` is empty where it passed, `details` are the lines below it."""

    suite: str
    name: str
    problem: str = ""
    details: str = ""


def junit_xml(name: str, cases: Iterable[Case]) -> bytes:
    """The report: cases in their order, those of a suite together."""
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    root = ET.Element("testsuites", name=_text(name))
    for title, members in suites.items():
        failures = sum(bool(case.problem) for case in members)
        suite = ET.SubElement(
            root, "testsuite", name=_text(title), tests=str(len(members)), failures=str(failures), errors="0"
        )
        for case in members:
            element = ET.SubElement(suite, "testcase", classname=_text(title), name=_text(case.name))
            if case.problem:
                failure = ET.SubElement(element, "failure", message=_text(case.problem))
                failure.text = _text(case.details)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def write_junit(path: Path, name: str, cases: Iterable[Case]) -> None:
    """Writes the report to a file.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        path.write_bytes(junit_xml(name, cases))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _text(text: str) -> str:
    """The text with a replacement character for what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
