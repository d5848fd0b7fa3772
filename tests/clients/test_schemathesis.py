"""schemathesis asks the API what its own description allows, and what it does not: nothing brings it out of step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support.described import ask

from mirror import ImageApi

pytestmark = [pytest.mark.clients]

EXAMPLES = 4
GROUPS = (
    "api/v1",
    "apis/image.openshift.io/v1",
    "apis/config.openshift.io/v1",
    "apis/operator.openshift.io/v1alpha1",
    "apis/project.openshift.io/v1",
    "apis/authorization.k8s.io/v1",
    "apis/authentication.k8s.io/v1",
    "apis/user.openshift.io/v1",
)
INTERNAL = "the request could not be handled"


@pytest.fixture
def api() -> Iterator[ImageApi]:
    with ImageApi(http=True, controllers=False) as api:
        api.registry.push_image("quay.io/app/web:latest")
        api.import_image("quay.io/app/web:latest", "default/web")
        yield api


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.filterwarnings("ignore")
def test_what_its_description_allows(api: ImageApi, group: str, caplog: pytest.LogCaptureFixture) -> None:
    schemathesis: Any = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi/v3/{group}")
    count = 0
    with caplog.at_level(logging.ERROR):
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in schemathesis.GenerationMode:
                count += ask_some(api, operation, mode)
            broken = [record.getMessage() for record in caplog.records]
            assert not broken, f"{operation.label}: {broken}"
    assert count > EXAMPLES


def ask_some(api: ImageApi, operation: Any, mode: Any) -> int:
    """Sends some requests of one operation; how many there were."""
    count = 0

    def send(case: Any) -> None:
        nonlocal count
        case.query = {**(case.query or {}), "timeoutSeconds": "1", "watch": "false"}
        answer = case.call(base_url=api.url, timeout=30)
        count += 1
        assert 200 <= answer.status_code < 600
        assert INTERNAL not in answer.text, f"{operation.label}: {case.as_curl_command()}"
        if answer.status_code >= 400 and answer.headers.get("Content-Type") == "application/json":
            document = answer.json()
            assert (document["kind"], document["code"]) == ("Status", answer.status_code)

    ask(operation, mode, EXAMPLES, send)
    return count
