"""The recorded single requests, replayed in their order: the answer, and what the registries are asked for it."""

from __future__ import annotations

import asyncio
import base64
import copy
import functools
import json
import re
from datetime import datetime
from typing import Any, Final

import msgspec
import pytest
from support.recordings import RecordedRegistries, Recording, sessions

from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.clock import ManualClock, RandomUids
from mirror.config import ClusterConfig
from mirror.importer.layers import LayerSizes
from mirror.scenario import Expect, StepResult, differences
from mirror.store import MemoryStore

# What cannot be replayed, and why. Everything else must be answered as it was.
NOT_REPLAYED: Final = {
    "api/47-version": "shows the version of the recorded server",
    "extra/12-history-last": "is the last of many imports, of which the others were not recorded",
    "extra/28-accept-protobuf": "is binary: not recorded as it was",
    "policy/03-whitelist-allowed-repo-unlisted": "lists errors in an order that was random",
    "slow/04-ratelimit-50": "imports images whose bytes were not recorded",
}

# Whose images were there already, from requests that were not recorded.
IMPORTED_BEFORE: Final = frozenset({"ping/ping500h-repo"})

# What differs from recording to recording. A stream has no other numbers in its answers.
VOLATILE: Final = {"uid": "<uid>", "resourceVersion": "<rv>"}


def login(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


GOOD, BAD = login("good:pass"), login("bad:pw")


def secret(name: str, data: Any, kind: str = "dockerconfigjson", **metadata: Any) -> dict[str, Any]:
    content = data if isinstance(data, str) else json.dumps(data if kind == "dockercfg" else {"auths": data})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "demo", **metadata},
        "type": f"kubernetes.io/{kind}",
        "stringData": {f".{kind}": content},
    }


def secrets_of(name: str) -> list[dict[str, Any]]:
    """The pull secrets of ``auth/HOST-REPOSITORY-WHICH``."""
    host = f"{name.partition('-')[0]}.example.com"
    which = name.split("-", 2)[2].removesuffix("-repo")
    excluded = {"openshift.io/image.excludeSecret": "true"}
    return {
        "none": [],
        "good": [secret("a", {host: GOOD})],
        "bad": [secret("a", {host: BAD})],
        "badthengood": [secret("a", {host: BAD}), secret("b", {host: GOOD})],
        "broken": [secret("a", "{not json")],
        "dockercfg": [secret("a", {host: GOOD}, "dockercfg")],
        "excluded": [secret("a", {host: GOOD}, annotations=excluded)],
        "https": [secret("a", {f"https://{host}": GOOD})],
        "more-specific-wins": [secret("a", {host: BAD, f"{host}/private/app": GOOD})],
        "nspath": [secret("a", {f"{host}/private": GOOD})],
        "other": [secret("a", {"other.example.com": GOOD})],
        "otherns": [secret("a", {host: GOOD}, namespace="other")],
        "port443": [secret("a", {f"{host}:443": GOOD})],
        "repopath": [secret("a", {f"{host}/private/app": GOOD})],
        "userpass": [secret("a", {host: {"username": "good", "password": "pass"}})],
        "v2path": [secret("a", {f"https://{host}/v2/": GOOD})],
        "wildcard": [secret("a", {"*.example.com": GOOD})],
    }[which]


def rules(kind: str, source: str, *mirrors: str, **more: str) -> list[dict[str, Any]]:
    field = {
        "ImageContentSourcePolicy": "repositoryDigestMirrors",
        "ImageDigestMirrorSet": "imageDigestMirrors",
        "ImageTagMirrorSet": "imageTagMirrors",
    }[kind]
    rule = {"source": source, "mirrors": list(mirrors), **more}
    return [{"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": "m"}, "spec": {field: [rule]}}]


def mirrors_of(name: str) -> dict[str, Any]:
    """The mirror rules and registry lists of ``mirrors/RULE-WHAT``, where what is imported is digest, tag or repo."""
    source, mirror, plain = "gone.example.net/team", "mirror.example.com/team", "registry.example.com:5000/team"
    digests = functools.partial(rules, "ImageDigestMirrorSet")
    tags = functools.partial(rules, "ImageTagMirrorSet")
    rule = "idms" if name == "idms-repo" else name.rpartition("-")[0]
    return {
        "none": {},
        "icsp": {"icsp": rules("ImageContentSourcePolicy", source, mirror)},
        "idms": {"idms": digests(source, mirror)},
        "itms": {"itms": tags(source, mirror)},
        "idms+itms": {"idms": digests(source, mirror), "itms": tags(source, mirror)},
        "idms-host": {"idms": digests("gone.example.net", "mirror.example.com")},
        "idms-mirror-missing": {"idms": digests(source, "mirror.example.com/nothere")},
        "idms-never": {"idms": digests(source, mirror, mirrorSourcePolicy="NeverContactSource")},
        "idms-repo": {"idms": digests(f"{source}/app", f"{plain}/app", f"{mirror}/app")},
        "idms-source-blocked": {"idms": digests(source, mirror), "blockedRegistries": ["gone.example.net"]},
        "idms-two": {"idms": digests(source, "down.example.com/team", mirror)},
        "idms-wild": {"idms": digests("*.example.net", "mirror.example.com")},
        "blocked-same-location": {
            "idms": digests("gone.example.net", "mirror.example.com"),
            "blockedRegistries": ["gone.example.net"],
        },
        "insecure-mirror-policy-insecure": {"idms": digests(source, plain)},
        "insecure-source": {"idms": digests(source, plain), "insecureRegistries": ["gone.example.net"]},
        "itms-insecure-mirror": {"itms": tags(source, plain), "insecureRegistries": ["registry.example.com:5000"]},
        "mirror-auth": {"idms": digests(source, mirror)},
    }[rule]


def policy_of(name: str) -> dict[str, Any]:
    """The policy of ``policy/NUMBER-WHAT``."""
    if "whitelist" in name:
        allowed = [{"domainName": "quay.io"}, {"domainName": "*.example.com:5000", "insecure": True}]
        return {"allowedRegistriesForImport": allowed, "denyCreateImages": "denied" in name}
    insecure = ["registry.example.com:5000", "selfsigned.example.com"]
    most = {"openshift.io/images": "1", "openshift.io/image-tags": "1"}
    one_of_each = {"kind": "LimitRange", "spec": {"limits": [{"type": "openshift.io/ImageStream", "max": most}]}}
    outside = ["default-route-openshift-image-registry.apps.example.com"]
    return {
        "10": {"blockedRegistries": ["quay.io"]},
        "11": {"blockedRegistries": ["quay.io"]},
        "12": {"insecureRegistries": insecure},
        "13": {"insecureRegistries": insecure},
        "20": {"limitRanges": [one_of_each]},
        "21": {"internalRegistryHostname": ""},
        "22": {"externalRegistryHostnames": outside},
        "22b": {"externalRegistryHostnames": outside},
        "23": {"imageStreamImportMode": "PreserveOriginal"},
    }.get(name.partition("-")[0], {})


def cluster_config(recording: Recording) -> ClusterConfig:
    group, _, name = recording.name.partition("/")
    settings: dict[str, Any] = {"maxImagesBulkImportedPerRepository": 5}
    if group == "auth":
        settings["secrets"] = secrets_of(name)
    elif group == "mirrors":
        settings |= mirrors_of(name)
    elif group == "policy":
        settings |= policy_of(name)
    elif name.startswith("tprio"):
        settings["maxImagesBulkImportedPerRepository"] = -1
    elif group == "slow" and name != "05-unlimited":
        settings["pace"] = "real"
    elif group == "slow":
        settings["maxImagesBulkImportedPerRepository"] = -1
    return msgspec.convert(settings, ClusterConfig)


class Replay:
    """One session on one API server. The versions of the recordings are not ours: they are told from the answers."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.versions: dict[str, str] = {}
        self.sizes = LayerSizes()
        self.clock = ManualClock(datetime.fromisoformat("2026-11-23T07:00:00Z"))
        self.problems: dict[str, list[str]] = {}

    async def play(self, recording: Recording) -> None:
        if recording.when is not None:
            self.clock = ManualClock(max(self.clock.now(), datetime.fromisoformat(recording.when)))
        if recording.name in IMPORTED_BEFORE:
            another = copy.deepcopy(recording.request)
            another["body"]["metadata"]["name"] += "-before"
            await self._answer(recording, another)
        answer, registries = await self._answer(recording, recording.request)
        found = registries.problems + [f"did not ask for {one['url']}" for one in registries.left]
        self.problems[recording.name] = found + self._differences(recording, answer)

    async def _answer(self, recording: Recording, request: dict[str, Any]) -> tuple[ApiResponse, RecordedRegistries]:
        registries = RecordedRegistries(recording)
        cluster = Cluster(cluster_config(recording), registries, self.clock, RandomUids(), self.store)
        cluster._sizes = self.sizes  # what the server remembers of layers outlives its settings
        return await ApiCore(cluster).handle(self._request(request)), registries

    def _request(self, recorded: dict[str, Any]) -> ApiRequest:
        body = recorded["body"]
        if isinstance(body, dict):
            meta = body.get("metadata") or {}
            if meta.get("resourceVersion") in self.versions:
                meta["resourceVersion"] = self.versions[meta["resourceVersion"]]
            body = json.dumps(body)
        headers = {"user-agent": "recorder"}
        if recorded["contentType"]:
            headers["content-type"] = recorded["contentType"]
        if recorded["accept"]:
            headers["accept"] = recorded["accept"]
        path, _, query = recorded["path"].partition("?")
        content = (body or "").encode()
        return ApiRequest(recorded["method"], path, query, headers, content, address="127.0.0.1:28080")

    def _differences(self, recording: Recording, answer: ApiResponse) -> list[str]:
        recorded = recording.response
        try:
            body = json.loads(answer.body)
        except ValueError:
            body = volatile_text(answer.body.decode())
        if isinstance(body, dict) and recording.version is not None:
            ours = Recording("", {}, {"body": body}, []).version
            if ours is not None:
                self.versions[recording.version] = ours
        content_type = recorded["headers"]["Content-Type"].partition(";")[0]
        expected = Expect(status=recorded["code"], body=placeholders(recorded["body"]), contentType=content_type)
        shown = ";".join(answer.header_lines("content-type")).partition(";")[0]
        result = StepResult(answer.status, body, answer.header_lines("warning"), shown)
        found = differences(expected, result)
        for name, value in recorded["headers"].items():
            if name not in ("Content-Type", "Etag") and answer.header_lines(name.lower()) != [value]:
                found.append(f"{name}: expected {value}, got {answer.header_lines(name.lower())}")
        return found + key_order(recorded["body"], body, "body")


def placeholders(value: Any, key: str = "") -> Any:
    """What was recorded, with placeholders for what differs from time to time."""
    if isinstance(value, dict):
        return {name: placeholders(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [placeholders(item) for item in value]
    if not isinstance(value, str):
        return value
    if "\n" in value:
        return volatile_text(value)
    if key in VOLATILE and value:
        return VOLATILE[key]
    if value.startswith("2026-11-23T07:") and value.endswith("Z") and len(value) == 20:
        return "<time>"
    head, middle, tail = value.partition("the image stream was updated from ")
    return f'{head}{middle}"<rv>" to "<rv>"' if tail else value


def volatile_text(text: str) -> str:
    """YAML without what differs from time to time."""
    return re.sub(r'(: )?("2026-[0-9T:-]+Z"|[0-9a-f]{8}-[0-9a-f-]{27}|(?<=resourceVersion: )"[0-9]+")', "", text)


def key_order(expected: Any, actual: Any, where: str) -> list[str]:
    """Where keys stand in another order; the client that decodes does not mind, who compares bytes does."""
    found = []
    if isinstance(expected, dict) and isinstance(actual, dict):
        shared = [key for key in expected if key in actual]
        if shared != [key for key in actual if key in expected]:
            found.append(f"{where}: keys {list(actual)}")
        for key in shared:
            found += key_order(expected[key], actual[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
            found += key_order(one, other, f"{where}[{index}]")
    return found


@functools.cache
def replayed(number: int) -> dict[str, list[str]]:
    """What is not as it was in a session, by recording."""

    async def play() -> dict[str, list[str]]:
        replay = Replay()
        for recording in sessions()[number]:
            if recording.name not in NOT_REPLAYED:
                await replay.play(recording)
        return replay.problems

    return asyncio.run(play())


EACH: Final = [
    pytest.param(number, recording.name, id=recording.name)
    for number, recordings in enumerate(sessions())
    for recording in recordings
    if recording.name not in NOT_REPLAYED
]


@pytest.mark.parametrize(("number", "name"), EACH)
def test_answers_are_as_recorded(number: int, name: str) -> None:
    assert replayed(number)[name] == []


def test_everything_is_replayed_or_has_a_reason_not_to_be() -> None:
    names = {recording.name for recordings in sessions() for recording in recordings}
    assert names >= set(NOT_REPLAYED)
    assert len(EACH) == 471
