"""PATCH in its four forms, and the options of writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.api import GROUP, ask, ask_json, new_cluster

from mirror.api.app import ApiCore
from mirror.store import Store

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
TAGS = f"{GROUP}/namespaces/demo/imagestreamtags"
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
FROM = {"kind": "DockerImage", "name": "quay.io/app/web:latest"}
OTHER = {"kind": "DockerImage", "name": "quay.io/app/oci:latest"}


@pytest.fixture
async def api(store: Store) -> ApiCore:
    api = ApiCore(new_cluster(store=store))
    body = {
        "metadata": {"name": "s", "labels": {"a": "1", "b": "2"}},
        "spec": {"tags": [{"name": "x", "from": FROM}, {"name": "y", "from": FROM}]},
    }
    assert (await ask(api, "POST", STREAMS, body, user_agent="kubectl/v1.34")).status == 201
    return api


async def patched(api: ApiCore, content_type: str, patch: Any, query: str = "") -> tuple[int, dict[str, Any]]:
    return await ask_json(api, "PATCH", f"{STREAMS}/s{query}", patch, content_type=content_type)


def tags(found: dict[str, Any]) -> dict[str, str]:
    return {tag["name"]: tag.get("from", {}).get("name", "") for tag in found["spec"].get("tags", [])}


@pytest.mark.parametrize(
    ("content_type", "patch", "expected"),
    [
        (MERGE, {"spec": {"tags": [{"name": "z"}]}}, {"z": ""}),
        (MERGE, {"spec": {"tags": None}}, {}),
        (STRATEGIC, {"spec": {"tags": [{"name": "z"}]}}, {"x": FROM["name"], "y": FROM["name"], "z": ""}),
        (STRATEGIC, {"spec": {"tags": [{"name": "x", "from": OTHER}]}}, {"x": OTHER["name"], "y": FROM["name"]}),
        (STRATEGIC, {"spec": {"tags": [{"name": "x", "$patch": "delete"}]}}, {"y": FROM["name"]}),
        (STRATEGIC, {"spec": {"tags": [{"$patch": "replace"}, {"name": "z"}]}}, {"z": ""}),
        (
            STRATEGIC,
            {"spec": {"$setElementOrder/tags": [{"name": "y"}, {"name": "x"}], "tags": [{"name": "y", "from": OTHER}]}},
            {"x": FROM["name"], "y": OTHER["name"]},
        ),
        (STRATEGIC, {"spec": {"$patch": "replace", "lookupPolicy": {"local": True}}}, {}),
        (JSON_PATCH, [{"op": "remove", "path": "/spec/tags/0"}], {"y": FROM["name"]}),
        (
            JSON_PATCH,
            [
                {"op": "test", "path": "/spec/tags/0/name", "value": "x"},
                {"op": "copy", "from": "/spec/tags/0", "path": "/spec/tags/-"},
                {"op": "replace", "path": "/spec/tags/2/name", "value": "a"},
                {"op": "move", "from": "/spec/tags/1", "path": "/spec/tags/0"},
            ],
            {"a": FROM["name"], "x": FROM["name"], "y": FROM["name"]},
        ),
    ],
)
async def test_lists(content_type: str, patch: Any, expected: dict[str, str], api: ApiCore) -> None:
    status, found = await patched(api, content_type, patch)
    assert (status, tags(found)) == (200, expected)
    assert found["metadata"]["generation"] == 2


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
async def test_maps(content_type: str, api: ApiCore) -> None:
    status, found = await patched(api, content_type, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert (status, found["metadata"]["labels"], found["metadata"]["generation"]) == (200, {"b": "2", "c": "3"}, 1)
    status, again = await patched(api, content_type, {"metadata": {"labels": {"c": "3"}}})
    assert (status, again["metadata"]["resourceVersion"]) == (200, found["metadata"]["resourceVersion"])


UNPROCESSABLE = "the server rejected our request due to an error in our request"
CONFLICT = (
    'Operation cannot be fulfilled on imagestreams.image.openshift.io "s": the object has been modified; please apply '
    "your changes to the latest version and try again"
)


@pytest.mark.parametrize(
    ("content_type", "patch", "status", "message"),
    [
        (JSON_PATCH, [{"op": "remove", "path": "/spec/none"}], 422, UNPROCESSABLE),
        (JSON_PATCH, [{"op": "test", "path": "/metadata/name", "value": "t"}], 422, UNPROCESSABLE),
        (
            JSON_PATCH,
            {"op": "remove"},
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, CONFLICT),
        (MERGE, {"metadata": {"name": "t"}}, 400, "the name of the object (t) does not match the name on the URL (s)"),
        (
            "text/plain",
            {"a": 1},
            415,
            "415: Unsupported Media Type",
        ),
        (
            APPLY,
            {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "s"}},
            422,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        ),
    ],
)
async def test_refused(content_type: str, patch: Any, status: int, message: str, api: ApiCore) -> None:
    found = await patched(api, content_type, patch)
    assert (found[0], found[1]["message"]) == (status, message)
    if message == UNPROCESSABLE:
        assert (found[1]["reason"], found[1]["details"]) == ("Invalid", {})


async def test_what_is_not_there_is_not_patched_but_applied(api: ApiCore) -> None:
    for content_type in (MERGE, STRATEGIC):
        status, found = await ask_json(api, "PATCH", f"{STREAMS}/new", {}, content_type=content_type)
        assert (status, found["message"]) == (404, 'imagestreams.image.openshift.io "new" not found')
    body = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "new"}}
    target = f"{STREAMS}/new?fieldManager=me"
    assert (await ask_json(api, "PATCH", target, body, content_type=APPLY))[0] == 201
    assert (await ask_json(api, "PATCH", target, body, content_type=APPLY))[0] == 200


# Server-side apply


def applied(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "s"}, "spec": spec}


def owners(found: dict[str, Any]) -> dict[tuple[str, str], Any]:
    entries = found["metadata"]["managedFields"]
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


async def test_fields_have_owners(api: ApiCore) -> None:
    _, found = await ask_json(api, "GET", f"{STREAMS}/s")
    assert set(owners(found)) == {("kubectl", "Update")}
    assert found["metadata"]["managedFields"][0] | {"fieldsV1": None} == {
        "manager": "kubectl",
        "operation": "Update",
        "apiVersion": "image.openshift.io/v1",
        "time": "2026-01-02T03:04:05Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": None,
    }
    status, refused = await patched(api, APPLY, applied(tags=[{"name": "x", "from": OTHER}]), "?fieldManager=me")
    field = '.spec.tags[name="x"].from'
    assert (status, refused["reason"]) == (409, "Conflict")
    conflict = 'conflict with "kubectl" using image.openshift.io/v1'
    assert refused["message"] == f"Apply failed with 1 conflict: {conflict}: {field}"
    cause = {"reason": "FieldManagerConflict", "message": conflict, "field": field}
    assert refused["details"]["causes"] == [cause]
    query = "?fieldManager=me&force=true"
    status, found = await patched(api, APPLY, applied(tags=[{"name": "x", "from": OTHER}]), query)
    assert (status, tags(found)) == (200, {"x": OTHER["name"], "y": FROM["name"]})
    assert owners(found)["me", "Apply"] == {
        "f:spec": {"f:tags": {'k:{"name":"x"}': {".": {}, "f:from": {}, "f:name": {}}}}
    }
    status, refused = await patched(api, APPLY, applied(tags=[{"name": "x", "from": FROM}]), "?fieldManager=you")
    assert (status, refused["message"]) == (409, f'Apply failed with 1 conflict: conflict with "me": {field}')
    status, found = await patched(api, APPLY, applied(lookupPolicy={"local": True}), "?fieldManager=me")
    assert (status, found["spec"]["lookupPolicy"]) == (200, {"local": True})
    # What nobody wants any more goes; kubectl still wants the tag, if not where it comes from.
    assert tags(found) == {"x": "", "y": FROM["name"]}


async def test_an_apply_as_yaml(api: ApiCore) -> None:
    head = b"apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata:\n  name: s\n"
    body = head + b"spec:\n  lookupPolicy: {local: true}\n"
    status, found = await patched(api, APPLY, body, "?fieldManager=me&force=false")
    assert (status, found["spec"]["lookupPolicy"]) == (200, {"local": True})
    status, found = await patched(api, APPLY, b"a: [", "?fieldManager=me")
    assert (status, found["message"][:20]) == (400, "error decoding YAML:")


# Options


@pytest.mark.parametrize(
    ("validation", "status"),
    [("", 201), ("?fieldValidation=Warn", 201), ("?fieldValidation=Ignore", 201), ("?fieldValidation=Strict", 400)],
)
async def test_unknown_and_repeated_fields(validation: str, status: int, api: ApiCore) -> None:
    body = (
        b'{"metadata":{"name":"n"},"spec":{"bogus":1,"lookupPolicy":{"local":true,"local":false},'
        b'"tags":[{"name":"t","zz":1}]}}'
    )
    response = await ask(api, "POST", f"{STREAMS}{validation}", body)
    problems = [
        'unknown field "spec.bogus"',
        'duplicate field "spec.lookupPolicy.local"',
        'unknown field "spec.tags[0].zz"',
    ]
    shown = [] if validation.endswith(("Ignore", "Strict")) else problems
    escaped = [problem.replace('"', '\\"') for problem in shown]
    assert response.status == status
    assert response.header_lines("warning") == [f'299 - "{problem}"' for problem in escaped]
    if status == 400:
        assert json.loads(response.body)["message"] == (
            f'ImageStream in version "v1" cannot be handled as a ImageStream: strict decoding error: '
            f"{', '.join(problems)}"
        )


async def test_warnings_of_refusals(api: ApiCore) -> None:
    response = await ask(api, "POST", STREAMS, {"metadata": {"name": "Bad"}, "bogus": 1})
    assert (response.status, response.header_lines("warning")) == (422, ['299 - "unknown field \\"bogus\\""'])


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC, JSON_PATCH])
async def test_unknown_fields_of_patches(content_type: str, api: ApiCore) -> None:
    patch: Any = {"spec": {"foo": 1}}
    if content_type == JSON_PATCH:
        patch = [{"op": "add", "path": "/spec/foo", "value": 1}]
    status, found = await patched(api, content_type, patch, "?fieldValidation=Strict")
    assert (status, found["message"].startswith(' "" is invalid: patch: Invalid value: ')) == (422, True)
    assert found["message"].endswith(': strict decoding error: unknown field "spec.foo"')
    assert found["details"]["causes"][0]["field"] == "patch"
    response = await ask(api, "PATCH", f"{STREAMS}/s", patch, content_type=content_type)
    assert (response.status, response.header_lines("warning")) == (200, ['299 - "unknown field \\"spec.foo\\""'])


@pytest.mark.parametrize(
    ("method", "target", "content_type", "kind"),
    [
        ("POST", STREAMS, "application/json", "CreateOptions"),
        ("PUT", f"{STREAMS}/s", "application/json", "UpdateOptions"),
        ("PATCH", f"{STREAMS}/s", MERGE, "PatchOptions"),
        ("PUT", f"{TAGS}/s:x", "application/json", "UpdateOptions"),
        ("POST", f"{GROUP}/namespaces/demo/imagestreamimports", "application/json", "CreateOptions"),
    ],
)
@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (
            "fieldValidation=Foo",
            'fieldValidation: Unsupported value: "Foo": supported values: "", "Ignore", "Strict", "Warn"',
        ),
        ("dryRun=Foo", 'dryRun: Unsupported value: ["Foo"]: supported values: "All"'),
        (f"fieldManager={'m' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=a%0Ab", 'fieldManager: Invalid value: "a\\nb": invalid character U+000A (at position 1)'),
    ],
)
async def test_options(
    method: str, target: str, content_type: str, kind: str, query: str, problem: str, api: ApiCore
) -> None:
    body = {"metadata": {"name": "s"}}
    status, found = await ask_json(api, method, f"{target}?{query}", body, content_type=content_type)
    assert (status, found["message"]) == (422, f'{kind}.meta.k8s.io "" is invalid: {problem}')


async def test_who_writes(api: ApiCore) -> None:
    for query, agent, manager in (
        ("?fieldManager=me", "oc/4.22", "me"),
        ("", "oc/4.22 (linux)", "oc"),
        ("", "", "unknown"),
    ):
        name = f"by-{manager}"
        body = {"metadata": {"name": name, "labels": {"a": "b"}}}
        _, found = await ask_json(api, "POST", f"{STREAMS}{query}", body, user_agent=agent)
        assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == [manager]
    _, found = await ask_json(api, "POST", STREAMS, {"metadata": {"name": "nobody"}})
    assert "managedFields" not in found["metadata"], "nothing was set"


async def test_yaml_bodies_and_other_types(api: ApiCore) -> None:
    body = b"metadata:\n  name: doc\nspec:\n  tags:\n  - {name: t, from: {kind: DockerImage, name: quay.io/app/web}}\n"
    status, found = await ask_json(api, "POST", STREAMS, body, content_type="application/yaml")
    assert (status, tags(found)) == (201, {"t": "quay.io/app/web"})
    status, found = await ask_json(api, "POST", STREAMS, body, content_type="text/plain")
    assert (status, found["message"]) == (
        415,
        (
            "the body of the request was in an unknown format - accepted media types include: application/json, "
            "application/yaml, application/vnd.kubernetes.protobuf"
        ),
    )
    assert (found["reason"], "details" in found) == ("UnsupportedMediaType", False)
    response = await ask(api, "GET", f"{STREAMS}/doc?pretty=true")
    assert response.body.startswith(b'{\n  "kind": "ImageStream",\n')


async def test_patched_tags(api: ApiCore) -> None:
    for content_type, patch in (
        (MERGE, {"metadata": {"annotations": {"a": "b"}}}),
        (STRATEGIC, {"metadata": {"annotations": {"c": "d"}}}),
        (JSON_PATCH, [{"op": "add", "path": "/tag/importPolicy/scheduled", "value": True}]),
    ):
        status, found = await ask_json(api, "PATCH", f"{TAGS}/s:x", patch, content_type=content_type)
        assert status == 200, found
    assert found["tag"]["annotations"] == {"a": "b", "c": "d"}
    assert found["tag"]["importPolicy"] == {"scheduled": True, "importMode": "Legacy"}


DEEP = "[" * 100_000 + "]" * 100_000


async def test_managed_fields_that_are_nested_too_deeply_are_nobodys(api: ApiCore) -> None:
    entry = {"manager": "me", "operation": "Update", "apiVersion": "image.openshift.io/v1", "fieldsType": "FieldsV1"}
    entries = [{**entry, "fieldsV1": {"f:metadata": {f"v:{DEEP}": {}}}}]
    body = {"metadata": {"name": "t", "labels": {"a": "1"}, "managedFields": entries}}
    status, found = await ask_json(api, "POST", STREAMS, body, user_agent="curl/8")
    assert status == 201
    assert [one["manager"] for one in found["metadata"]["managedFields"]] == ["curl"]


async def test_a_last_apply_that_is_nested_too_deeply_allows_nothing(api: ApiCore) -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": DEEP}
    body = {"metadata": {"name": "t", "labels": {"a": "1"}, "annotations": annotations}}
    assert (await ask(api, "POST", STREAMS, body, user_agent="curl/8")).status == 201
    patch = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"labels": {"a": "2"}}}
    path = f"{STREAMS}/t?fieldManager=kubectl"
    status, found = await ask_json(api, "PATCH", path, patch, content_type=APPLY)
    assert (status, found["reason"]) == (409, "Conflict")
