"""Scenario files: which registries exist, what policy the cluster has, what is asked and what must be answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from fake_registry.config import Hosts
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import JSON, ApiRequest, ApiResponse
from mirror.api.timing import InstantTiming
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig, checked_hosts, decode_document, read_file
from mirror.session import TransportKind, open_transport
from mirror.store import Store

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the clock of a scenario stands unless the user says otherwise: every run gives the same bytes."""


API_ADDRESS: Final = "192.0.2.1:6443"
"""Under which steps reach the API server, where an answer shows it: nothing listens there."""


class Expect(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a step must be answered."""

    status: int
    body: Annotated[
        Any,
        Meta(
            description="Compared as JSON; one that is not JSON is written {'<text>': '…'}. In strings <time>, <uid>, "
            "<rv>, <addr> and <continue> stand for what differs from run to run."
        ),
    ] = None
    contentType: Annotated[str | None, Meta(description="Without parameters; absent: application/json.")] = None
    warnings: Annotated[list[str] | None, Meta(description="The Warning headers; absent: any.")] = None


class Step(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request to the API server."""

    method: str = "GET"
    path: str
    headers: dict[str, str] = {}
    body: Annotated[Any, Meta(description="Sent as JSON.")] = msgspec.UNSET
    raw: Annotated[str | msgspec.UnsetType, Meta(description="Sent as it is, in place of body.")] = msgspec.UNSET
    expect: Expect | None = None


class Scenario(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole file."""

    description: str = ""
    cluster: ClusterConfig = ClusterConfig()
    hosts: Annotated[Hosts, Meta(description="The registries; to the importer an unlisted host does not exist.")] = {}
    steps: list[Step]
    requests: Annotated[list[Any], Meta(description="Informative: what a real importer asked of the registries.")] = []


class StepResult(msgspec.Struct, frozen=True):
    """The answer to one step; a body that is not JSON is ``{"<text>": …}``."""

    status: int
    body: Any
    warnings: list[str]
    contentType: str


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file.

    Raises:
        InputError: it cannot be read, or something in it is not as it should be; names file and field.
    """
    content = read_file(path)
    scenario = decode_document(content, Scenario, str(path))
    return msgspec.structs.replace(scenario, hosts=checked_hosts(scenario.hosts, path, content))


async def play(
    scenario: Scenario,
    tree: Tree,
    kind: TransportKind = "embedded",
    start: datetime = START,
    concurrency: int = 8,
    store: Store | None = None,
) -> list[StepResult]:
    """Plays all steps in order, on an empty API server.

    `kind` says what lies between importer and registries: nothing, or real sockets and TLS; `store` is where the server
    keeps its objects, in memory unless it is given. A watch ends as soon as it would have to wait: nothing else happens
    meanwhile.
    """
    clock = ManualClock(start)
    core = RegistryCore(tree, scenario.hosts, clock=lambda: clock.now().timestamp())
    async with open_transport(core, scenario.hosts, kind, concurrency=concurrency) as transport:
        api = ApiCore(Cluster(scenario.cluster, transport, clock, NamedUids(), store, timing=InstantTiming()))
        return [await _result(await api.handle(request_of(step))) for step in scenario.steps]


def request_of(step: Step) -> ApiRequest:
    """The request of a step, JSON in and out unless its headers say otherwise."""
    headers = {"content-type": JSON, "accept": JSON}
    headers |= {name.lower(): value for name, value in step.headers.items()}
    path, _, query = step.path.partition("?")
    if isinstance(step.raw, str):
        body = step.raw.encode()
    else:
        body = b"" if step.body is msgspec.UNSET else msgspec.json.encode(step.body)
    return ApiRequest(step.method, path, query, headers, body, address=API_ADDRESS)


async def _result(response: ApiResponse) -> StepResult:
    if response.stream is not None:
        response.body = b"".join([piece async for piece in response.stream])
    content_type = ";".join(response.header_lines("content-type")).partition(";")[0].strip()
    try:
        body = json.loads(response.body)
    except ValueError:
        body = {"<text>": response.body.decode("utf-8", "replace")}
    return StepResult(response.status, body, response.header_lines("warning"), content_type)


# Comparing

_PLACEHOLDERS: Final[Mapping[str, str]] = {
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
    "<uid>": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "<rv>": r"\d+",
    "<addr>": r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):\d+",
    "<continue>": r"[A-Za-z0-9_=-]+",
}
_PLACEHOLDER: Final = re.compile("|".join(_PLACEHOLDERS))
_IGNORED: Final = "managedFields"


def differences(expected: Expect, actual: StepResult) -> list[str]:
    """What is not as it must be, a line each: where, what was expected, what there was."""
    found = []
    if actual.status != expected.status:
        found.append(f"status: expected {expected.status}, got {actual.status}")
    content_type = expected.contentType or JSON
    if actual.contentType != content_type:
        found.append(f"contentType: expected {content_type}, got {actual.contentType}")
    if expected.warnings is not None and actual.warnings != expected.warnings:
        found.append(f"warnings: expected {expected.warnings}, got {actual.warnings}")
    _compare("body", expected.body, actual.body, found)
    return found


def _compare(where: str, expected: Any, actual: Any, found: list[str]) -> None:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            if key == _IGNORED:
                continue
            if key not in actual:
                found.append(f"{where}.{key}: expected {_shown(expected[key])}, got nothing")
            elif key not in expected:
                found.append(f"{where}.{key}: expected nothing, got {_shown(actual[key])}")
            else:
                _compare(f"{where}.{key}", expected[key], actual[key], found)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            found.append(f"{where}: expected {len(expected)} elements, got {len(actual)}")
        for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
            _compare(f"{where}[{index}]", one, other, found)
    elif type(expected) is not type(actual) or not _equal(expected, actual):
        found.append(f"{where}: expected {_shown(expected)}, got {_shown(actual)}")


def _equal(expected: Any, actual: Any) -> bool:
    if not isinstance(expected, str) or not _PLACEHOLDER.search(expected):
        return bool(expected == actual)
    pattern, end = "", 0
    for match in _PLACEHOLDER.finditer(expected):
        pattern += re.escape(expected[end : match.start()]) + f"(?:{_PLACEHOLDERS[match[0]]})"
        end = match.end()
    return re.fullmatch(pattern + re.escape(expected[end:]), actual, re.DOTALL) is not None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}…"


# Recording


def recorded(results: list[StepResult]) -> list[Expect]:
    """The answers as what is expected, a step each; what differs from run to run becomes a placeholder."""
    return [
        Expect(
            status=result.status,
            body=_generalised(result.body, ""),
            contentType=None if result.contentType == JSON else result.contentType,
            warnings=result.warnings or None,
        )
        for result in results
    ]


_VOLATILE: Final[Mapping[str, str]] = {"uid": "<uid>", "resourceVersion": "<rv>", "continue": "<continue>"}
_TIMES: Final = frozenset(
    {"creationTimestamp", "created", "lastTransitionTime", "openshift.io/image.dockerRepositoryCheck"}
)


def _generalised(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _generalised(item, name) for name, item in value.items() if name != _IGNORED}
    if isinstance(value, list):
        return [_generalised(item, "") for item in value]
    if not isinstance(value, str):
        return value
    if key in _VOLATILE and value:
        return _VOLATILE[key]
    if key in _TIMES and re.fullmatch(_PLACEHOLDERS["<time>"], value):
        return "<time>"
    return re.sub(r'(the image stream was updated from )"\d+" to "\d+"', r'\1"<rv>" to "<rv>"', value)
