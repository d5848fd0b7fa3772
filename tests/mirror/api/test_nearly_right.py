"""Objects and requests that are nearly right: every one of them gets an answer, and nothing breaks.

The API runs without sockets, where whatever is not handled comes out as an exception.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.api import GROUP, image_import, new_cluster, request

from mirror.api.app import ApiCore
from mirror.api.around import groups_around

DIGEST = "sha256:" + "1" * 64
META = {"name": "a", "namespace": "demo", "labels": {"l": "v"}, "annotations": {"a": "v"}, "finalizers": ["e.com/f"]}
SOURCE = {"kind": "DockerImage", "name": "quay.io/app/web:latest"}
TAG = {
    "name": "t",
    "from": SOURCE,
    "generation": 1,
    "annotations": {"tags": "x"},
    "importPolicy": {"insecure": True, "scheduled": True, "importMode": "PreserveOriginal"},
    "referencePolicy": {"type": "Local"},
}
IMAGE = {
    "metadata": {"name": DIGEST},
    "dockerImageReference": f"quay.io/app/web@{DIGEST}",
    "dockerImageLayers": [{"name": DIGEST, "size": 1, "mediaType": "x"}],
    "dockerImageMetadata": {"kind": "DockerImage", "apiVersion": "1.0", "Id": DIGEST, "Size": 1},
    "dockerImageManifests": [{"digest": DIGEST, "mediaType": "x", "manifestSize": 1, "architecture": "a", "os": "l"}],
}
EVENT = {"created": "2026-01-01T00:00:00Z", "dockerImageReference": "quay.io/a", "image": DIGEST, "generation": 1}
STREAM = {
    "metadata": META,
    "spec": {"lookupPolicy": {"local": True}, "dockerImageRepository": "quay.io/app/web", "tags": [TAG]},
    "status": {"dockerImageRepository": "x", "tags": [{"tag": "t", "items": [EVENT]}]},
}
IMPORT = image_import("a", "quay.io/app/web:latest")
IMPORT["spec"]["repository"] = {"from": {"kind": "DockerImage", "name": "quay.io/app/web"}, "includeManifest": True}
DEMO = f"{GROUP}/namespaces/demo"
CONFIG = "/apis/config.openshift.io/v1"
MIRRORS = {"spec": {"imageDigestMirrors": [{"source": "quay.io/a", "mirrors": ["b.com/a"], "mirrorSourcePolicy": "x"}]}}
OBJECTS: list[tuple[str, dict[str, Any]]] = [
    (f"{DEMO}/imagestreams", STREAM),
    (f"{DEMO}/imagestreamimports", IMPORT),
    (f"{DEMO}/imagestreamtags", {"metadata": META | {"name": "a:t"}, "tag": TAG, "lookupPolicy": {"local": False}}),
    (f"{DEMO}/imagetags", {"metadata": {"name": "a:t"}, "spec": TAG}),
    (f"{DEMO}/imagestreammappings", {"metadata": {"name": "a"}, "tag": "t", "image": IMAGE}),
    (
        f"{GROUP}/images",
        IMAGE | {"signatures": [{"metadata": {"name": f"{DIGEST}@s"}, "type": "x", "content": "eA=="}]},
    ),
    (f"{GROUP}/imagesignatures", {"metadata": {"name": f"{DIGEST}@s"}, "type": "x", "content": "eA=="}),
    ("/api/v1/namespaces/demo/secrets", {"metadata": META, "type": "Opaque", "data": {"k": "eA=="}, "immutable": True}),
    ("/api/v1/namespaces", {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}}),
    ("/apis/project.openshift.io/v1/projectrequests", {"metadata": {"name": "p"}, "displayName": "P"}),
    (f"{CONFIG}/images", {"metadata": {"name": "cluster"}, "spec": {"registrySources": {"blockedRegistries": ["a"]}}}),
    (f"{CONFIG}/imagedigestmirrorsets", {"metadata": {"name": "m"}} | MIRRORS),
    (
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"spec": {"resourceAttributes": {"verb": "get", "resource": "x", "namespace": "demo", "name": "n"}}},
    ),
]
ODD: list[Any] = [
    *(None, True, 0, -1, 2**63, 1.5, "", " ", "x" * 300, "a/b", "..", "%2f", "A", "\0", "\ud800", "é", "a:b:c"),
    *("sha256:", DIGEST, "quay.io/", "@", "2026-99-01T00:00:00Z", [], {}, [None], [[]], [{}], {"": None}, {"name": ""}),
]
TYPES = [
    *("application/json", "application/yaml", "application/merge-patch+json", "application/json-patch+json"),
    *(
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/vnd.kubernetes.protobuf",
        "",
    ),
]
QUERIES = [
    *("", "dryRun=All", "dryRun=x", "fieldValidation=Strict", "fieldValidation=x", "fieldManager=%00", "force=true"),
    *(
        "fieldManager=a&force=true",
        "pretty=1",
        "limit=1",
        "limit=x",
        "continue=x",
        "labelSelector=a%20in%20(b",
        "watch=1",
    ),
    *(
        "fieldSelector=metadata.name%3Da",
        "resourceVersion=-1",
        "resourceVersion=x",
        "timeoutSeconds=x",
        "propagationPolicy=x",
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in an object."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found += places(below, (*path, key))
    return found


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path, and an object for it with some things gone, doubled, of another name, or odd."""
    path, right = draw(st.sampled_from(OBJECTS))
    made = copy.deepcopy(right)
    for _ in range(draw(st.integers(0, 3))):
        known = places(made)
        if not known:
            break
        *above, last = draw(st.sampled_from(known))
        holder = made
        for key in above:
            holder = holder[key]
        what = draw(st.sampled_from(["odd", "gone", "doubled", "renamed"]))
        value = holder.pop(last)
        if what == "odd" or (what == "renamed" and isinstance(holder, list)):
            value = copy.deepcopy(draw(st.sampled_from(ODD)))
        if isinstance(holder, list):
            for _ in range({"gone": 0, "doubled": 2}.get(what, 1)):
                holder.insert(last, copy.deepcopy(value))
        elif what != "gone":
            holder[f"{last}x" if what == "renamed" else last] = value
    return path, made


def body_of(draw: st.DrawFn, made: dict[str, Any]) -> bytes:
    """The object as JSON, which may be cut off, or a list of operations."""
    text = json.dumps(made).encode()
    kind = draw(st.sampled_from(["whole"] * 6 + ["cut", "patch", "twice"]))
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "twice":
        return text[:-1] + b"," + text[1:]
    if kind == "patch":
        path = draw(st.sampled_from(["/spec", "/spec/tags/0", "/metadata/labels/l", "/x/-", "", "x", "/metadata/name"]))
        return json.dumps(
            [{"op": draw(st.sampled_from(["add", "remove", "test", "copy", "x"])), "path": path}]
        ).encode()
    return text


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[str, str, bytes, dict[str, str]]]:
    """Some requests, one after the other: method, path and query, body, headers."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        path, made = draw(objects())
        method = draw(st.sampled_from(["POST", "POST", "PUT", "PATCH", "GET", "DELETE"]))
        if method != "POST":
            meta = made.get("metadata")
            name = meta.get("name") if isinstance(meta, dict) else None
            if isinstance(name, str) and name.isascii() and name.isprintable() and draw(st.integers(0, 5)):
                path += f"/{name.replace('?', '')}"
            path += draw(st.sampled_from(["", "", "", "/status", "/layers", "/secrets", "/x"]))
        query = draw(st.sampled_from([""] * 4 + QUERIES))
        body = b"" if method == "GET" else body_of(draw, made)
        headers = {"accept": draw(st.sampled_from(["application/json"] * 3 + ["application/yaml", "x", "*/*"]))}
        headers["content_type"] = draw(st.sampled_from(TYPES[:1] * 4 + TYPES))
        found.append((method, f"{path}?{query}" if query else path, body, headers))
    return found


async def hold(conversation: list[tuple[str, str, bytes, dict[str, str]]]) -> None:
    """Asks a new API, which holds a stream already."""
    cluster = new_cluster()
    around = await groups_around(cluster)
    api = ApiCore(cluster, around.groups, namespaces=around.namespaces)
    seed = await api.handle(
        request("POST", f"{DEMO}/imagestreams", {"metadata": {"name": "a"}, "spec": {"tags": [TAG]}})
    )
    assert seed.status == 201
    for method, path, body, headers in conversation:
        answer = await api.handle(request(method, path, body, **headers))
        assert 200 <= answer.status < 600
        if answer.stream is not None:
            async for line in answer.stream:
                assert json.loads(line)["type"] in {"ADDED", "BOOKMARK", "ERROR"}
                break
            await answer.stream.aclose()  # type: ignore[attr-defined]
        elif headers["accept"] == "application/json" and answer.body and answer.body.startswith(b"{"):
            document = json.loads(answer.body)
            if answer.status >= 400:
                assert (document["kind"], document["code"]) == ("Status", answer.status)
    listed = await api.handle(request("GET", f"{DEMO}/imagestreams", accept="application/json"))
    assert listed.status == 200


@settings(
    max_examples=150, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
)
@given(conversation=conversations())
async def test_nothing_breaks(conversation: list[tuple[str, str, bytes, dict[str, str]]]) -> None:
    await hold(conversation)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(conversation=conversations())
async def test_nothing_breaks_for_long(conversation: list[tuple[str, str, bytes, dict[str, str]]]) -> None:
    await hold(conversation)
