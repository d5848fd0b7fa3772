"""Image streams: what writes make of them, and what is refused. What is expected is what the real server answered."""

from __future__ import annotations

from typing import Any

import pytest
from support.api import GROUP, ask, ask_json, image_import, new_cluster

from mirror.api.app import ApiCore
from mirror.config import ClusterConfig
from mirror.importer.allowed import AllowedRegistry
from mirror.store import Store

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
IMPORTS = f"{GROUP}/namespaces/demo/imagestreamimports"
TAGS = f"{GROUP}/namespaces/demo/imagestreamtags"
NOW = "2026-01-02T03:04:05Z"
POLICIES = {"importPolicy": {"importMode": "Legacy"}, "referencePolicy": {"type": "Source"}}
MERGE = "application/merge-patch+json"


@pytest.fixture
def api(store: Store) -> ApiCore:
    return ApiCore(new_cluster(ClusterConfig(internalRegistryHostname=""), store))


def docker(name: str, source: str = "quay.io/app/web:latest", **more: Any) -> dict[str, Any]:
    return {"name": name, "from": {"kind": "DockerImage", "name": source}, **more}


def pointing(name: str, kind: str, source: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "from": {"kind": kind, "name": source}, **more}


async def created(api: ApiCore, name: str, *tags: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body = {"metadata": {"name": name}, "spec": {"tags": list(tags), **spec}}
    status, found = await ask_json(api, "POST", STREAMS, body)
    assert status == 201, found
    return dict(found)


async def imported(api: ApiCore, name: str, tag: str = "latest", source: str = "quay.io/app/web:latest") -> None:
    status, found = await ask_json(api, "POST", IMPORTS, image_import(name, source, tag))
    assert (status, found["status"]["images"][0]["status"]["status"]) == (201, "Success"), found


async def stream(api: ApiCore, name: str) -> dict[str, Any]:
    status, found = await ask_json(api, "GET", f"{STREAMS}/{name}")
    assert status == 200
    return dict(found)


async def changed(api: ApiCore, name: str, change: Any) -> tuple[int, dict[str, Any]]:
    """A PUT of what `change` makes of the stream that is there."""
    body = await stream(api, name)
    change(body)
    return await ask_json(api, "PUT", f"{STREAMS}/{name}", body)


def generations(found: dict[str, Any]) -> tuple[int, dict[str, int]]:
    return found["metadata"]["generation"], {tag["name"]: tag["generation"] for tag in found["spec"].get("tags", [])}


def events(found: dict[str, Any], tag: str) -> list[tuple[str, int]]:
    (items,) = [one["items"] for one in found["status"]["tags"] if one["tag"] == tag]
    return [(item["image"], item["generation"]) for item in items or []]


# Creating


async def test_what_is_empty(api: ApiCore) -> None:
    found = await created(api, "own")
    meta = found.pop("metadata")
    assert list(meta) == ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"]
    assert (meta["generation"], meta["creationTimestamp"]) == (1, NOW)
    assert found == {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "spec": {"lookupPolicy": {"local": False}},
        "status": {"dockerImageRepository": ""},
    }


async def test_five_kinds_of_tags(api: ApiCore) -> None:
    tags = [
        docker("ref", "quay.io/foo/bar:r", reference=True),
        docker(
            "e",
            "quay.io/foo/bar:e",
            annotations={"x": "y"},
            generation=77,
            importPolicy={"insecure": True, "scheduled": True, "importMode": "PreserveOriginal"},
            referencePolicy={"type": "Local"},
        ),
        {"name": "nofrom"},
        pointing("a", "ImageStreamTag", "b"),
        docker("b", "quay.io/foo/bar:b"),
    ]
    found = await created(api, "five", *tags)
    shown = {"annotations": None, "generation": 1}
    assert found["spec"]["tags"] == [
        {"name": "a", "from": {"kind": "ImageStreamTag", "name": "b"}, **shown, **POLICIES},
        docker("b", "quay.io/foo/bar:b", **shown, **POLICIES),
        docker(
            "e",
            "quay.io/foo/bar:e",
            annotations={"x": "y"},
            generation=1,
            importPolicy={"insecure": True, "scheduled": True, "importMode": "PreserveOriginal"},
            referencePolicy={"type": "Local"},
        ),
        {"name": "nofrom", **shown, **POLICIES},
        docker("ref", "quay.io/foo/bar:r", reference=True, **shown, **POLICIES),
    ]
    event = {"created": NOW, "dockerImageReference": "quay.io/foo/bar:r", "image": "", "generation": 1}
    assert found["status"] == {"dockerImageRepository": "", "tags": [{"tag": "ref", "items": [event]}]}


async def test_what_clients_may_not_set(api: ApiCore) -> None:
    body = {
        "metadata": {
            "name": "own",
            "uid": "mine",
            "generation": 9,
            "creationTimestamp": "2000-01-01T00:00:00Z",
            "deletionTimestamp": "2000-01-01T00:00:00Z",
            "selfLink": "/x",
        },
        "spec": {"tags": [docker("x"), docker("x", "quay.io/app/web:v2"), docker("")]},
        "status": {"dockerImageRepository": "mine", "tags": [{"tag": "x", "items": []}]},
    }
    status, found = await ask_json(api, "POST", STREAMS, body)
    assert (status, found["metadata"]["generation"], found["metadata"]["creationTimestamp"]) == (201, 1, NOW)
    assert found["metadata"]["uid"] != "mine"
    assert not {"deletionTimestamp", "selfLink"} & set(found["metadata"])
    assert found["status"] == {"dockerImageRepository": ""}
    assert [(tag["name"], tag["from"]["name"]) for tag in found["spec"]["tags"]] == [
        ("", "quay.io/app/web:latest"),
        ("x", "quay.io/app/web:v2"),
    ]


NAME = '"[a-z0-9]+(?:[._-][a-z0-9]+)*"'
FORM = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"
KINDS = "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'"
SCHEDULED = "only tags pointing to Docker repositories may be scheduled for background import"


@pytest.mark.parametrize(
    ("metadata", "spec", "errors"),
    [
        ({"name": "Up"}, {}, [("FieldValueInvalid", "metadata.name", f'Invalid value: "Up": must match {NAME}')]),
        ({"name": "a__b"}, {}, [("FieldValueInvalid", "metadata.name", f'Invalid value: "a__b": must match {NAME}')]),
        ({"name": ".."}, {}, [("FieldValueInvalid", "metadata.name", "Invalid value: \"..\": may not be '..'")]),
        (
            {"name": "a/b%"},
            {},
            [
                ("FieldValueInvalid", "metadata.name", "Invalid value: \"a/b%\": may not contain '/'"),
                ("FieldValueInvalid", "metadata.name", "Invalid value: \"a/b%\": may not contain '%'"),
            ],
        ),
        ({}, {}, [("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")]),
        (
            {"name": "a" * 251},
            {},
            [
                (
                    "FieldValueInvalid",
                    "metadata.name",
                    f"Invalid value: \"{'a' * 251}\": 'namespace/name' cannot be longer than 255 characters",
                )
            ],
        ),
        (
            {"name": "x", "finalizers": ["bad"]},
            {},
            [
                (
                    "FieldValueInvalid",
                    "metadata.finalizers[0]",
                    'Invalid value: "bad": name is neither a standard finalizer name nor is it fully qualified',
                )
            ],
        ),
        (
            {"name": "x"},
            {"dockerImageRepository": "quay.io/a:b"},
            [
                (
                    "FieldValueInvalid",
                    "spec.dockerImageRepository",
                    'Invalid value: "quay.io/a:b": the repository name may not contain a tag',
                )
            ],
        ),
        (
            {"name": "x"},
            {"dockerImageRepository": f"quay.io/a@sha256:{'0' * 64}"},
            [
                (
                    "FieldValueInvalid",
                    "spec.dockerImageRepository",
                    f'Invalid value: "quay.io/a@sha256:{"0" * 64}": the repository name may not contain an ID',
                )
            ],
        ),
        (
            {"name": "x"},
            {"dockerImageRepository": "!"},
            [("FieldValueInvalid", "spec.dockerImageRepository", 'Invalid value: "!": invalid reference format')],
        ),
        (
            {"name": "x"},
            {"tags": [docker("t", "UP/x!")]},
            [("FieldValueInvalid", "spec.tags[t].from.name", 'Invalid value: "UP/x!": invalid reference format')],
        ),
        (
            {"name": "x"},
            {"tags": [docker("t", referencePolicy={"type": "Weird"}, importPolicy={"importMode": "Odd"})]},
            [
                (
                    "FieldValueInvalid",
                    "spec.tags[t].referencePolicy.type",
                    'Invalid value: "Weird": valid values are "Source", "Local"',
                ),
                (
                    "FieldValueInvalid",
                    "spec.tags[t].importPolicy.importMode",
                    "Invalid value: \"Odd\": invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'",
                ),
            ],
        ),
        (
            {"name": "x"},
            {"tags": [pointing("t", "ImageStreamTag", "x:y", importPolicy={"scheduled": True})]},
            [("FieldValueInvalid", "spec.tags[t].importPolicy.scheduled", f"Invalid value: true: {SCHEDULED}")],
        ),
    ],
)
async def test_refused(
    metadata: dict[str, Any], spec: dict[str, Any], errors: list[tuple[str, str, str]], api: ApiCore
) -> None:
    status, found = await ask_json(api, "POST", STREAMS, {"metadata": metadata, "spec": spec})
    assert (status, found["reason"], found["details"]["kind"]) == (422, "Invalid", "ImageStream")
    causes = [{"reason": reason, "message": message, "field": field} for reason, field, message in errors]
    assert found["details"]["causes"] == causes
    joined = ", ".join(f"{field}: {message}" for _, field, message in errors)
    text = f"[{joined}]" if len(errors) > 1 else joined
    assert found["message"] == f'ImageStream.image.openshift.io "{metadata.get("name", "")}" is invalid: {text}'
    assert (await ask(api, "GET", f"{STREAMS}/x")).status == 404


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        (pointing("c", "ImageStreamTag", "nostream:x"), 'spec.tags[c].from.name: Not found: "nostream:x"'),
        (pointing("c", "ImageStreamTag", "a:b:c"), f'spec.tags[c].from.name: Invalid value: "a:b:c": {FORM}'),
        (pointing("c", "ImageStreamImage", "a@b@c"), f'spec.tags[c].from.name: Invalid value: "a@b@c": {FORM}'),
        (
            pointing("c", "ImageStreamImage", "sha256:12"),
            (
                'spec.tags[c].from.name: Invalid value: "sha256:12": error generating tag event: '
                'imagestreamimage.image.openshift.io "sha256:12" not found'
            ),
        ),
    ],
)
async def test_references_that_lead_nowhere(tag: dict[str, Any], problem: str, api: ApiCore) -> None:
    status, found = await ask_json(api, "POST", STREAMS, {"metadata": {"name": "v1"}, "spec": {"tags": [tag]}})
    message = f'Internal error: imagestreams "v1" is invalid: {problem}'
    assert (status, found["message"]) == (422, f'ImageStream.image.openshift.io "v1" is invalid: []: {message}')
    assert found["details"]["causes"] == [{"reason": "InternalError", "message": message, "field": "[]"}]


async def test_names_that_are_made(api: ApiCore) -> None:
    status, found = await ask_json(api, "POST", STREAMS, {"metadata": {"generateName": "gen"}})
    assert (status, found["metadata"]["name"][:3], len(found["metadata"]["name"])) == (201, "gen", 8)
    status, found = await ask_json(api, "POST", STREAMS, {"metadata": {"generateName": "gen-"}})
    assert (status, found["details"]["causes"][0]["field"]) == (422, "metadata.generateName")
    assert found["details"]["name"].startswith("gen-")
    assert len(found["details"]["name"]) == 9


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"metadata": {"name": "own"}}, 409, 'imagestreams.image.openshift.io "own" already exists'),
        (
            {"metadata": {"name": "x", "resourceVersion": "5"}},
            500,
            "resourceVersion should not be set on objects to be created",
        ),
        (
            {"metadata": {"name": "x", "namespace": "other"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {"kind": "ImageStreamImport", "apiVersion": "image.openshift.io/v1"},
            400,
            (
                'ImageStreamImport in version "v1" cannot be handled as a ImageStream: converting '
                "(v1.ImageStreamImport) to "
                "(image.ImageStream): unknown conversion"
            ),
        ),
    ],
)
async def test_other_refusals(body: dict[str, Any], status: int, message: str, api: ApiCore) -> None:
    await created(api, "own")
    found = await ask_json(api, "POST", STREAMS, body)
    assert (found[0], found[1]["message"]) == (status, message)


# Updating


async def test_only_what_matters_to_imports_is_a_new_generation_of_a_tag(api: ApiCore) -> None:
    await created(api, "s", docker("a"), docker("b"))

    def edit(**fields: Any) -> Any:
        def change(body: dict[str, Any]) -> None:
            body["spec"]["tags"][0].update(fields)

        return change

    for fields, expected in (
        ({"importPolicy": {"scheduled": True}}, (2, {"a": 1, "b": 1})),
        ({"annotations": {"x": "y"}}, (3, {"a": 1, "b": 1})),
        ({"referencePolicy": {"type": "Local"}}, (4, {"a": 1, "b": 1})),
        ({"generation": 17}, (4, {"a": 1, "b": 1})),
        ({"generation": None}, (4, {"a": 1, "b": 1})),
        ({"annotations": {}}, (5, {"a": 1, "b": 1})),
        ({"annotations": None}, (5, {"a": 1, "b": 1})),
        ({"generation": 0}, (6, {"a": 6, "b": 1})),
        ({"from": {"kind": "DockerImage", "name": "quay.io/app/web:v2"}}, (7, {"a": 7, "b": 1})),
        ({"importPolicy": {"importMode": "PreserveOriginal"}}, (8, {"a": 8, "b": 1})),
        ({"reference": True}, (9, {"a": 9, "b": 1})),
    ):
        status, found = await changed(api, "s", edit(**fields))
        assert (status, generations(found)) == (200, expected), fields
    assert events(found, "a") == [("", 9)]
    status, found = await changed(api, "s", lambda body: body["spec"]["tags"].append(docker("c", generation=5)))
    assert generations(found) == (10, {"a": 9, "b": 1, "c": 10})


async def test_labels_are_no_new_generation_and_nothing_is_no_write(api: ApiCore) -> None:
    before = await created(api, "s", docker("a"))
    status, found = await changed(api, "s", lambda body: None)
    assert (status, found["metadata"]["resourceVersion"]) == (200, before["metadata"]["resourceVersion"])
    status, found = await changed(api, "s", lambda body: body["metadata"].update(labels={"x": "y"}))
    assert (found["metadata"]["generation"], found["metadata"]["labels"]) == (1, {"x": "y"})
    assert found["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    status, found = await changed(api, "s", lambda body: body["status"].update(tags=[{"tag": "z", "items": None}]))
    assert found["status"] == {"dockerImageRepository": ""}


async def test_removing_a_tag_keeps_its_history(api: ApiCore) -> None:
    await imported(api, "s", "t")
    status, found = await changed(api, "s", lambda body: body["spec"].update(tags=[]))
    assert (status, found["metadata"]["generation"], "tags" in found["spec"]) == (200, 2, False)
    assert [tag["tag"] for tag in found["status"]["tags"]] == ["t"]
    status, _ = await ask_json(api, "DELETE", f"{TAGS}/s:t")
    assert (status, (await stream(api, "s"))["status"]) == (200, {"dockerImageRepository": ""})


@pytest.mark.parametrize(
    ("metadata", "status", "message"),
    [
        (
            {},
            422,
            (
                'imagestreams.image.openshift.io "s" is invalid: metadata.resourceVersion: Invalid value: 0: '
                "must be specified for an update"
            ),
        ),
        (
            {"resourceVersion": "0"},
            422,
            (
                'imagestreams.image.openshift.io "s" is invalid: metadata.resourceVersion: Invalid value: 0: '
                "must be specified for an update"
            ),
        ),
        (
            {"resourceVersion": "1"},
            409,
            (
                'Operation cannot be fulfilled on imagestreams.image.openshift.io "s": the object has been modified; '
                "please apply your changes to the latest version and try again"
            ),
        ),
        ({"resourceVersion": "abc"}, 500, 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"name": "zz"}, 400, "the name of the object (zz) does not match the name on the URL (s)"),
        ({"name": ""}, 400, "the name of the object (s based on URL) was undeterminable: name must be provided"),
    ],
)
async def test_updates_refused(metadata: dict[str, Any], status: int, message: str, api: ApiCore) -> None:
    await created(api, "s")
    found = await ask_json(api, "PUT", f"{STREAMS}/s", {"metadata": {"name": "s", **metadata}})
    assert (found[0], found[1]["message"]) == (status, message)


async def test_what_is_immutable(api: ApiCore) -> None:
    await created(api, "s")
    status, found = await changed(api, "s", lambda body: body["metadata"].update(uid="1"))
    assert (status, found["reason"]) == (409, "Conflict")
    assert "Precondition failed: UID in precondition: 1, UID in object meta: " in found["message"]
    status, found = await ask_json(
        api, "PATCH", f"{STREAMS}/s", {"metadata": {"uid": "1"}}, content_type="application/merge-patch+json"
    )
    cause = {
        "reason": "FieldValueInvalid",
        "message": 'Invalid value: "1": field is immutable',
        "field": "metadata.uid",
    }
    assert (status, found["details"]["causes"]) == (422, [cause, cause]), "listed twice, as by the real server"
    assert found["message"].count("immutable") == 1
    assert (await ask(api, "PUT", f"{STREAMS}/none", {"metadata": {"name": "none"}})).status == 404


# References between tags


async def test_an_alias_follows_its_source(api: ApiCore) -> None:
    await imported(api, "al")
    body = {"metadata": {"name": "al:x"}, "tag": {"from": {"kind": "ImageStreamTag", "name": "latest"}}}
    status, _ = await ask_json(api, "PUT", f"{TAGS}/al:x", body)
    found = await stream(api, "al")
    assert (status, generations(found)) == (201, (2, {"latest": 1, "x": 2}))
    assert [number for _, number in events(found, "latest")] == [2], "the source's newest event is the alias's, too"
    assert events(found, "x") == events(found, "latest")
    await imported(api, "al", source="quay.io/app/oci:latest")
    found = await stream(api, "al")
    assert generations(found) == (3, {"latest": 3, "x": 2})
    assert [number for _, number in events(found, "latest")] == [3, 2]
    assert events(found, "x") == events(found, "latest")


async def test_references_to_another_stream(api: ApiCore) -> None:
    await imported(api, "src", "v1")
    (image,) = [image for image, _ in events(await stream(api, "src"), "v1")]
    other = {"metadata": {"name": "far"}, "spec": {"tags": []}}
    for tag in (
        pointing("tag", "ImageStreamTag", "src:v1"),
        pointing("image", "ImageStreamImage", f"src@{image}"),
        pointing("short", "ImageStreamImage", f"src@{image[7:13]}"),
        pointing("gone", "ImageStreamTag", "src:nothing"),
        {"name": "near", "from": {"kind": "ImageStreamTag", "name": "src:v1", "namespace": "demo"}},
    ):
        other["spec"]["tags"].append(tag)  # type: ignore[index]
    far = f"{GROUP}/namespaces/far/imagestreams"
    for tag in other["spec"]["tags"]:  # type: ignore[index]
        tag["from"]["namespace"] = "demo"
    status, found = await ask_json(api, "POST", far, other)
    assert status == 201, found
    assert {tag["tag"]: [item["image"] for item in tag["items"]] for tag in found["status"]["tags"]} == {
        "tag": [image],
        "image": [image],
        "short": [image],
        "near": [image],
    }
    assert {item["generation"] for tag in found["status"]["tags"] for item in tag["items"]} == {1}
    # Following works in the same stream only.
    await imported(api, "src", "v1", "quay.io/app/oci:latest")
    _, later = await ask_json(api, "GET", f"{far}/far")
    assert later["status"] == found["status"]


async def test_an_image_of_the_internal_registry_is_named_in_the_own_repository(store: Store) -> None:
    api = ApiCore(new_cluster(ClusterConfig(internalRegistryHostname="ir.svc:5000"), store))
    await created(api, "src")
    digest = f"sha256:{'7' * 64}"
    image = {"metadata": {"name": digest}, "dockerImageReference": f"ir.svc:5000/demo/src@{digest}"}
    mapping = {"metadata": {"name": "src"}, "tag": "v1", "image": image}
    assert (await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreammappings", mapping)).status == 201
    found = await created(api, "dst", pointing("a", "ImageStreamTag", "src:v1"))
    (event,) = found["status"]["tags"][0]["items"]
    assert event["dockerImageReference"] == f"ir.svc:5000/demo/dst@{digest}"
    found = await created(api, "ref", pointing("a", "ImageStreamTag", "src:v1", reference=True))
    (event,) = found["status"]["tags"][0]["items"]
    assert event["dockerImageReference"] == f"ir.svc:5000/demo/src@{digest}"


async def test_several_images_of_one_beginning(api: ApiCore) -> None:
    await created(api, "s")
    digests = [f"sha256:77{number}{'0' * 61}" for number in (1, 2)]
    for digest in digests:
        image = {"metadata": {"name": digest}, "dockerImageReference": f"quay.io/x/y@{digest}"}
        body = {"metadata": {"name": "s"}, "tag": "v1", "image": image}
        assert (await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreammappings", body)).status == 201
    tag = pointing("c", "ImageStreamImage", "77")
    status, found = await changed(api, "s", lambda body: body["spec"].update(tags=[tag]))
    assert status == 422
    problem = f'multiple images match the prefix "77": {", ".join(digests)}'
    assert f'Operation cannot be fulfilled on imagestreamimage.image.openshift.io "77": {problem}' in found["message"]


# What may be imported from where


async def test_registries_that_are_not_allowed(store: Store) -> None:
    config = ClusterConfig(
        internalRegistryHostname="", allowedRegistriesForImport=[AllowedRegistry(domain_name="quay.io", insecure=False)]
    )
    api = ApiCore(new_cluster(config, store))
    status, found = await ask_json(
        api, "POST", STREAMS, {"metadata": {"name": "s"}, "spec": {"tags": [docker("t", "docker.io/library/x")]}}
    )
    text = 'registry "docker.io" not allowed by whitelist: "quay.io:443"'
    assert (status, found["details"]["causes"]) == (
        422,
        [{"reason": "FieldValueForbidden", "message": f"Forbidden: {text}", "field": "spec.tags[t].from.name"}],
    )
    tag = docker("t", "quay.io/app/web:latest", importPolicy={"insecure": True})
    assert (await created(api, "insecure", tag))["spec"]["tags"][0]["importPolicy"]["insecure"] is True
    status, found = await ask_json(
        api, "POST", STREAMS, {"metadata": {"name": "r"}, "spec": {"dockerImageRepository": "down.example.com/a"}}
    )
    assert (status, found["details"]["causes"][0]["field"]) == (422, "spec.dockerImageRepository")


# The status


async def test_the_status_is_written_by_itself(api: ApiCore) -> None:
    await imported(api, "s", "t")
    before = await stream(api, "s")
    body = await stream(api, "s")
    body["spec"] = {"lookupPolicy": {"local": True}, "tags": [docker("mine")]}
    body["metadata"]["labels"] = {"x": "y"}
    body["status"]["dockerImageRepository"] = "as.sent/x"
    digest = f"sha256:{'1' * 64}"
    event = {"created": NOW, "dockerImageReference": f"quay.io/a/b@{digest}", "image": digest, "generation": 0}
    body["status"]["tags"].append({"tag": "u", "items": [event]})
    status, found = await ask_json(api, "PUT", f"{STREAMS}/s/status", body)
    assert status == 200
    assert found["spec"] == before["spec"] | {"lookupPolicy": {"local": True}}
    assert (found["metadata"]["labels"], found["metadata"]["generation"]) == ({"x": "y"}, 1)
    assert found["status"]["dockerImageRepository"] == "as.sent/x"
    assert events(found, "u") == [(digest, 1)]
    assert (await stream(api, "s"))["status"]["dockerImageRepository"] == ""
    _, kept = await ask_json(api, "GET", f"{STREAMS}/s/status")
    assert kept["status"]["dockerImageRepository"] == "as.sent/x"
    patch = {"status": {"tags": [{"tag": "u", "items": [{**event, "dockerImageReference": ""}]}]}}
    status, found = await ask_json(
        api, "PATCH", f"{STREAMS}/s/status", patch, content_type="application/strategic-merge-patch+json"
    )
    assert (status, found["details"]["causes"]) == (
        422,
        [
            {
                "reason": "FieldValueInvalid",
                "message": 'Invalid value: "": repository name must have at least one component',
                "field": "status.tags[u].items[0].dockerImageReference",
            }
        ],
    )


# Deleting


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (None, 200, ""),
        ({"propagationPolicy": "Background"}, 200, ""),
        ({"propagationPolicy": "Foreground"}, 200, ""),
        ({"kind": "DeleteOptions", "apiVersion": "image.openshift.io/v1"}, 200, ""),
        ({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}, 200, ""),
        (
            {"preconditions": {"uid": "x"}},
            409,
            (
                'Operation cannot be fulfilled on ImageStream.image.openshift.io "own": the UID in '
                "the precondition (x) does "
                "not match the UID in record (<uid>). The object might have been deleted and then recreated"
            ),
        ),
        (
            {"preconditions": {"resourceVersion": "1"}},
            409,
            (
                'Operation cannot be fulfilled on ImageStream.image.openshift.io "own": the '
                "ResourceVersion in the precondition "
                "(1) does not match the ResourceVersion in record (1000). The object might have been modified"
            ),
        ),
        (
            {"propagationPolicy": "Nope"},
            422,
            (
                'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: '
                '"Nope": supported values: '
                '"Foreground", "Background", "Orphan", "nil"'
            ),
        ),
        (
            b"{",
            500,
            "couldn't get version/kind; json parse error: unexpected end of JSON input",
        ),
    ],
)
async def test_deleting(body: Any, status: int, message: str, api: ApiCore) -> None:
    uid = (await created(api, "own"))["metadata"]["uid"]
    found = await ask_json(api, "DELETE", f"{STREAMS}/own", body)
    if status == 200:
        details = {"name": "own", "group": "image.openshift.io", "kind": "imagestreams", "uid": uid}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        assert found == (200, success)
    else:
        assert (found[0], found[1]["message"]) == (status, message.replace("<uid>", uid))
    assert (await ask(api, "GET", f"{STREAMS}/own")).status == (404 if status == 200 else 200)


async def test_finalizers_hold_an_object(api: ApiCore) -> None:
    body = {"metadata": {"name": "own", "finalizers": ["example.com/hold"]}}
    assert (await ask(api, "POST", STREAMS, body)).status == 201
    status, found = await ask_json(api, "DELETE", f"{STREAMS}/own")
    assert (status, found["kind"], found["metadata"]["deletionTimestamp"]) == (200, "ImageStream", NOW)
    assert (found["metadata"]["generation"], found["metadata"]["deletionGracePeriodSeconds"]) == (2, 0)
    body = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    status, found = await ask_json(api, "PATCH", f"{STREAMS}/own", body, content_type=MERGE)
    assert (status, found["details"]["causes"][0]["field"]) == (422, "metadata.finalizers")
    status, found = await ask_json(
        api, "PATCH", f"{STREAMS}/own", {"metadata": {"finalizers": None}}, content_type=MERGE
    )
    assert status == 200
    assert (await ask(api, "GET", f"{STREAMS}/own")).status == 404


async def test_a_dry_run_stores_nothing(api: ApiCore) -> None:
    status, found = await ask_json(api, "POST", f"{STREAMS}?dryRun=All", {"metadata": {"name": "dry"}})
    assert (status, "resourceVersion" in found["metadata"]) == (201, False)
    assert (await ask(api, "GET", f"{STREAMS}/dry")).status == 404
    before = await created(api, "own")
    for method, target, body, content_type in (
        ("PUT", f"{STREAMS}/own", before | {"spec": {"lookupPolicy": {"local": True}}}, "application/json"),
        ("PATCH", f"{STREAMS}/own", {"spec": {"lookupPolicy": {"local": True}}}, MERGE),
        ("DELETE", f"{STREAMS}/own", None, ""),
        ("POST", TAGS, {"metadata": {"name": "own:t"}, "tag": docker("t")}, "application/json"),
        ("PUT", f"{TAGS}/own:t", {"metadata": {"name": "own:t"}, "tag": docker("t")}, "application/json"),
    ):
        response = await ask(api, method, f"{target}?dryRun=All", body, content_type=content_type)
        assert response.status in (200, 201), response.body
        assert await stream(api, "own") == before
    status, found = await ask_json(api, "POST", f"{STREAMS}?dryRun=Foo", {"metadata": {"name": "dry"}})
    assert (status, found["message"]) == (
        422,
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Foo"]: supported values: "All"',
    )


async def test_imports_and_mappings_know_no_dry_run(api: ApiCore) -> None:
    body = image_import("app", "quay.io/app/web:latest")
    assert (await ask(api, "POST", f"{IMPORTS}?dryRun=All", body)).status == 201
    assert (await stream(api, "app"))["metadata"]["generation"] == 1
    digest = f"sha256:{'7' * 64}"
    image = {"metadata": {"name": digest}, "dockerImageReference": f"quay.io/x/y@{digest}"}
    mapping = {"metadata": {"name": "app"}, "tag": "pushed", "image": image}
    status, found = await ask_json(api, "POST", f"{GROUP}/namespaces/demo/imagestreammappings?dryRun=All", mapping)
    assert (status, found["status"]) == (201, "Success")
    assert events(await stream(api, "app"), "pushed") == [(digest, 1)]
