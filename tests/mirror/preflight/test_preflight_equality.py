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
from support.drawn_scenarios import Place, draw_hosts, draw_scenario, draw_stream, places

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
from mirror.preflight.causes import Cause
from mirror.preflight.content import Content
from mirror.preflight.policy import Policy
from mirror.preflight.report import TagResult
from mirror.preflight.running import Question, answer
from mirror.scenario import START, Scenario, request_of
from mirror.session import order_matters
from mirror.streams import Found, FoundImport, read_objects

SEED = int(os.environ.get("ISMIRROR_SEED", "20260101"))
CHUNKS, SCENARIOS = 25, 12
STREAM_CHUNKS, STREAM_SCENARIOS = 8, 6

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


# Image streams, and not only imports


def import_into(stream: dict[str, Any]) -> dict[str, Any]:
    """What the cluster's controller sends for a new stream."""
    spec: dict[str, Any] = {"import": True}
    annotations = stream["metadata"].get("annotations", {})
    if "dockerImageRepository" in stream["spec"]:
        insecure = annotations.get("openshift.io/image.insecureRepository") == "true"
        source = {"kind": "DockerImage", "name": stream["spec"]["dockerImageRepository"]}
        spec["repository"] = {"from": source, "importPolicy": {"insecure": insecure}}
    spec["images"] = [
        {"from": tag["from"], "to": {"name": tag["name"]}}
        | {key: tag[key] for key in ("importPolicy", "referencePolicy") if key in tag}
        for tag in sorted(stream["spec"]["tags"], key=lambda tag: tag["name"])
        if tag["from"]["kind"] == "DockerImage" and not tag.get("reference")
    ]
    metadata = {"name": stream["metadata"]["name"], "namespace": "demo"}
    return {"kind": "ImageStreamImport", "apiVersion": "image.openshift.io/v1", "metadata": metadata, "spec": spec}


async def answered(api: ApiCore, resource: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    path = f"/apis/image.openshift.io/v1/namespaces/demo/{resource}"
    body = json.dumps(document).encode()
    response = await api.handle(ApiRequest("POST", path, "", {"content-type": "application/json"}, body))
    return response.status, json.loads(response.body)


async def imported(
    core: RegistryCore, hosts: Hosts, cluster: ClusterConfig, stream: dict[str, Any]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Verdict and Status of each tag that names an image, by stream and tag: the stream is made, and imported into.

    A stream that is refused has no import; what would refuse that, too, is what keeps its tags out. References are
    not imported.
    """
    isi = import_into(stream)
    name = stream["metadata"]["name"]
    followed = [one["to"]["name"] for one in isi["spec"]["images"]]
    api = ApiCore(Cluster(cluster, EmbeddedTransport(core, hosts), ManualClock(START), NamedUids()))
    made, refusal = await answered(api, "imagestreams", stream)
    references = [tag["name"] for tag in stream["spec"]["tags"] if tag.get("reference")]
    kept = ("fails", status_text(refusal)) if made >= 400 else ("imports", "null")
    wanted = {(name, tag): kept for tag in references}
    if not followed and "repository" not in isi["spec"]:
        return wanted
    status, document = await answered(api, "imagestreamimports", isi)
    if made >= 400 and status < 400:
        status, document = made, refusal
    if status >= 400:
        where = [*followed, *([""] if "repository" in isi["spec"] else [])]
        return wanted | {(name, tag): ("fails", status_text(document)) for tag in where}
    (one,) = [one for one in read_objects(json.dumps(isi).encode(), "drawn", "demo") if isinstance(one, FoundImport)]
    return wanted | {(name, tag): (verdict, text) for _, _, tag, _, verdict, text in expected(one, status, document)}


async def judged(
    core: RegistryCore, hosts: Hosts, cluster: ClusterConfig, streams: list[dict[str, Any]]
) -> list[TagResult]:
    """What preflight says of the tags."""
    listed = json.dumps({"kind": "List", "apiVersion": "v1", "items": streams}).encode()
    content = Content(EmbeddedTransport(core, hosts), order_matters(hosts))
    question = Question(
        list(read_objects(listed, "drawn", "demo")),
        Policy(Config(cluster=cluster, hosts=hosts)),
        content,
        ManualClock(START),
    )
    return (await answer(question)).tags


@pytest.mark.parametrize("chunk", range(STREAM_CHUNKS))
async def test_streams_are_judged_as_the_api_answers(chunk: int, existing: list[Place]) -> None:
    rng = random.Random(f"{SEED}/streams/{chunk}")
    hosts = draw_hosts(rng)
    for _ in range(STREAM_SCENARIOS):
        cluster = draw_scenario(rng, hosts, existing).cluster
        streams = [draw_stream(rng, f"s{number}", existing) for number in range(rng.randint(1, 4))]
        core = new_core(hosts)
        wanted: dict[tuple[str, str], tuple[str, str]] = {}
        for stream in streams:
            wanted |= await imported(core, hosts, cluster, stream)
        tags = await judged(new_core(hosts), hosts, cluster, streams)
        own = [one for one in tags if one.kind == "DockerImage"]
        found = {(one.stream, one.tag): (one.verdict, status_text(msgspec.to_builtins(one.status))) for one in own}
        assert found == wanted
        assert all(one.imports or (one.cause and one.explanation and one.remedy) for one in tags)
        for one in tags:
            if one.kind == "ImageStreamTag" and one.follows is not None and one.cause is not Cause.ALIAS_UNKNOWN:
                end = tuple(one.follows.partition("/")[2].split(":", 1))
                assert one.cause is Cause.ALIAS_LOOP or end not in wanted or one.verdict == wanted[end][0]
