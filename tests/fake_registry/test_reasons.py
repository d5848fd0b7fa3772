from __future__ import annotations

from http import HTTPStatus

import pytest

from fake_registry.core.reasons import reason_phrase

# Where Go and Python differ.
GO = {
    203: "Non-Authoritative Information",
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Entity",
}


@pytest.mark.parametrize("status", list(HTTPStatus))
def test_known(status: HTTPStatus) -> None:
    assert reason_phrase(status) == GO.get(status, status.phrase)


@pytest.mark.parametrize("status", [299, 306, 419, 499, 599, 999])
def test_unknown(status: int) -> None:
    assert reason_phrase(status) == f"status code {status}"
