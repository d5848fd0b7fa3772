"""Imports in short: what is asked, what the registries do, what is said of it in the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.clock import ManualClock, NamedUids
from mirror.scenario import START, Scenario, request_of
from mirror.session import TransportKind, open_transport
from mirror.store import Store
from support.command import TREE

NAMESPACE = "/apis/image.openshift.io/v1/namespaces/demo"

HOSTS: dict[str, dict[str, Any]] = {
    "quay.io": {"scheme": "https"},
    "docker.io": {"scheme": "https"},
    "mirror.example.com": {"scheme": "https"},
    "mirror2.example.com:5000": {"scheme": "https"},
    "plain.example.com:5000": {"scheme": "http"},
    "selfsigned.example.com": {"scheme": "selfsigned"},
    "down.example.com": {"scheme": "down"},
    "private.example.com": {"scheme": "https", "auth": {"type": "bearer", "username": "me", "password": "pass"}},
    "basic.example.com": {"scheme": "https", "auth": {"type": "basic", "username": "me", "password": "pass"}},
}
WEB = "quay.io/app/web"
MULTI = "quay.io/app/multi"
FEW = "quay.io/app/few"
WEB_DIGEST = "sha256:13fe8e49affee51672845f74a301694b65cedb694eee56f78b96c1fce6a2face"
MULTI_DIGEST = "sha256:ac5554f8fe6cd7aa03505de107dca54b3dc137333a4f80b9f4b3744321fdff6b"
WEB_CONFIG = "sha256:8a4f26ab1db4ee15091b852607c9315cd5900910c102d6e88c6adc17e3a0c102"
WEB_OK = f"latest Success {WEB}@13fe8e49"
AMD64 = "sha256:c566777852ee56d56f1c3f820256496f2f965ac3d128a98b4cfc64873fbe70ae"
NOWHERE = f"sha256:{'0' * 64}"
PLAIN = "plain.example.com:5000/app"
SELF = "selfsigned.example.com/app"
REFUSED = "dial tcp 192.0.2.10:443: connect: connection refused"
CLEAR = 'Get "https://plain.example.com:5000/v2/": http: server gave HTTP response to HTTPS client'


def internal(text: str) -> str:
    return f"InternalError: Internal error occurred: {text}"


def gone(reference: str) -> str:
    return f'NotFound: dockerimage.image.openshift.io "{reference}" not found'


def image(name: str, to: str | None = None, **policy: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"from": {"kind": "DockerImage", "name": name}, "importPolicy": policy}
    return part if to is None else {**part, "to": {"name": to}}


def imports(*images: Any, repository: Any = None, name: str = "app", store: bool = False) -> dict[str, Any]:
    """The step that imports images (references, or what `image` makes) and a repository."""
    spec: dict[str, Any] = {"import": store}
    if images:
        spec["images"] = [image(one) if isinstance(one, str) else one for one in images]
    if repository is not None:
        spec["repository"] = image(repository) if isinstance(repository, str) else repository
    body = {"metadata": {"name": name}, "spec": spec}
    return {"method": "POST", "path": f"{NAMESPACE}/imagestreamimports", "body": body}


def tag(name: str, kind: str, source: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "from": {"kind": kind, "name": source}, **more}


def stream(*tags: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body = {"metadata": {"name": "app"}, "spec": {"tags": list(tags), **spec}}
    return {"method": "POST", "path": f"{NAMESPACE}/imagestreams", "body": body}


def patched(*tags: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    path = f"{NAMESPACE}/imagestreams/app"
    return {"method": "PATCH", "path": path, "headers": headers, "body": {"spec": {"tags": list(tags)}}}


def route(path: str, status: int, body: str = "", *, times: int = -1, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"path": path, "method": "*", "status": status, "body": body, "headers": named, "times": times}


def routed(host: str, *routes: dict[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
    return {host: {**HOSTS.get(host, {"scheme": "https"}), "routes": list(routes), **more}}


def mirrored(source: str, *mirrors: str, tags: bool = False) -> dict[str, Any]:
    kind, part = ("ImageTagMirrorSet", "imageTagMirrors") if tags else ("ImageDigestMirrorSet", "imageDigestMirrors")
    one = {"kind": kind, "metadata": {"name": "x"}, "spec": {part: [{"source": source, "mirrors": list(mirrors)}]}}
    return {"itms" if tags else "idms": [one]}


def secret(auths: dict[str, tuple[str, str]], name: str = "pull") -> dict[str, Any]:
    document = {"auths": {host: {"username": user, "password": word} for host, (user, word) in auths.items()}}
    return {
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(document)},
    }


# What is said, in short


def _status(status: dict[str, Any]) -> str:
    return status.get("status", "nothing") if "message" not in status else f"{status['reason']}: {status['message']}"


def _image(result: dict[str, Any]) -> str:
    said = _status(result["status"])
    if "image" in result:
        repository, _, digest = result["image"]["dockerImageReference"].partition("@")
        said = f"{said} {repository}@{digest.removeprefix('sha256:')[:8]}"
    if "manifests" in result:
        said += f" +{len(result['manifests'])}"
    return f"{result.get('tag', '-')} {said}"


def _import(answer: dict[str, Any]) -> list[str]:
    if answer["kind"] == "Status":
        return [_status(answer)]
    status = answer["status"]
    said = [_image(result) for result in status.get("images", ())]
    if "repository" in status:
        repository = status["repository"]
        said.append(f"repository {_status(repository['status'])}")
        said += [f"  {_image(result)}" for result in repository.get("images", ())]
        if "additionalTags" in repository:
            said.append(f"  more {' '.join(repository['additionalTags'])}")
    return said


def _stream(answer: dict[str, Any]) -> list[str]:
    """Generation; of each tag the source and generation of its spec, the generations and images of its history, and
    why and in which generation its import failed."""
    meta = answer["metadata"]
    said = [f"generation {meta['generation']}"]
    spec = {tag["name"]: tag for tag in answer["spec"].get("tags", ())}
    history = {tag["tag"]: tag for tag in answer["status"].get("tags", ())}
    for name in sorted({*spec, *history}):
        parts = [name]
        if name in spec:
            tag = spec[name]
            flags = [key for key in ("insecure", "scheduled") if tag["importPolicy"].get(key)]
            policy = "/".join([*flags, tag["importPolicy"]["importMode"], tag["referencePolicy"]["type"]])
            parts.append(f"{tag.get('from', {}).get('name')} {tag['generation']} {policy}")
        if name in history:
            items = history[name]["items"] or ()
            parts.append(" ".join(f"{one['generation']}@{one['image'].removeprefix('sha256:')[:8]}" for one in items))
            parts += [f"{one['reason']} {one['generation']}" for one in history[name].get("conditions", ())]
        said.append(" | ".join(parts))
    return said


@dataclass(frozen=True)
class Case:
    """A scenario in short: what is said of each step, and what was asked of the registries (`asked`, if given)."""

    steps: Sequence[dict[str, Any]]
    said: Sequence[Sequence[str]]
    cluster: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: Sequence[str] | None = None
    stream: Sequence[str] | None = None


async def check(case: Case, kind: TransportKind = "embedded", store: Store | None = None) -> None:
    """Plays a scenario and compares; the objects are kept in memory unless there is a store."""
    steps = list(case.steps)
    if case.stream is not None:
        steps.append({"method": "GET", "path": f"{NAMESPACE}/imagestreams/app"})
    scenario = msgspec.convert({"cluster": case.cluster, "hosts": HOSTS | case.hosts, "steps": steps}, Scenario)
    clock = ManualClock(START)
    core = RegistryCore(Tree.open(TREE), scenario.hosts, clock=lambda: clock.now().timestamp())
    async with open_transport(core, scenario.hosts, kind, concurrency=1) as transport:
        api = ApiCore(Cluster(scenario.cluster, transport, clock, NamedUids(), store))
        answers = [json.loads((await api.handle(request_of(step))).body) for step in scenario.steps]
    kept = None if case.stream is None else _stream(answers.pop())
    said = [_stream(answer) if answer["kind"] == "ImageStream" else _import(answer) for answer in answers]
    assert said == [list(step) for step in case.said]
    assert kept == (None if case.stream is None else list(case.stream))
    if case.asked is not None:
        assert [f"{entry.method} {entry.target}" for entry in core.journal] == list(case.asked)
