"""The short way through the body of an error says what Go's rules say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.importer import responses
from mirror.importer.failures import ClientFailure, CodeFailure, CodesFailure, UnparsedFailure
from mirror.importer.responses import answer_failure
from mirror.importer.transport import Answer

CODES = ["MANIFEST_UNKNOWN", "DENIED", "TOOMANYREQUESTS", "UNKNOWN", "manifest_unknown", "NOT_A_CODE", ""]
TEXTS = st.sampled_from(["manifest unknown", "requested access to the resource is denied", "", "é", "\ud800", "a\nb"])
SMALL = st.none() | st.booleans() | st.integers(0, 2) | TEXTS
ENTRY = st.none() | st.dictionaries(
    st.sampled_from(["code", "message", "detail", "Code", "extra"]),
    st.sampled_from(CODES) | SMALL | st.dictionaries(st.sampled_from(["Tag", "a"]), SMALL, max_size=2),
    max_size=4,
)
DOCUMENT = st.dictionaries(
    st.sampled_from(["errors", "Errors", "details", "other"]), SMALL | st.lists(ENTRY, max_size=3), max_size=2
)
TWICE = [
    b'{"errors": [{"code": "DENIED", "code": "UNKNOWN", "message": "a", "message": "b"}]}',
    b'{"errors": [{"code": "DENIED", "detail": {}, "detail": null}]}',
    b'{"errors": [{"code": "DENIED", "detail": {"a": 1e999}}]}',
    b'{"errors": [{"code": "DENIED"}], "errors": [{"message": "b"}]}',
    b'{"errors": [{"code": "DENIED"}], "\\u0065rrors": [{"message": "b"}]}',
    b'{"errors": [{"code": "DENIED"}]} trailing',
    b'{"errors": [{"code": "DENIED", "message": "\\ud800"}]}',
    b'{"errors": [{"code": "DENIED", "message": "\xff"}]}',
    b'{"errors": []}',
    b'{"errors": [',
]


def seen(failure: ClientFailure) -> object:
    """All that others make something of."""
    match failure:
        case CodesFailure():
            return str(failure), [seen(one) for one in failure.failures]
        case CodeFailure():
            return "code", failure.code, str(failure)
        case UnparsedFailure():
            return "unparsed", failure.status, str(failure)
        case _:
            return type(failure), str(failure)


def both_ways(body: bytes) -> tuple[object, object]:
    answer = Answer(404, "404 Not Found", [], body)
    with pytest.MonkeyPatch.context() as patch:
        short = seen(answer_failure(answer))
        patch.setattr(responses, "_regular_errors", lambda _: [])
        return short, seen(answer_failure(answer))


@settings(deadline=None)
@given(DOCUMENT)
def test_nearly_regular_bodies(document: object) -> None:
    short, odd = both_ways(json.dumps(document).encode())
    assert short == odd


@pytest.mark.parametrize("body", TWICE)
def test_odd_bodies(body: bytes) -> None:
    short, odd = both_ways(body)
    assert short == odd


def test_what_registries_answer_goes_the_short_way() -> None:
    body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}'
    assert [failure.code for failure in responses._regular_errors(body)] == ["MANIFEST_UNKNOWN"]
