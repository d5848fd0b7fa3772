"""Answers as bytes: compression, warnings, what is indented."""

from __future__ import annotations

import gzip

import pytest
from support.api import request

from mirror.api.failures import server_timeout
from mirror.api.negotiation import Representation
from mirror.api.writing import COMPRESSED_FROM, failure_response, object_response, raw_json, warning_headers

JSON = Representation("application/json")


@pytest.mark.parametrize(
    ("warnings", "headers"),
    [
        ([], []),
        (['unknown field "a"'], ['299 - "unknown field \\"a\\""']),
        (["a\\b"], ['299 - "a\\\\b"']),
        (["twice", "twice", "once"], ['299 - "twice"', '299 - "once"']),
        (["line\nbreak", "", "fine"], ['299 - "fine"']),
        (["x" * 4096], [f'299 - "{"x" * 4096}"']),
        (["x" * 4096, "y"], [f'299 - "{"x" * 256}"', '299 - "y"']),
    ],
)
def test_warnings(warnings: list[str], headers: list[str]) -> None:
    assert warning_headers(warnings) == [("Warning", header) for header in headers]


def test_there_is_an_end_to_warnings() -> None:
    assert len(warning_headers([f"{number}{'x' * 300}" for number in range(100)])) == 16


def test_large_answers_are_compressed_for_those_who_accept_it() -> None:
    value = {"text": "x" * COMPRESSED_FROM}
    accepting = request("GET", "/", accept_encoding="deflate, gzip")
    plain = object_response(request("GET", "/"), value, JSON)
    packed = object_response(accepting, value, JSON)
    small = object_response(accepting, {"text": "x"}, JSON)
    assert plain.header_lines("content-encoding") == small.header_lines("content-encoding") == []
    assert packed.header_lines("content-encoding") == ["gzip"]
    assert packed.header_lines("vary") == ["Accept-Encoding"]
    assert gzip.decompress(packed.body) == plain.body


def test_forms() -> None:
    asked = request("GET", "/")
    value = {"a": ["<&>", {}], "b": []}
    assert object_response(asked, value, JSON).body == b'{"a":["\\u003c\\u0026\\u003e",{}],"b":[]}\n'
    pretty = b'{\n  "a": [\n    "\\u003c\\u0026\\u003e",\n    {}\n  ],\n  "b": []\n}'
    assert object_response(asked, value, Representation("application/json", pretty=True)).body == pretty
    assert raw_json(value).body == pretty
    assert object_response(asked, value, Representation("application/yaml")).body == b"a:\n- <&>\n- {}\nb: []\n"


def test_refusals_that_say_when_to_come_back() -> None:
    response = failure_response(request("GET", "/"), server_timeout("imagestreams", "create", 2))
    assert response.header_lines("retry-after") == ["2"]
