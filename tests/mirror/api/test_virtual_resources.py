"""Image stream tags, image tags, image stream images, mappings, images and signatures, as the real server has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.api import GROUP, ask, ask_json, image_import, new_cluster

from mirror.api.app import ApiCore
from mirror.config import ClusterConfig
from mirror.store import Store

DEMO = f"{GROUP}/namespaces/demo"
STREAMS, TAGS, IMAGE_TAGS = f"{DEMO}/imagestreams", f"{DEMO}/imagestreamtags", f"{DEMO}/imagetags"
NOW = "2026-01-02T03:04:05Z"
SOURCE = "quay.io/app/web:latest"
DIGEST = "sha256:13fe8e49affee51672845f74a301694b65cedb694eee56f78b96c1fce6a2face"
POLICIES = {"importPolicy": {"importMode": "Legacy"}, "referencePolicy": {"type": "Source"}}
EMPTY_IMAGE = {
    "metadata": {},
    "dockerImageMetadata": {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": "",
        "Created": None,
        "ContainerConfig": {},
    },
    "dockerImageMetadataVersion": "1.0",
}
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
FROM = {"from": {"kind": "DockerImage", "name": SOURCE}}


@pytest.fixture
def api(store: Store) -> ApiCore:
    return ApiCore(new_cluster(ClusterConfig(internalRegistryHostname="ir.svc:5000"), store))


async def imported(api: ApiCore, name: str = "app", tag: str = "t", source: str = SOURCE) -> None:
    assert (await ask(api, "POST", f"{DEMO}/imagestreamimports", image_import(name, source, tag))).status == 201


async def stream(api: ApiCore, name: str = "app") -> dict[str, Any]:
    _, found = await ask_json(api, "GET", f"{STREAMS}/{name}")
    return dict(found)


def status_of(name: str, kind: str, message: str, reason: str = "NotFound", code: int = 404) -> dict[str, Any]:
    details = {"name": name, "group": "image.openshift.io", "kind": kind}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**status, "message": message, "reason": reason, "details": details, "code": code}


@pytest.mark.parametrize(
    ("target", "kind", "name"),
    [
        ("imagestreamtags/none:x", "imagestreamtags", "none"),
        ("imagestreamtags/app:b", "imagestreamtags", "app:b"),
        ("imagetags/none:x", "imagetags", "none"),
        ("imagetags/app:zz", "imagetags", "app:zz"),
        ("imagestreamimages/none@sha256:aa", "imagestreamimages", "none"),
        ("imagestreamimages/app@sha256:aa", "imagestreamimage", "app@sha256:aa"),
        ("imagestreams/none", "imagestreams", "none"),
    ],
)
async def test_what_is_not_there(target: str, kind: str, name: str, api: ApiCore) -> None:
    await imported(api)
    found = await ask_json(api, "GET", f"{DEMO}/{target}")
    assert found == (404, status_of(name, kind, f'{kind}.image.openshift.io "{name}" not found'))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("imagestreamtags/app", "ImageStreamTags must be retrieved with <name>:<tag>"),
        ("imagestreamtags/app:", "ImageStreamTags must be retrieved with <name>:<tag>"),
        ("imagestreamtags/a:b:c", "ImageStreamTags must be retrieved with <name>:<tag>"),
        ("imagetags/:t", "ImageTags must be retrieved with <name>:<tag>"),
        ("imagestreamimages/app", "ImageStreamImages must be retrieved with <name>@<id>"),
        ("imagestreamimages/app@", "ImageStreamImages must be retrieved with <name>@<id>"),
    ],
)
async def test_names_that_are_none(target: str, message: str, api: ApiCore) -> None:
    status, found = await ask_json(api, "GET", f"{DEMO}/{target}")
    assert (status, found["reason"], found["message"], "details" in found) == (400, "BadRequest", message, False)


async def test_an_image_that_has_gone(api: ApiCore) -> None:
    await imported(api)
    assert (await ask(api, "DELETE", f"{GROUP}/images/{DIGEST}")).status == 200
    status, found = await ask_json(api, "GET", f"{TAGS}/app:t")
    assert (status, found["message"]) == (404, f'imagestreamtags.image.openshift.io "{DIGEST}" not found')
    status, found = await ask_json(api, "GET", f"{IMAGE_TAGS}/app:t")
    assert (status, found["image"]) == (200, None)
    _, layers = await ask_json(api, "GET", f"{STREAMS}/app/layers")
    assert layers["images"] == {DIGEST: {"imageMissing": True, "layers": None, "config": None}}


# Image stream tags


async def test_a_tag_with_an_image(api: ApiCore) -> None:
    await imported(api)
    patch = {"metadata": {"labels": {"l": "1"}}, "spec": {"tags": [{"name": "t", "annotations": {"x": "y"}}]}}
    content_type = "application/strategic-merge-patch+json"
    assert (await ask(api, "PATCH", f"{STREAMS}/app", patch, content_type=content_type)).status == 200
    status, found = await ask_json(api, "GET", f"{TAGS}/app%3At")
    of = (await stream(api))["metadata"]
    assert (status, list(found)) == (
        200,
        ["kind", "apiVersion", "metadata", "tag", "generation", "lookupPolicy", "image"],
    )
    assert found["metadata"] == {
        "name": "app:t",
        "namespace": "demo",
        "uid": of["uid"],
        "resourceVersion": of["resourceVersion"],
        "creationTimestamp": NOW,
        "labels": {"l": "1"},
        "annotations": {"x": "y"},
    }
    assert found["tag"] == {"name": "t", "annotations": {"x": "y"}, **FROM, "generation": 1, **POLICIES}
    assert (found["generation"], found["lookupPolicy"]) == (1, {"local": False})
    assert found["image"]["metadata"]["annotations"]["x"] == "y"
    assert not {"dockerImageManifest", "dockerImageConfig"} & set(found["image"])


@pytest.mark.parametrize(("policy", "reference"), [("Source", "quay.io/app/web"), ("Local", "ir.svc:5000/demo/app")])
async def test_the_reference_that_consumers_get(policy: str, reference: str, api: ApiCore) -> None:
    body = image_import("app", SOURCE, "t")
    body["spec"]["images"][0]["referencePolicy"] = {"type": policy}
    assert (await ask(api, "POST", f"{DEMO}/imagestreamimports", body)).status == 201
    for target in (f"{TAGS}/app:t", f"{IMAGE_TAGS}/app:t"):
        _, found = await ask_json(api, "GET", target)
        assert found["image"]["dockerImageReference"] == f"{reference}@{DIGEST}"
    _, found = await ask_json(api, "GET", TAGS)
    (item,) = found["items"]
    assert item["image"] == EMPTY_IMAGE | {
        "metadata": {"name": DIGEST},
        "dockerImageReference": f"{reference}@{DIGEST}",
    }
    assert "kind" not in item
    _, found = await ask_json(api, "GET", f"{DEMO}/imagestreamimages/app@{DIGEST}")
    assert found["image"]["dockerImageReference"] == f"quay.io/app/web@{DIGEST}"


async def test_creating_a_tag_and_its_stream(api: ApiCore) -> None:
    body = {"metadata": {"name": "made:1"}, "tag": {"name": "", "annotations": {}, **FROM}}
    status, found = await ask_json(api, "POST", TAGS, body)
    assert status == 201
    assert found["tag"] == {"name": "1", "annotations": None, **FROM, "generation": 1, **POLICIES}
    assert (found["generation"], found["image"], found["metadata"]["creationTimestamp"]) == (0, EMPTY_IMAGE, NOW)
    found = await ask_json(api, "POST", TAGS, body)
    message = 'imagestreamtag.image.openshift.io "made:1" already exists'
    assert found == (409, status_of("made:1", "imagestreamtag", message, "AlreadyExists", 409))
    status, found = await ask_json(api, "POST", TAGS, {"metadata": {"name": "bare:x"}, "tag": None})
    assert (status, found["tag"], "tags" in (await stream(api, "bare"))["spec"]) == (201, None, False)
    status, found = await ask_json(api, "POST", TAGS, {"metadata": {"name": "made"}, "tag": dict(FROM)})
    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    assert found == expected | {"message": '"made" must be of the form <stream_name>:<tag>', "code": 500}


@pytest.mark.parametrize(
    ("body", "kind", "field", "message"),
    [
        (
            {"metadata": {"name": "Bad:x"}, "tag": dict(FROM)},
            "ImageStream",
            "metadata.name",
            'Invalid value: "Bad": must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"',
        ),
        (
            {"metadata": {"name": "a:x"}, "tag": {"from": {"kind": "Other", "name": "y"}}},
            "ImageStreamTag",
            "tag.from.kind",
            "Required value: valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'",
        ),
        (
            {"metadata": {"name": "a:x"}, "tag": {**FROM, "annotations": {"a": "b"}}},
            "ImageStreamTag",
            "tag.annotations",
            (
                'Invalid value: "map[a:b]": tag annotations must not be provided or must be equal to the object meta '
                "annotations"
            ),
        ),
    ],
)
async def test_tags_refused(body: dict[str, Any], kind: str, field: str, message: str, api: ApiCore) -> None:
    status, found = await ask_json(api, "POST", TAGS, body)
    assert (status, found["details"]["kind"], found["details"]["causes"][-1]["field"]) == (422, kind, field)
    if field != "tag.annotations":
        assert found["details"]["causes"][-1]["message"] == message


async def test_setting_a_tag(api: ApiCore) -> None:
    body: dict[str, Any] = {"metadata": {"name": "app:t"}, "tag": {**FROM, "generation": 0}}
    status, found = await ask_json(api, "PUT", f"{TAGS}/app:t", body)
    assert (status, found["tag"]["generation"]) == (201, 1)
    status, found = await ask_json(api, "PUT", f"{TAGS}/app:t", body)
    assert (status, found["tag"]["generation"]) == (200, 2), "generation 0 asks for another import"
    body["metadata"] |= {"annotations": {"a": "b"}}
    status, found = await ask_json(api, "PUT", f"{TAGS}/app:t", {"metadata": body["metadata"]})
    assert (status, found["tag"]["annotations"], found["tag"]["from"]) == (200, {"a": "b"}, FROM["from"])
    status, found = await ask_json(api, "PUT", f"{TAGS}/app:9", {"metadata": {"name": "app:9"}})
    text = "imagestreamtag 9 is not a spec tag in imagestream demo/app, cannot be updated"
    assert (status, found["message"]) == (400, text)
    for stale, code, message in (
        (
            "app:t",
            409,
            'imagestreamtags.image.openshift.io "app:t": another caller has updated the resource version to ',
        ),
        ("none:t", 404, 'imagestreamtags.image.openshift.io "none:t" not found'),
    ):
        body["metadata"] = {"name": stale, "resourceVersion": "1"}
        status, found = await ask_json(api, "PUT", f"{TAGS}/{stale}", body)
        assert (status, message in found["message"]) == (code, True), found
    body["metadata"] = {"name": "app:t", "labels": {"no": "way"}}
    status, found = await ask_json(api, "PUT", f"{TAGS}/app:t", body)
    message = 'Invalid value: "": may not update fields other than metadata.annotations'
    assert (status, found["details"]["causes"][-1]["message"]) == (422, message)


@pytest.mark.parametrize("resource", ["imagestreamtags", "imagetags"])
async def test_removing_a_tag(resource: str, api: ApiCore) -> None:
    await imported(api)
    await imported(api, tag="u")
    target = f"{DEMO}/{resource}/app"
    status, found = await ask_json(api, "DELETE", f"{target}:t", {"preconditions": {"uid": "x"}})
    assert (status, found["message"].endswith('"app:t": the UID precondition was not met')) == (409, True)
    uid = (await stream(api))["metadata"]["uid"]
    body = {"kind": "DeleteOptions", "apiVersion": "image.openshift.io/v1", "preconditions": {"uid": uid}}
    assert await ask_json(api, "DELETE", f"{target}:t", body) == (200, SUCCESS)
    assert [tag["tag"] for tag in (await stream(api))["status"]["tags"]] == ["u"]
    status, found = await ask_json(api, "DELETE", f"{target}:t")
    assert (status, found["message"]) == (404, f'{resource}.image.openshift.io "app:t" not found')
    status, found = await ask_json(api, "DELETE", f"{DEMO}/{resource}/none:t")
    assert (status, found["message"]) == (404, f'{resource}.image.openshift.io "none" not found')
    assert await ask_json(api, "DELETE", f"{target}:u") == (200, SUCCESS)
    assert (await stream(api))["status"] == {"dockerImageRepository": "ir.svc:5000/demo/app"}


# Image tags


async def test_image_tags_are_those_of_spec_and_status(api: ApiCore) -> None:
    await imported(api)
    await ask(api, "PUT", f"{TAGS}/app:wanted", {"metadata": {"name": "app:wanted"}, "tag": dict(FROM)})
    of = await stream(api)
    _, found = await ask_json(api, "GET", IMAGE_TAGS)
    assert [item["metadata"]["name"] for item in found["items"]] == ["app:t", "app:wanted"]
    assert (found["metadata"], [item["image"] for item in found["items"]]) == ({}, [None, None])
    status, found = await ask_json(api, "GET", f"{IMAGE_TAGS}/app:wanted")
    assert (status, found["spec"]["name"], found["status"], found["image"]) == (200, "wanted", None, None)
    assert found["metadata"] == of["metadata"] | {"name": "app:wanted"}
    _, found = await ask_json(api, "GET", f"{IMAGE_TAGS}/app:t")
    assert (found["status"]["tag"], found["image"]["metadata"]["name"]) == ("t", DIGEST)


async def test_writing_image_tags(api: ApiCore) -> None:
    status, found = await ask_json(api, "POST", IMAGE_TAGS, {"metadata": {"name": "app:t"}})
    message = "Required value: spec is a required field during creation"
    assert (status, found["details"]["causes"][0]["message"]) == (422, message)
    body: dict[str, Any] = {"metadata": {"name": "app:t"}, "spec": {"name": "x", **FROM}}
    status, found = await ask_json(api, "POST", IMAGE_TAGS, body)
    message = 'Invalid value: "x": must match image tag name'
    assert (status, found["details"]["causes"][0]["message"]) == (422, message)
    body["spec"]["name"] = ""
    status, found = await ask_json(api, "POST", IMAGE_TAGS, body)
    assert (status, found["spec"]["name"], found["status"]) == (201, "t", None)
    status, found = await ask_json(api, "POST", IMAGE_TAGS, body)
    assert (status, found["details"]["kind"]) == (409, "imagetags")
    body["spec"]["name"] = "t"
    status, found = await ask_json(api, "PUT", f"{IMAGE_TAGS}/app:t", body)
    assert (status, found["spec"]["generation"]) == (200, 1)
    status, found = await ask_json(api, "PUT", f"{IMAGE_TAGS}/app:t", {"metadata": {"name": "app:t"}, "spec": None})
    assert (status, "tags" in (await stream(api))["spec"]) == (200, False)
    await imported(api)
    status, found = await ask_json(api, "PUT", f"{IMAGE_TAGS}/app:t", body)
    causes = [cause["message"] for cause in found["details"]["causes"]]
    assert (status, 'Invalid value: "": may not update fields other than spec' in causes) == (422, True)


# Image stream images, layers


async def test_images_of_a_stream_by_the_beginning_of_their_digest(api: ApiCore) -> None:
    await imported(api)
    for short in (DIGEST, DIGEST[:20], DIGEST[7:12], "sha256:"):
        status, found = await ask_json(api, "GET", f"{DEMO}/imagestreamimages/app@{short}")
        assert (status, list(found["metadata"])) == (200, ["name", "namespace", "creationTimestamp", "annotations"])
        assert (found["metadata"]["name"], found["image"]["metadata"]["name"]) == (f"app@{short}", DIGEST)


async def test_layers(api: ApiCore) -> None:
    body = image_import("app", "quay.io/app/multi:latest", "m")
    body["spec"]["images"][0]["importPolicy"] = {"importMode": "PreserveOriginal"}
    status, answer = await ask_json(api, "POST", f"{DEMO}/imagestreamimports", body)
    index = answer["status"]["images"][0]["image"]
    children = [image["metadata"]["name"] for image in answer["status"]["images"][0]["manifests"]]
    status, found = await ask_json(api, "GET", f"{STREAMS}/app/layers")
    assert (status, list(found)) == (200, ["kind", "apiVersion", "metadata", "blobs", "images"])
    assert (found["kind"], found["metadata"]["name"]) == ("ImageStreamLayers", "app")
    name = index["metadata"]["name"]
    assert found["images"][name] == {"layers": None, "config": None, "manifests": children} | (
        {"imageMissing": False} if "imageMissing" in found["images"][name] else {}
    )
    assert found["blobs"][name] == {"size": None, "mediaType": index["dockerImageManifestMediaType"]}
    for child in children:
        references = found["images"][child]
        assert found["blobs"][references["config"]]["size"] is None
        assert found["blobs"][references["config"]]["mediaType"].endswith(("container.image.v1+json", "config.v1+json"))
        assert all(found["blobs"][layer]["size"] > 0 for layer in references["layers"])


# Mappings


def mapping(stream_name: str = "app", **image: Any) -> dict[str, Any]:
    digest = f"sha256:{'7' * 64}"
    image = {"metadata": {"name": digest}, "dockerImageReference": f"quay.io/x/y@{digest}", **image}
    return {"metadata": {"name": stream_name}, "tag": "pushed", "image": image}


async def test_what_a_push_says(api: ApiCore) -> None:
    await imported(api)
    alias = {"metadata": {"name": "app:alias"}, "tag": {"from": {"kind": "ImageStreamTag", "name": "pushed"}}}
    assert (await ask(api, "POST", TAGS, alias)).status == 201
    before = await stream(api)
    found = await ask_json(api, "POST", f"{DEMO}/imagestreammappings", mapping())
    assert found == (201, SUCCESS | {"code": 201})
    after = await stream(api)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
    assert [tag["tag"] for tag in after["status"]["tags"]] == ["alias", "pushed", "t"]
    status, tag = await ask_json(api, "GET", f"{TAGS}/app:pushed")
    assert (status, tag["tag"], tag["image"]["metadata"]["name"]) == (200, None, f"sha256:{'7' * 64}")
    status, found = await ask_json(api, "POST", f"{DEMO}/imagestreammappings", mapping("nope"))
    assert (status, found["message"]) == (404, 'imagestreammappings.image.openshift.io "nope" not found')


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"metadata": {"name": "app"}, "image": {"metadata": {"name": "x"}, "dockerImageReference": "a/b"}},
            [("tag", "Required value")],
        ),
        (mapping(dockerImageReference="!"), [("image.dockerImageReference", "Invalid value")]),
        (
            mapping(
                dockerImageLayers=[{"name": "a", "size": 1, "mediaType": "x"}],
                dockerImageManifests=[{"digest": "x", "mediaType": "y", "manifestSize": -1}],
            ),
            [
                (
                    "image.dockerImageManifests[0].digest",
                    'Invalid value: "x": digest does not conform with OCI image specification',
                ),
                (
                    "image.dockerImageManifests[0].mediaType",
                    'Invalid value: "y": media type does not conform to RFC6838',
                ),
                ("image.dockerImageManifests[0].architecture", "Required value"),
                ("image.dockerImageManifests[0].os", "Required value"),
                ("image.dockerImageManifests[0].size", "Invalid value: -1: manifest size cannot be negative"),
                (
                    "image.dockerImageLayers",
                    (
                        'Invalid value: [{"Name":"a","LayerSize":1,"MediaType":"x"}]: '
                        "dockerImageLayers should not be set "
                        "when dockerImageManifests is set"
                    ),
                ),
            ],
        ),
    ],
)
async def test_mappings_refused(body: dict[str, Any], errors: list[tuple[str, str]], api: ApiCore) -> None:
    await imported(api)
    status, found = await ask_json(api, "POST", f"{DEMO}/imagestreammappings", body)
    causes = found["details"]["causes"]
    assert (status, found["details"]["kind"], len(causes)) == (422, "ImageStreamMapping", len(errors))
    for cause, (field, message) in zip(causes, errors, strict=True):
        assert (cause["field"], cause["message"][: len(message)]) == (field, message)


# Images and signatures


async def test_images(api: ApiCore) -> None:
    digest = f"sha256:{'8' * 64}"
    body = {"metadata": {"name": digest}, "dockerImageReference": f"quay.io/x/y@{digest}"}
    status, found = await ask_json(api, "POST", f"{GROUP}/images", body)
    assert (status, found["dockerImageMetadata"]) == (201, EMPTY_IMAGE["dockerImageMetadata"])
    assert not {"namespace", "generation"} & set(found["metadata"])
    status, again = await ask_json(api, "POST", f"{GROUP}/images", body)
    assert (status, again["message"]) == (409, f'images.image.openshift.io "{digest}" already exists')
    changed = found | {"dockerImageMetadata": EMPTY_IMAGE["dockerImageMetadata"] | {"Id": "x"}}
    changed["metadata"] = {**found["metadata"], "labels": {"a": "b"}}
    status, kept = await ask_json(api, "PUT", f"{GROUP}/images/{digest}", changed)
    assert (status, kept["metadata"]["labels"]) == (200, {"a": "b"})
    assert kept["dockerImageMetadata"] == EMPTY_IMAGE["dockerImageMetadata"]
    status, deleted = await ask_json(api, "DELETE", f"{GROUP}/images/{digest}")
    assert (status, deleted["details"]["kind"], deleted["details"]["name"]) == (200, "images", digest)
    status, found = await ask_json(api, "GET", f"{GROUP}/images/zzz")
    assert (status, found["message"]) == (404, 'images.image.openshift.io "zzz" not found')


async def test_signatures(api: ApiCore) -> None:
    await imported(api)
    path, name = f"{GROUP}/imagesignatures", f"{DIGEST}@mine"
    body = {
        "metadata": {"name": name},
        "type": "AtomicImageV1",
        "content": "c2lnbmF0dXJl",
        "conditions": [{"type": "Trusted", "status": "True"}],
        "imageIdentity": "mine",
        "signedClaims": {"a": "b"},
        "issuedBy": {"commonName": "me"},
        "issuedTo": {"publicKeyID": "k"},
    }
    status, found = await ask_json(api, "POST", path, body)
    assert status == 201, found
    assert set(found) == {"kind", "apiVersion", "metadata", "type", "content"}
    _, image = await ask_json(api, "GET", f"{GROUP}/images/{DIGEST}")
    assert [(one["metadata"]["name"], one["content"]) for one in image["signatures"]] == [(name, "c2lnbmF0dXJl")]
    for again in (name, f"{DIGEST}@other"):
        status, found = await ask_json(api, "POST", path, body | {"metadata": {"name": again}})
        assert (status, found["details"]["kind"]) == (409, "imageSignatures")
    status, found = await ask_json(api, "DELETE", f"{path}/{DIGEST}")
    text = "ImageSignatures must be accessed with <imageName>@<signatureName>"
    assert (status, found["message"]) == (400, text)
    status, found = await ask_json(api, "DELETE", f"{path}/{DIGEST}@none")
    assert (status, found["message"]) == (404, f'imageSignatures.image.openshift.io "{DIGEST}@none" not found')
    assert await ask_json(api, "DELETE", f"{path}/{name}") == (200, SUCCESS)
    _, image = await ask_json(api, "GET", f"{GROUP}/images/{DIGEST}")
    assert "signatures" not in image


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"metadata": {"name": "x"}, "type": "a", "content": "YQ=="}, ["metadata.name"]),
        ({"metadata": {"name": f"{DIGEST}@a"}}, ["type", "content"]),
        (
            {
                "metadata": {"name": f"{DIGEST}@a", "labels": {"a": "b"}, "annotations": {"a": "b"}},
                "type": "a",
                "content": "YQ==",
            },
            ["metadata.labels", "metadata.annotations"],
        ),
    ],
)
async def test_signatures_refused(body: dict[str, Any], fields: list[str], api: ApiCore) -> None:
    await imported(api)
    status, found = await ask_json(api, "POST", f"{GROUP}/imagesignatures", body)
    assert (status, [cause["field"] for cause in found["details"]["causes"]]) == (422, fields), json.dumps(found)
