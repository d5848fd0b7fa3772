"""Namespaces, projects, secrets, the cluster's configuration, reviews: what they hold, refuse, and bring about."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support.api import GROUP, TABLE, ask, ask_json, image_import, new_cluster

from mirror.api.access import Access
from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.api.authentication import Authenticator, UserConfig
from mirror.api.authorization import Authorizer, Rule
from mirror.api.protobuf import WireError, message, number, text, varint
from mirror.api.protobuf_objects import MAGIC, UnknownKindError, to_json
from mirror.config import ClusterConfig
from mirror.importer.allowed import AllowedRegistry
from mirror.store import Store

CORE = "/api/v1"
CONFIG = "/apis/config.openshift.io/v1"
PROJECTS = "/apis/project.openshift.io/v1"
SECRETS = f"{CORE}/namespaces/demo/secrets"
IMPORTS = f"{GROUP}/namespaces/demo/imagestreamimports"


async def whole_api(
    config: ClusterConfig | None = None,
    store: Store | None = None,
    access: Access | None = None,
    *,
    strict: bool = False,
) -> ApiCore:
    cluster = new_cluster(config, store)
    access = access or Access()
    around = await groups_around(cluster, access.authorizer, strict=strict)
    return ApiCore(cluster, around.groups, access, around.namespaces)


def docker_config(host: str = "quay.io") -> str:
    return json.dumps({"auths": {host: {"username": "u", "password": "p"}}})


# Namespaces


async def test_namespaces_are_there_from_the_start_and_come_with_what_is_in_them(store: Store) -> None:
    api = await whole_api(store=store)
    _, found = await ask_json(api, "GET", f"{CORE}/namespaces")
    assert [item["metadata"]["name"] for item in found["items"]] == ["default", "kube-system", "openshift"]
    await ask(api, "POST", IMPORTS, image_import("app", "quay.io/app/web:latest"))
    status, found = await ask_json(api, "GET", f"{CORE}/namespaces/demo")
    assert status == 200
    assert found["spec"] == {"finalizers": ["kubernetes"]}
    assert found["status"] == {"phase": "Active"}
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "demo"}


async def test_namespaces_may_be_required() -> None:
    api = await whole_api(strict=True)
    status, found = await ask_json(api, "POST", IMPORTS, image_import("app", "quay.io/app/web:latest"))
    assert (status, found["message"], found["details"]) == (
        404,
        'namespaces "demo" not found',
        {"name": "demo", "kind": "namespaces"},
    )
    await ask(api, "POST", f"{CORE}/namespaces", {"metadata": {"name": "demo"}})
    assert (await ask(api, "POST", IMPORTS, image_import("app", "quay.io/app/web:latest"))).status == 201


async def test_a_namespace_takes_its_content_with_it(store: Store) -> None:
    api = await whole_api(store=store)
    await ask(api, "POST", IMPORTS, image_import("app", "quay.io/app/web:latest"))
    await ask(api, "POST", SECRETS, {"metadata": {"name": "s"}})
    status, found = await ask_json(api, "DELETE", f"{CORE}/namespaces/demo")
    assert (status, found["kind"], found["status"]) == (200, "Namespace", {"phase": "Terminating"})
    for path in (f"{CORE}/namespaces/demo", f"{SECRETS}/s", f"{GROUP}/namespaces/demo/imagestreams/app"):
        assert (await ask(api, "GET", path)).status == 404
    await ask(api, "POST", IMPORTS, image_import("app", "quay.io/app/web:latest"))
    assert (await ask(api, "GET", f"{CORE}/namespaces/demo")).status == 200


async def test_names_of_namespaces() -> None:
    status, found = await ask_json(await whole_api(), "POST", f"{CORE}/namespaces", {"metadata": {"name": "A_b"}})
    assert status == 422
    assert found["message"].startswith(
        'Namespace "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of '
    )


async def test_projects_are_namespaces(store: Store) -> None:
    api = await whole_api(store=store)
    body = {"metadata": {"name": "web"}, "displayName": "The Web", "description": "Pages"}
    status, made = await ask_json(api, "POST", f"{PROJECTS}/projectrequests", body)
    assert (status, made["kind"], made["apiVersion"]) == (201, "Project", "project.openshift.io/v1")
    assert made["metadata"]["annotations"] == {
        "openshift.io/description": "Pages",
        "openshift.io/display-name": "The Web",
        "openshift.io/requester": "system:admin",
    }
    status, again = await ask_json(api, "POST", f"{PROJECTS}/projectrequests", body)
    assert (status, again["message"]) == (409, 'project.project.openshift.io "web" already exists')
    _, found = await ask_json(api, "GET", f"{PROJECTS}/projects", accept=TABLE)
    assert found["rows"][-1]["cells"] == ["web", "The Web", "Active"]
    assert (await ask(api, "GET", f"{CORE}/namespaces/web")).status == 200
    assert (await ask_json(api, "DELETE", f"{PROJECTS}/projects/web"))[1]["status"] == "Success"
    status, gone = await ask_json(api, "GET", f"{PROJECTS}/projects/web")
    assert (status, gone["message"]) == (404, 'projects.project.openshift.io "web" not found')
    assert (await ask_json(api, "GET", f"{PROJECTS}/projectrequests"))[1]["status"] == "Success"


# Secrets


async def test_secrets(store: Store) -> None:
    api = await whole_api(store=store)
    body = {"metadata": {"name": "s"}, "data": {"b": "Qg=="}, "stringData": {"a": "A"}}
    status, made = await ask_json(api, "POST", SECRETS, body)
    assert (status, made["data"], made["type"]) == (201, {"a": "QQ==", "b": "Qg=="}, "Opaque")
    assert "stringData" not in made
    _, found = await ask_json(api, "GET", SECRETS, accept=TABLE)
    assert found["rows"][0]["cells"] == ["s", "Opaque", 2, "0s"]
    assert (await ask_json(api, "POST", SECRETS, body))[1]["message"] == 'secrets "s" already exists'
    status, deleted = await ask_json(api, "DELETE", f"{SECRETS}/s")
    assert deleted["details"] == {"name": "s", "kind": "secrets", "uid": made["metadata"]["uid"]}
    assert (await ask_json(api, "GET", f"{SECRETS}/s"))[1]["message"] == 'secrets "s" not found'


JSON_TYPE = "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ({"type": JSON_TYPE}, "data[.dockerconfigjson]: Required value"),
        ({"type": "kubernetes.io/dockercfg"}, "data[.dockercfg]: Required value"),
        (
            {"type": JSON_TYPE, "stringData": {".dockerconfigjson": "[]"}},
            (
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array '
                "into Go value of type map[string]interface {}"
            ),
        ),
        (
            {"type": JSON_TYPE, "stringData": {".dockerconfigjson": ""}},
            'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
        ),
        (
            {"stringData": {"a b": "x"}},
            (
                "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', "
                "'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')"
            ),
        ),
    ],
)
async def test_secrets_that_are_refused(secret: dict[str, Any], problem: str) -> None:
    status, found = await ask_json(await whole_api(), "POST", SECRETS, {"metadata": {"name": "s"}, **secret})
    assert (status, found["message"]) == (422, f'Secret "s" is invalid: {problem}')


async def test_what_of_a_secret_cannot_change(store: Store) -> None:
    api = await whole_api(store=store)
    await ask(api, "POST", SECRETS, {"metadata": {"name": "s"}, "immutable": True, "stringData": {"a": "A"}})
    patch = {"content_type": "application/merge-patch+json"}
    _, found = await ask_json(api, "PATCH", f"{SECRETS}/s", {"data": {"a": "Qg=="}}, **patch)
    assert found["message"] == 'Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    _, found = await ask_json(api, "PATCH", f"{SECRETS}/s", {"type": "x"}, **patch)
    assert found["message"] == 'Secret "s" is invalid: type: Invalid value: "x": field is immutable'


async def test_stored_pull_secrets_are_used_and_shown(store: Store) -> None:
    private = ClusterConfig()
    api = await whole_api(private, store)
    body = {"metadata": {"name": "pull"}, "type": JSON_TYPE, "stringData": {".dockerconfigjson": docker_config()}}
    await ask(api, "POST", SECRETS, body)
    await ask(api, "POST", SECRETS, {"metadata": {"name": "other"}})
    assert [secret.name for secret in await api.cluster.settings.pull_secrets("demo")] == ["pull"]
    assert await api.cluster.settings.pull_secrets("elsewhere") == []
    _, found = await ask_json(api, "GET", f"{GROUP}/namespaces/demo/imagestreams/any/secrets")
    assert [item["metadata"]["name"] for item in found["items"]] == ["pull"]
    assert found["metadata"]["resourceVersion"]


async def secrets_by_page(api: ApiCore, query: str) -> list[tuple[list[str], int | None]]:
    """Pull secrets and how many secrets follow, page by page."""
    path, pages, token = f"{GROUP}/namespaces/demo/imagestreams/any/secrets{query}", [], ""
    while not pages or token:
        status, found = await ask_json(api, "GET", f"{path}&continue={token}" if token else path)
        assert status == 200, found
        meta = found["metadata"]
        pages.append(([item["metadata"]["name"] for item in found["items"]], meta.get("remainingItemCount")))
        token = meta.get("continue", "")
    return pages


async def pull_secret(api: ApiCore, name: str) -> None:
    body = {"metadata": {"name": name}, "type": JSON_TYPE, "stringData": {".dockerconfigjson": docker_config()}}
    assert (await ask(api, "POST", SECRETS, body)).status == 201


async def test_pull_secrets_page_by_page_are_those_of_the_pages_of_all_secrets(store: Store) -> None:
    api = await whole_api(store=store)
    for name in "ace":
        await pull_secret(api, name)
    for name in "bd":
        await ask(api, "POST", SECRETS, {"metadata": {"name": name}})
    assert await secrets_by_page(api, "?limit=2") == [(["a"], 3), (["c"], 1), (["e"], None)]
    assert await secrets_by_page(api, "?limit=1&fieldSelector=metadata.name%21%3Da") == [
        ([], None),
        (["c"], None),
        ([], None),
        (["e"], None),
    ]
    path = f"{GROUP}/namespaces/demo/imagestreams/any/secrets"
    status, found = await ask_json(api, "GET", f"{path}?limit=1&continue=x")
    assert (status, found["reason"]) == (400, "BadRequest")
    _, first = await ask_json(api, "GET", f"{path}?limit=1")
    await pull_secret(api, "aa")
    _, rest = await ask_json(api, "GET", f"{path}?continue={first['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c", "e"], "as of the version of the first page"


async def test_configured_secrets_are_in_the_pages_too(store: Store) -> None:
    secrets = [
        {"kind": "Secret", "metadata": {"name": name}, "type": JSON_TYPE, "stringData": {".dockerconfigjson": "{}"}}
        for name in ("b", "d", "z")
    ]
    api = await whole_api(ClusterConfig(secrets=secrets), store)
    assert await secrets_by_page(api, "?limit=2") == [(["b", "d"], 1), (["z"], None)]
    for name in "ace":
        await pull_secret(api, name)
    everything = [(["a", "b"], 4), (["c", "d"], 2), (["e", "z"], None)]
    assert await secrets_by_page(api, "?limit=2") == everything
    assert await secrets_by_page(api, "?limit=10") == [(["a", "b", "c", "d", "e", "z"], None)]


async def test_a_written_secret_takes_the_place_of_a_configured_one(store: Store) -> None:
    """One name is one object: what is read under it is what imports use, and what lists show, once."""
    secrets = [
        {"kind": "Secret", "metadata": {"name": name}, "type": JSON_TYPE, "stringData": {".dockerconfigjson": "{}"}}
        for name in ("a", "c", "e")
    ]
    api = await whole_api(ClusterConfig(secrets=secrets), store)
    for name in "bcd":
        await pull_secret(api, name)
    assert await secrets_by_page(api, "?limit=2") == [(["a", "b"], 3), (["c", "d"], 1), (["e"], None)]
    written = await api.cluster.settings.pull_secrets("demo")
    logins = {one.name: one.data[".dockerconfigjson"] for one in written}
    assert list(logins) == ["a", "b", "c", "d", "e"]
    assert {name for name, data in logins.items() if data != b"{}"} == set("bcd")
    _, elsewhere = await ask_json(api, "GET", f"{GROUP}/namespaces/elsewhere/imagestreams/any/secrets")
    assert [item["metadata"]["name"] for item in elsewhere["items"]] == ["a", "c", "e"]
    # A secret that hides a configured one hides it from selectors, too, that it does not match itself.
    await ask(api, "POST", SECRETS, {"metadata": {"name": "e"}, "type": "Opaque"})
    selected = f"{GROUP}/namespaces/demo/imagestreams/any/secrets?fieldSelector=type%3D{JSON_TYPE}"
    _, found = await ask_json(api, "GET", selected)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b", "c", "d"]


async def test_there_are_no_services(store: Store) -> None:
    api = await whole_api(store=store)
    status, found = await ask_json(api, "GET", f"{CORE}/namespaces/kube-system/services?labelSelector=a%3Dtrue")
    assert (status, found["kind"], found["items"]) == (200, "ServiceList", [])
    status, found = await ask_json(api, "GET", f"{CORE}/services", accept=TABLE)
    assert [column["name"] for column in found["columnDefinitions"]][:2] == ["Name", "Type"]
    status, found = await ask_json(api, "GET", f"{CORE}/namespaces/demo/services/x")
    assert (status, found["message"]) == (404, 'services "x" not found')
    assert (await ask(api, "POST", f"{CORE}/namespaces/demo/services", {})).status == 405


# The cluster's configuration


async def message_of(api: ApiCore, source: str = "quay.io/app/web:latest") -> str:
    """What an import without consequences says."""
    body = image_import("app", source)
    body["spec"]["import"] = False
    status, found = await ask_json(api, "POST", IMPORTS, body)
    return str(found["status"]["images"][0]["status"].get("message", "")) if status == 201 else str(found["message"])


async def test_the_image_configuration_is_that_of_the_file() -> None:
    config = ClusterConfig(blockedRegistries=["bad.example.com"], allowedRegistriesForImport=[AllowedRegistry("*")])
    _, found = await ask_json(await whole_api(config), "GET", f"{CONFIG}/images/cluster")
    assert (found["kind"], found["apiVersion"]) == ("Image", "config.openshift.io/v1")
    assert found["spec"] == {
        "allowedRegistriesForImport": [{"domainName": "*"}],
        "registrySources": {"blockedRegistries": ["bad.example.com"]},
        "imageStreamImportMode": "Legacy",
    }
    assert found["status"]["internalRegistryHostname"] == "image-registry.openshift-image-registry.svc:5000"


async def test_changes_of_the_image_configuration_count_from_the_next_import_on(store: Store) -> None:
    api = await whole_api(store=store)
    assert await message_of(api) == ""
    patch = {"spec": {"registrySources": {"blockedRegistries": ["quay.io"]}}}
    headers = {"content_type": "application/merge-patch+json"}
    status, found = await ask_json(api, "PATCH", f"{CONFIG}/images/cluster", patch, **headers)
    assert (status, found["metadata"]["generation"]) == (200, 2)
    assert await message_of(api) == "forbidden: registry quay.io blocked"
    patch = {"spec": {"registrySources": None, "allowedRegistriesForImport": [{"domainName": "example.com"}]}}
    await ask(api, "PATCH", f"{CONFIG}/images/cluster", patch, **headers)
    assert await message_of(api) == ""
    body = image_import("app", "quay.io/app/web:latest")
    status, found = await ask_json(api, "POST", IMPORTS, body)
    assert (status, found["details"]["kind"]) == (422, "ImageStream")


async def test_both_lists_of_registries_at_once_are_refused() -> None:
    sources = {"blockedRegistries": ["a"], "allowedRegistries": ["b"]}
    body = {"metadata": {"name": "other"}, "spec": {"registrySources": sources}}
    status, found = await ask_json(await whole_api(), "POST", f"{CONFIG}/images", body)
    assert status == 422
    assert "Only one of blockedRegistries or allowedRegistries may be set" in found["message"]


async def test_a_changed_file_wins_over_what_was_stored_and_the_same_file_does_not(store: Store) -> None:
    first = ClusterConfig(blockedRegistries=["quay.io"])
    api = await whole_api(first, store)
    patch = {"spec": {"registrySources": None}}
    await ask(api, "PATCH", f"{CONFIG}/images/cluster", patch, content_type="application/merge-patch+json")
    assert await message_of(await whole_api(first, store)) == ""
    assert "blocked" in await message_of(await whole_api(ClusterConfig(blockedRegistries=["quay.io", "x.io"]), store))


MIRRORED = [
    (
        f"{CONFIG}/imagetagmirrorsets",
        {"imageTagMirrors": [{"source": "down.example.com/app", "mirrors": ["quay.io/app"]}]},
        "down.example.com/app/web:latest",
    ),
    (
        f"{CONFIG}/imagedigestmirrorsets",
        {"imageDigestMirrors": [{"source": "down.example.com/app", "mirrors": ["quay.io/app"]}]},
        "down.example.com/app/web@sha256:13fe8e49affee51672845f74a301694b65cedb694eee56f78b96c1fce6a2face",
    ),
    (
        "/apis/operator.openshift.io/v1alpha1/imagecontentsourcepolicies",
        {"repositoryDigestMirrors": [{"source": "down.example.com/app", "mirrors": ["quay.io/app"]}]},
        "down.example.com/app/web@sha256:13fe8e49affee51672845f74a301694b65cedb694eee56f78b96c1fce6a2face",
    ),
]


@pytest.mark.parametrize(("path", "spec", "source"), MIRRORED)
async def test_mirror_sets_count_from_the_next_import_on(
    path: str, spec: dict[str, Any], source: str, store: Store
) -> None:
    api = await whole_api(store=store)
    assert "connection refused" in await message_of(api, source)
    status, made = await ask_json(api, "POST", path, {"metadata": {"name": "m"}, "spec": spec})
    assert (status, made["spec"]) == (201, spec)
    assert await message_of(api, source) == ""
    await ask(api, "DELETE", f"{path}/m")
    assert "connection refused" in await message_of(api, source)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({}, "spec.imageDigestMirrors[0].source: Required value"),
        (
            {"source": "a b"},
            'spec.imageDigestMirrors[0].source: Invalid value: "a b": spec.imageDigestMirrors[0].source ',
        ),
        ({"source": "a", "mirrors": ["*.b"]}, 'spec.imageDigestMirrors[0].mirrors[0]: Invalid value: "*.b": '),
        (
            {"source": "a", "mirrorSourcePolicy": "No"},
            (
                'spec.imageDigestMirrors[0].mirrorSourcePolicy: Unsupported value: "No": supported values: '
                '"NeverContactSource", "AllowContactingSource"'
            ),
        ),
        ({"source": "a/" + "b-" * 5000}, "spec.imageDigestMirrors[0].source: Invalid value: "),
    ],
)
async def test_mirror_sets_that_are_refused(rule: dict[str, Any], problem: str) -> None:
    body = {"metadata": {"name": "m"}, "spec": {"imageDigestMirrors": [rule]}}
    status, found = await ask_json(await whole_api(), "POST", f"{CONFIG}/imagedigestmirrorsets", body)
    assert status == 422
    assert found["message"].startswith(f'ImageDigestMirrorSet.config.openshift.io "m" is invalid: {problem}')


@pytest.mark.parametrize("source", ["quay.io", "quay.io:443/a/b", "*.redhat.io", "localhost:5000", "a.b/c__d/e-f.g"])
async def test_sources_of_mirror_sets(source: str) -> None:
    body = {"metadata": {"name": "m"}, "spec": {"imageDigestMirrors": [{"source": source}]}}
    assert (await ask(await whole_api(), "POST", f"{CONFIG}/imagedigestmirrorsets", body)).status == 201


# Oneself

READER = Rule(users=["jane"], verbs=["get", "list"], resources=["imagestreams"], namespaces=["demo"])
JANE = {"authorization": "Bearer j"}


def of_jane(*rules: Rule) -> Access:
    return Access(Authenticator([UserConfig(name="jane", token="j", groups=["team"])]), Authorizer(list(rules)))


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        ({"verb": "get", "group": "image.openshift.io", "resource": "imagestreams", "namespace": "demo"}, True),
        ({"verb": "get", "group": "image.openshift.io", "resource": "imagestreams", "namespace": "other"}, False),
        ({"verb": "create", "group": "image.openshift.io", "resource": "images"}, False),
    ],
)
async def test_may_i(attributes: dict[str, str], allowed: bool) -> None:
    api = await whole_api(access=of_jane(READER))
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, found = await ask_json(api, "POST", path, {"spec": {"resourceAttributes": attributes}}, **JANE)
    assert (status, found["kind"], found["status"]["allowed"]) == (201, "SelfSubjectAccessReview", allowed)
    assert ("reason" in found["status"]) is not allowed
    status, found = await ask_json(api, "POST", path, {"spec": {}}, **JANE)
    assert status == 400


async def test_what_may_i_do_and_who_am_i() -> None:
    api = await whole_api(access=of_jane(READER))
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    _, found = await ask_json(api, "POST", path, {"spec": {"namespace": "demo"}}, **JANE)
    reviews, access = "authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    assert found["status"]["resourceRules"] == [
        {"verbs": ["get", "list"], "apiGroups": ["image.openshift.io", ""], "resources": ["imagestreams"]},
        {"verbs": ["create"], "apiGroups": [reviews], "resources": access},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
        {"verbs": ["get"], "apiGroups": ["user.openshift.io"], "resources": ["users"], "resourceNames": ["~"]},
    ]
    paths = {path for rule in found["status"]["nonResourceRules"] for path in rule["nonResourceURLs"]}
    assert {"/version", "/apis/*", "/openapi/*"} < paths
    assert found["status"]["incomplete"] is False
    _, found = await ask_json(api, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **JANE)
    assert found["status"] == {"userInfo": {"username": "jane", "groups": ["team", "system:authenticated"]}}
    _, found = await ask_json(api, "GET", "/apis/user.openshift.io/v1/users/~", **JANE)
    assert (found["kind"], found["metadata"]["name"], found["groups"][0]) == ("User", "jane", "team")
    assert (await ask(api, "GET", "/apis/user.openshift.io/v1/users/other", **JANE)).status == 403


# Protocol buffers


def protobuf(kind: str, raw: bytes, version: str = "v1") -> bytes:
    return MAGIC + message(1, text(1, version) + text(2, kind)) + message(2, raw)


def named_meta(name: str) -> bytes:
    stamp = message(8, b"")
    labels = message(11, text(1, "a") + text(2, "b"))
    return message(1, text(1, name) + stamp + labels)


PROTOBUF = {"content_type": "application/vnd.kubernetes.protobuf", "accept": "application/vnd.kubernetes.protobuf,*/*"}


async def test_secrets_and_namespaces_as_protocol_buffers() -> None:
    api = await whole_api()
    entry = message(2, text(1, ".dockerconfigjson") + message(2, docker_config().encode()))
    body = protobuf("Secret", named_meta("pull") + entry + text(3, JSON_TYPE))
    status, found = await ask_json(api, "POST", SECRETS, body, **PROTOBUF)
    assert (status, found["type"], found["metadata"]["labels"]) == (201, JSON_TYPE, {"a": "b"})
    assert base64.b64decode(found["data"][".dockerconfigjson"]).decode() == docker_config()
    status, _ = await ask_json(api, "POST", f"{CORE}/namespaces", protobuf("Namespace", named_meta("new")), **PROTOBUF)
    assert status == 201
    options = protobuf("DeleteOptions", message(2, text(1, "wrong")) + text(4, "Background"))
    status, found = await ask_json(api, "DELETE", f"{SECRETS}/pull", options, **PROTOBUF)
    assert (status, found["reason"]) == (409, "Conflict")
    options = protobuf("DeleteOptions", number(1, 0) + text(4, "Background"))
    assert (await ask(api, "DELETE", f"{SECRETS}/pull", options, **PROTOBUF)).status == 200


async def test_reviews_as_protocol_buffers() -> None:
    attributes = text(2, "get") + text(3, "image.openshift.io") + text(5, "imagestreams")
    body = protobuf("SelfSubjectAccessReview", message(2, message(1, attributes)), "authorization.k8s.io/v1")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, found = await ask_json(await whole_api(), "POST", path, body, **PROTOBUF)
    assert (status, found["status"]["allowed"]) == (201, True)


def test_numbers_and_times_in_protocol_buffers() -> None:
    meta = text(1, "n") + varint(7 << 3) + varint(-3) + message(8, number(1, 1767323045))
    owner = message(13, text(1, "Pod") + number(6, 1))
    found = json.loads(to_json(protobuf("Namespace", message(1, meta + owner) + message(99, b"x"))))
    assert found["metadata"] == {
        "name": "n",
        "generation": -3,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "ownerReferences": [{"kind": "Pod", "controller": True}],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        MAGIC + b"\x0a",
        MAGIC + b"\x08\x01",
        protobuf("Secret", b"\x08\x01"),
        protobuf("Secret", b"\x0a\x05a"),
    ],
)
def test_broken_protocol_buffers(body: bytes) -> None:
    with pytest.raises((WireError, UnknownKindError)):
        to_json(body)


async def test_other_kinds_are_not_read_from_protocol_buffers() -> None:
    api = await whole_api()
    status, found = await ask_json(api, "POST", SECRETS, protobuf("Pod", b""), **PROTOBUF)
    assert (status, found["reason"]) == (415, "UnsupportedMediaType")
    status, found = await ask_json(api, "POST", SECRETS, b"nonsense", **PROTOBUF)
    assert (status, found["reason"]) == (400, "BadRequest")
    streams = f"{GROUP}/namespaces/demo/imagestreams"
    assert (await ask(api, "POST", streams, protobuf("ImageStream", b""), **PROTOBUF)).status == 415


async def test_everything_is_described(store: Store) -> None:
    api = await whole_api(store=store)
    index = json.loads((await ask(api, "GET", "/openapi/v3")).body)["paths"]
    assert "api/v1" in index
    for entry in index.values():
        document = json.loads((await ask(api, "GET", entry["serverRelativeURL"])).body)
        for name, schema in document["components"]["schemas"].items():
            assert schema.get("description") or "Discovery" in name or "APIGroup" in name or "API" in name, name
            for field, shown in schema.get("properties", {}).items():
                known = shown.get("description") or name.startswith("io.k8s.apimachinery")
                assert known, f"{name}.{field}"
    assert (await ask(api, "GET", "/openapi/v2")).status == 200


async def test_images_are_those_that_clients_mean(store: Store) -> None:
    """Clients take the first group that has a resource of a name, so custom resources come last, as in a cluster."""
    api = await whole_api(store=store)
    _, found = await ask_json(api, "GET", "/apis")
    assert [group["name"] for group in found["groups"]] == [
        "authentication.k8s.io",
        "authorization.k8s.io",
        "image.openshift.io",
        "project.openshift.io",
        "user.openshift.io",
        "config.openshift.io",
        "operator.openshift.io",
    ]
