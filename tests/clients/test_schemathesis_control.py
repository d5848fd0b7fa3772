"""schemathesis asks the control plane what its own description allows, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import TREE
from support.described import ask
from support.running import Running, serving

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

EXAMPLES = 15


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    options = ("--data", str(TREE), "--read-only", "--tls-dir", str(tmp_path / "tls"), "--control", "127.0.0.1:0")
    with serving(*options, last="control plane") as running:
        yield running


@pytest.mark.filterwarnings("ignore")
def test_what_its_description_allows(running: Running) -> None:
    schemathesis: Any = pytest.importorskip("schemathesis")
    base = f"http://127.0.0.1:{running.ports['control plane']}"
    schema = schemathesis.openapi.from_url(f"{base}/_ismirror/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            ask_some(base, operation, mode)
    assert running.end().count("error") == 0


def ask_some(base: str, operation: Any, mode: Any) -> None:
    """Sends some requests of one operation. What comes is what the description says, or a refusal that says why."""

    def send(case: Any) -> None:
        answer = case.call(base_url=base, timeout=30)
        what = f"{operation.label}: {answer.status_code}: {case.as_curl_command()}"
        assert answer.status_code < 500, what
        if answer.status_code >= 400 and answer.content and case.method != "HEAD":
            assert isinstance(answer.json()["error"], str), what
        elif answer.status_code < 300:
            operation.validate_response(answer)

    ask(operation, mode, EXAMPLES, send)
