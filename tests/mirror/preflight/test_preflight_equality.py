"""What preflight says of a tag is what the API answers to the import of its stream, each on a cluster of its own.

The clusters, registries and imports are drawn at random, as in ``tests/mirror/test_random_specs.py``.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from support.command import TREE
from support.drawn_scenarios import Place, draw_hosts, draw_scenario, places

from fake_registry.config import Hosts
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiRequest
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig, Config
from mirror.errors import InputError
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.preflight.content import Content
from mirror.preflight.policy import Policy
from mirror.preflight.running import Question, answer
from mirror.scenario import START, Scenario, request_of
from mirror.session import order_matters
from mirror.streams import Found, FoundImport, read_objects

SEED = int(os.environ.get("ISMIRROR_SEED", "20260101"))
CHUNKS, SCENARIOS = 25, 12

Verdict = tuple[str, str, str, str, str, str]
"""Namespace, stream, tag, source, verdict, the Status as JSON."""


@pytest.fixture(scope="module")
def existing() -> list[Place]:
    return places(Tree.open(TREE))


def imports_of(scenario: Scenario) -> list[FoundImport]:
    """The imports of a scenario that are objects with a name."""
    found: list[Found] = []
    for step in scenario.steps:
        request = request_of(step)
        if request.method != "POST" or not request.path.endswith("/imagestreamimports"):
            continue
        namespace = request.path.split("/")[-2]
        if "%" in namespace:
            continue
        try:
            read = list(read_objects(request.body, "step", namespace))
        except InputError:
            continue
        found += [one for one in read if isinstance(one, FoundImport) and one.isi.metadata.namespace == namespace]
    return [one for one in found if isinstance(one, FoundImport) and not one.isi.metadata.generateName]


def new_core(hosts: Hosts) -> RegistryCore:
    return RegistryCore(Tree.open(TREE), hosts, clock=START.timestamp)


def status_text(status: Any) -> str:
    return json.dumps(status, sort_keys=True)


def expected(one: FoundImport, status: int, document: dict[str, Any]) -> Iterator[Verdict]:
    """What an answer of the API says of each tag."""
    meta = one.isi.metadata
    if status >= 400:
        for image in one.isi.spec.images or ():
            yield meta.namespace, meta.name, "*", image.from_.name, "fails", status_text(document)
        if one.isi.spec.repository is not None:
            yield meta.namespace, meta.name, "*", one.isi.spec.repository.from_.name, "fails", status_text(document)
        return
    taken = set()
    for spec, result in zip(document["spec"].get("images", []), document["status"].get("images", []), strict=True):
        tag = spec.get("to", {}).get("name", "")
        taken.add(tag)
        yield verdict_of(meta.namespace, meta.name, tag, spec["from"].get("name", ""), result)
    repository = document["status"].get("repository")
    if repository is None:
        return
    name = document["spec"]["repository"]["from"]["name"]
    images, additional = repository.get("images", []), repository.get("additionalTags", [])
    if not images and not additional and repository["status"].get("status") != "Success":
        yield meta.namespace, meta.name, "", name, "fails", status_text(repository["status"])
    for result in images:
        if result["tag"] not in taken:
            yield verdict_of(meta.namespace, meta.name, result["tag"], f"{name}:{result['tag']}", result)
    for tag in additional:
        if tag not in taken:
            yield meta.namespace, meta.name, tag, f"{name}:{tag}", "fails", "null"


def verdict_of(namespace: str, stream: str, tag: str, source: str, result: dict[str, Any]) -> Verdict:
    status = result["status"]
    imported = status.get("status") == "Success" and "image" in result
    if status.get("status") == "Success" and not imported:
        status = {"metadata": {}, "status": "Failure", "message": "unknown error prevented import"}
    return namespace, stream, tag, source, "imports" if imported else "fails", status_text(status)


async def posted(
    core: RegistryCore, hosts: Hosts, cluster: ClusterConfig, found: list[FoundImport]
) -> Counter[Verdict]:
    """The answers of the API to each import."""
    verdicts: Counter[Verdict] = Counter()
    transport = EmbeddedTransport(core, hosts)
    for one in found:
        api = ApiCore(Cluster(cluster, transport, ManualClock(START), NamedUids()))
        namespace = one.isi.metadata.namespace
        path = f"/apis/image.openshift.io/v1/namespaces/{namespace}/imagestreamimports"
        response = await api.handle(ApiRequest("POST", path, "", {"content-type": "application/json"}, one.body))
        verdicts.update(expected(one, response.status, json.loads(response.body)))
    return verdicts


async def checked(
    core: RegistryCore, hosts: Hosts, cluster: ClusterConfig, found: list[FoundImport]
) -> tuple[Counter[Verdict], list[Any]]:
    """The report's verdicts."""
    content = Content(EmbeddedTransport(core, hosts), order_matters(hosts))
    policy = Policy(Config(cluster=cluster, hosts=hosts))
    report = await answer(Question(found, policy, content, ManualClock(START), architectures=["arm64"]))
    verdicts: Counter[Verdict] = Counter()
    for one in report.tags:
        status = status_text(msgspec.to_builtins(one.status))
        refused = one.status is not None and one.status.kind == "Status"
        verdicts[one.namespace, one.stream, "*" if refused else one.tag, one.from_, one.verdict, status] += 1
        assert one.imports or (one.cause is not None and one.explanation and one.remedy)
    return verdicts, report.tags


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_verdicts_are_those_of_the_api(chunk: int, existing: list[Place]) -> None:
    rng = random.Random(f"{SEED}/preflight/{chunk}")
    hosts = draw_hosts(rng)
    for _ in range(SCENARIOS):
        scenario = draw_scenario(rng, hosts, existing)
        found = imports_of(scenario)
        wanted = await posted(new_core(hosts), hosts, scenario.cluster, found)
        verdicts, _ = await checked(new_core(hosts), hosts, scenario.cluster, found)
        assert verdicts == wanted


async def test_enough_of_everything_is_drawn(existing: list[Place]) -> None:
    seen: Counter[str] = Counter()
    for chunk in range(CHUNKS // 2):
        rng = random.Random(f"{SEED}/preflight/{chunk}")
        hosts = draw_hosts(rng)
        for _ in range(SCENARIOS):
            scenario = draw_scenario(rng, hosts, existing)
            _, tags = await checked(new_core(hosts), hosts, scenario.cluster, imports_of(scenario))
            seen.update(one.verdict for one in tags)
            seen.update(str(one.cause) for one in tags)
    assert seen["imports"] >= 50
    assert seen["fails"] >= 200
    assert len(seen) > 20
