"""Whole conversations with the real server, request by request: of the real `oc`, of controllers, and single ones."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api import GROUP, START, image_import
from support.asking import Answer, Ask, OpenApi
from support.replay import Replay
from support.vectors import VECTORS

from fake_registry.config import Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.api.cluster import Cluster
from mirror.api.timing import InstantTiming
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.store import Store

HOSTS = {"quay.io": Host(), "registry.example.com:5000": Host(scheme="http")}
CONFIG = ClusterConfig(
    maxImagesBulkImportedPerRepository=5, internalRegistryHostname="image-registry.openshift-image-registry.svc:5000"
)
JSON = {"accept": "application/json", "content-type": "application/json"}


def recorded_cluster(store: Store) -> Cluster:
    """A cluster as that of the recordings."""
    transport = EmbeddedTransport(RegistryCore(Tree.open(VECTORS / "oc-tree"), HOSTS), HOSTS)
    return Cluster(CONFIG, transport, ManualClock(START), NamedUids(), store, timing=InstantTiming())


def files(folder: str) -> list[Path]:
    found = sorted((VECTORS / folder).glob("*.json"))
    assert found
    return found


def shown_body(answer: Answer) -> Any:
    """A body as the recordings have it."""
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:
        return answer.body.decode()


def header_differences(name: str, answer: Answer, status: int, content_type: str) -> Iterator[str]:
    if answer.status != status:
        yield f"{name}: status {answer.status}, recorded {status}"
    if ",".join(answer.headers.get("content-type", [])) != content_type:
        yield f"{name}: {answer.headers.get('content-type')}, recorded {content_type}"


# oc


async def already_imported(ask: Ask) -> None:
    """The images of the first recordings were there already: from another namespace."""
    path = f"{GROUP}/namespaces/earlier/imagestreamimports"
    body = image_import("app", "quay.io/team/app:1.0.0")
    image = {"from": {"kind": "DockerImage", "name": "quay.io/team/app:multi"}, "to": {"name": "multi"}}
    body["spec"]["images"].append(image | {"importPolicy": {"importMode": "PreserveOriginal"}})
    assert (await ask("POST", path, JSON, json.dumps(body).encode())).status == 201


class Conversations:
    """What is special about replaying a client's conversations: what it found out about the server before."""

    def __init__(self, ask: Ask) -> None:
        self.replay = Replay()
        self._ask = ask
        self._tags: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    async def once_more(self, name: str, recorded: dict[str, Any]) -> list[str]:
        """Asks what was asked; what differs comes back."""
        path, _, query = recorded["url"].partition("?")
        headers = {key.lower(): value for key, value in recorded["requestHeaders"].items()}
        if recorded["status"] == 304:
            headers["if-none-match"] = self._tags[path]
        target = self._paths.get(path, recorded["url"])
        body = self.replay.body(recorded.get("requestBody"))
        answer = await self._ask(recorded["method"], target, headers, body)
        self._tags[path] = ",".join(answer.headers.get("etag", []))
        where = f"{name}: {recorded['method']} {recorded['url']}"
        content_type = recorded["contentType"]
        if path == "/api":  # that server had nothing there, and somebody else answered
            content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        found = list(header_differences(where, answer, recorded["status"], content_type))
        expected, actual = self._comparable(path, query, recorded.get("responseBody"), shown_body(answer))
        return found + [f"{where}: {line}" for line in self.replay.differences(expected, actual)]

    def _comparable(self, path: str, query: str, expected: Any, actual: Any) -> tuple[Any, Any]:
        """What of two bodies can be compared: there are more groups and fewer images here."""
        if path in ("/api", "/api/v1") or path.startswith("/openapi/v3/"):
            return None, None
        if path == "/openapi/v3":
            group = "apis/image.openshift.io/v1"
            recorded, here = (body["paths"][group]["serverRelativeURL"] for body in (expected, actual))
            self._paths[recorded.partition("?")[0]] = f"{here}&timeout=32s"
            return re.sub("hash=.*", "", recorded), re.sub("hash=.*", "", here)
        if path == "/apis" and expected is not None:
            (group,) = expected["items"]
            return group, next(item for item in actual["items"] if item["metadata"] == group["metadata"])
        if path.endswith("/images"):
            names = {row["cells"][0] for row in actual["rows"]}
            expected["rows"] = [row for row in expected["rows"] if row["cells"][0] in names]
            assert len(expected["rows"]) == 4
        if path.endswith("/imagestreamtags") and query:  # the order of a stream's tags is random there
            expected["rows"].sort(key=lambda row: row["cells"][0])
        return expected, actual


@pytest.mark.parametrize(
    ("folder", "passed_over"),
    [("oc", ()), ("observed/controller", (304,))],  # 304: of what a client has asked for before it was recorded
)
async def test_conversations(store: Store, open_api: OpenApi, folder: str, passed_over: tuple[int, ...]) -> None:
    cluster = recorded_cluster(store)
    around = await groups_around(cluster)
    ask = await open_api(ApiCore(cluster, around.groups, None, around.namespaces))
    await already_imported(ask)
    conversations = Conversations(ask)
    found = []
    for path in files(folder):
        for recorded in json.loads(path.read_text())["apiRequests"]:
            if recorded["status"] not in passed_over:
                found += await conversations.once_more(path.stem, recorded)
    assert found == []


# Single requests

IMAGES = f"{GROUP}/images?"
BUILD = ("gitVersion", "gitCommit", "gitTreeState", "goVersion")
VOLATILE = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9-]{10}T[0-9:]{8}Z|(?<=resourceVersion: )\"[0-9]+\""
)


def single_bodies(target: str, expected: Any, actual: Any) -> tuple[Any, Any]:
    """What of two bodies can be compared: there are fewer objects here."""
    if isinstance(expected, str):
        return VOLATILE.sub("…", expected), VOLATILE.sub("…", actual)
    if target == "/version":
        for body in (expected, actual):
            for name in BUILD:
                del body[name]
    if target == "/apis" and "groups" in expected:
        for body in (expected, actual):
            body["groups"][0].pop("serverAddressByClientCIDRs", "")  # that server's address; in process there is none
    if isinstance(expected, dict) and "limit=" in target:
        for body in (expected, actual):
            token = json.loads(base64.urlsafe_b64decode(f"{body['metadata']['continue']}==="))
            assert token["rv"] == int(body["metadata"]["resourceVersion"])
            body["metadata"]["continue"] = token["start"] if not target.startswith(IMAGES) else ""
            body["metadata"]["remainingItemCount"] = 0
            if target.startswith(IMAGES):
                body["items"] = []
    return expected, actual


async def test_single_requests(store: Store, open_api: OpenApi) -> None:
    """One folder after the other: the second is about what the first has left behind."""
    ask = await open_api(ApiCore(recorded_cluster(store)))
    replay = Replay()
    found = []
    for path in (*files("observed/api"), *files("observed/resources")):
        recorded = json.loads(path.read_text())
        request, response = recorded["request"], recorded["response"]
        types = {"content-type": request["contentType"], "accept": request["accept"]}
        headers = {"user-agent": "recorder/1.0"} | {key: value for key, value in types.items() if value}
        answer = await ask(request["method"], request["path"], headers, replay.body(request["body"]))
        found += header_differences(path.stem, answer, response["code"], response["headers"].pop("Content-Type"))
        for name in ("Warning", "Cache-Control"):
            if answer.headers.get(name.lower(), [""])[0] != response["headers"].get(name, ""):
                found.append(f"{path.stem}: {name} {answer.headers.get(name.lower())}, recorded {response['headers']}")
        expected, actual = single_bodies(request["path"], response["body"], shown_body(answer))
        found += [f"{path.stem}: {line}" for line in replay.differences(expected, actual)]
    assert found == []


def test_there_are_recordings() -> None:
    assert [len(files(folder)) for folder in ("oc", "observed/api", "observed/resources", "observed/controller")] == [
        37,
        58,
        40,
        7,
    ]
