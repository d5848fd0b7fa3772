"""Who asks, and may they: tokens, certificates, rules, and the words of refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.api import GROUP, ask_json, image_import, new_cluster, request

from mirror.api.access import Access
from mirror.api.app import ApiCore
from mirror.api.authentication import Authenticator, UserConfig
from mirror.api.authorization import Authorizer, Rule
from mirror.api.failures import ApiFailure
from mirror.api.messages import ADMIN, Certificate, User
from mirror.api.requestinfo import RequestInfo, request_info
from mirror.config import ClusterConfig
from mirror.errors import InputError
from mirror.importer.allowed import AllowedRegistry

DEMO = f"{GROUP}/namespaces/demo"
USERS = [
    UserConfig(name="admin", token="root", groups=["system:masters"]),
    UserConfig(name="developer", token="dev", groups=["team"], uid="7"),
    UserConfig(name="certified", groups=["extra"]),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/version", RequestInfo("get", "/version")),
        ("GET", "/apis/image.openshift.io/v1", RequestInfo("get", "/apis/image.openshift.io/v1")),
        ("GET", "/api/v1", RequestInfo("get", "/api/v1")),
        ("GET", f"{DEMO}/imagestreams", ("list", "demo", "imagestreams", "", "")),
        ("GET", f"{DEMO}/imagestreams?watch=1", ("watch", "demo", "imagestreams", "", "")),
        ("GET", f"{DEMO}/imagestreams?fieldSelector=metadata.name%3Dx", ("list", "demo", "imagestreams", "", "x")),
        ("GET", f"{DEMO}/imagestreams/x", ("get", "demo", "imagestreams", "", "x")),
        ("HEAD", f"{DEMO}/imagestreams/x", ("get", "demo", "imagestreams", "", "x")),
        ("GET", f"{DEMO}/imagestreamtags/x%3Ay", ("get", "demo", "imagestreamtags", "", "x:y")),
        ("GET", f"{DEMO}/imagestreams/x/layers", ("get", "demo", "imagestreams", "layers", "x")),
        ("GET", f"{GROUP}/watch/namespaces/demo/imagestreams/x", ("watch", "demo", "imagestreams", "", "x")),
        ("DELETE", f"{DEMO}/imagestreams", ("deletecollection", "demo", "imagestreams", "", "")),
        ("POST", f"{GROUP}/images", ("create", "", "images", "", "")),
        ("PATCH", f"{GROUP}/images/x", ("patch", "", "images", "", "x")),
        ("PUT", "/api/v1/namespaces/a/secrets/b", ("update", "a", "secrets", "", "b")),
        ("GET", "/api/v1/namespaces/a", ("get", "a", "namespaces", "", "a")),
        ("PUT", "/api/v1/namespaces/a/status", ("update", "a", "namespaces", "status", "a")),
        ("GET", "/api/v1/namespaces", ("list", "", "namespaces", "", "")),
    ],
)
def test_what_a_request_is_about(method: str, path: str, expected: object) -> None:
    found = request_info(request(method, path))
    if isinstance(expected, tuple):
        assert (found.verb, found.namespace, found.resource, found.subresource, found.name) == expected
        assert found.is_resource
    else:
        assert found == expected


def test_tokens_and_certificates() -> None:
    authenticator = Authenticator(USERS)
    found = authenticator.authenticate(request("GET", "/", authorization="Bearer dev"))
    assert found == User("developer", "7", ("team", "system:authenticated"))
    assert authenticator.authenticate(request("GET", "/", authorization="bearer root")).name == "admin"
    asked = request("GET", "/")
    asked.certificate = Certificate("certified", ("org",))
    assert authenticator.authenticate(asked) == User("certified", "", ("org", "extra", "system:authenticated"))


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer ", "Basic ZGV2OmRldg==", "dev"])
def test_without_good_credentials_nobody_is_known(header: str) -> None:
    with pytest.raises(ApiFailure) as caught:
        Authenticator(USERS).authenticate(request("GET", "/", authorization=header))
    assert caught.value.status.code == 401


def test_anonymous_only_when_allowed_and_not_with_a_wrong_token() -> None:
    authenticator = Authenticator(USERS, anonymous=True)
    assert authenticator.authenticate(request("GET", "/")).name == "system:anonymous"
    with pytest.raises(ApiFailure):
        authenticator.authenticate(request("GET", "/", authorization="Bearer wrong"))


def info(verb: str, resource: str, **more: str) -> RequestInfo:
    return RequestInfo(verb, "", True, "image.openshift.io", "v1", resource=resource, **more)


DEVELOPER = User("developer", groups=("team", "system:authenticated"))


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        ({"verbs": ["get"], "resources": ["imagestreams"]}, info("get", "imagestreams", namespace="a"), True),
        ({"verbs": ["get"], "resources": ["imagestreams"]}, info("list", "imagestreams"), False),
        ({"verbs": ["*"], "resources": ["*"]}, info("list", "images"), True),
        ({"verbs": ["*"], "resources": ["imagestreams"]}, info("get", "imagestreams", subresource="layers"), False),
        ({"verbs": ["*"], "resources": ["*/layers"]}, info("get", "imagestreams", subresource="layers"), True),
        ({"verbs": ["*"], "resources": ["imagestreams/*"]}, info("get", "imagestreams", subresource="status"), True),
        ({"verbs": ["*"], "resources": ["*"], "namespaces": ["a"]}, info("get", "images"), False),
        ({"verbs": ["*"], "resources": ["*"], "namespaces": ["a"]}, info("get", "imagestreams", namespace="a"), True),
        ({"verbs": ["*"], "resources": ["*"], "namespaces": ["a"]}, info("get", "imagestreams", namespace="b"), False),
        ({"verbs": ["*"], "resources": ["*"], "resource_names": ["x"]}, info("get", "images", name="x"), True),
        ({"verbs": ["*"], "resources": ["*"], "resource_names": ["x"]}, info("get", "images", name="y"), False),
        ({"verbs": ["*"], "resources": ["*"], "api_groups": ["other"]}, info("get", "images"), False),
        ({"verbs": ["get"], "paths": ["/metrics/*"]}, RequestInfo("get", "/metrics/slis"), True),
        ({"verbs": ["get"], "paths": ["/metrics/*"]}, RequestInfo("get", "/metrics"), False),
    ],
)
@pytest.mark.parametrize("whom", [{"users": ["developer"]}, {"groups": ["team"]}, {"users": ["*"]}])
def test_rules(rule: dict[str, list[str]], asked: RequestInfo, allowed: bool, whom: dict[str, list[str]]) -> None:
    authorizer = Authorizer([Rule(**rule, **whom)])
    assert authorizer.allows(DEVELOPER, asked) is allowed
    assert not Authorizer([Rule(**rule, users=["other"])]).allows(DEVELOPER, asked)
    assert authorizer.allows(ADMIN, asked)


def test_discovery_is_for_everybody_who_is_known() -> None:
    authorizer = Authorizer([])
    anonymous = User("system:anonymous", groups=("system:unauthenticated",))
    for path in ("/apis", "/apis/image.openshift.io/v1", "/openapi/v3/apis/x"):
        assert authorizer.allows(DEVELOPER, RequestInfo("get", path))
        assert not authorizer.allows(anonymous, RequestInfo("get", path))
    assert authorizer.allows(anonymous, RequestInfo("get", "/healthz"))
    assert not authorizer.allows(DEVELOPER, RequestInfo("get", "/metrics"))


def test_who_may_create_images() -> None:
    may = Rule(users=["developer"], verbs=["create"], resources=["images"])
    may_map = Rule(users=["developer"], verbs=["create"], resources=["imagestreammapping"])
    plural = Rule(users=["developer"], verbs=["create"], resources=["imagestreammappings"])
    assert Authorizer([may]).may_create_images(DEVELOPER)
    assert Authorizer([may_map]).may_create_images(DEVELOPER)
    assert not Authorizer([plural]).may_create_images(DEVELOPER)
    assert Authorizer().may_create_images(DEVELOPER)


READER = Rule(users=["developer"], verbs=["get", "list"], resources=["imagestreams"], namespaces=["demo"])


@pytest.mark.parametrize(
    ("method", "path", "message", "details"),
    [
        (
            "POST",
            f"{DEMO}/imagestreams",
            (
                'imagestreams.image.openshift.io is forbidden: User "developer" cannot create resource "imagestreams" '
                'in API group "image.openshift.io" in the namespace "demo"'
            ),
            {"group": "image.openshift.io", "kind": "imagestreams"},
        ),
        (
            "GET",
            f"{DEMO}/imagestreams/x/layers",
            (
                'imagestreams.image.openshift.io "x" is forbidden: User "developer" cannot get resource '
                '"imagestreams/layers" in API group "image.openshift.io" in the namespace "demo"'
            ),
            {"name": "x", "group": "image.openshift.io", "kind": "imagestreams"},
        ),
        (
            "GET",
            f"{GROUP}/imagestreams",
            (
                'imagestreams.image.openshift.io is forbidden: User "developer" cannot list resource "imagestreams" in '
                'API group "image.openshift.io" at the cluster scope'
            ),
            {"group": "image.openshift.io", "kind": "imagestreams"},
        ),
        (
            "GET",
            "/api/v1/namespaces/demo/secrets",
            (
                'secrets is forbidden: User "developer" cannot list resource "secrets" in API group "" in the '
                'namespace "demo"'
            ),
            {"kind": "secrets"},
        ),
        ("GET", "/metrics", 'forbidden: User "developer" cannot get path "/metrics"', {}),
    ],
)
async def test_refusals(method: str, path: str, message: str, details: dict[str, str]) -> None:
    api = ApiCore(new_cluster(), access=Access(Authenticator(USERS), Authorizer([READER])))
    status, found = await ask_json(api, method, path, authorization="Bearer dev")
    assert (status, found["message"], found["reason"], found["details"]) == (403, message, "Forbidden", details)


async def test_what_is_allowed_is_answered() -> None:
    api = ApiCore(new_cluster(), access=Access(Authenticator(USERS), Authorizer([READER])))
    assert (await ask_json(api, "GET", f"{DEMO}/imagestreams", authorization="Bearer dev"))[0] == 200
    assert (await ask_json(api, "GET", f"{GROUP}/imagestreams", authorization="Bearer root"))[0] == 200
    status, found = await ask_json(api, "GET", f"{DEMO}/imagestreams")
    assert (status, found["message"], found["reason"]) == (401, "Unauthorized", "Unauthorized")
    assert "details" not in found


async def test_acting_as_somebody_else() -> None:
    impersonator = Rule(users=["developer"], verbs=["impersonate"], resources=["users"], resource_names=["bob"])
    bob = Rule(users=["bob"], verbs=["list"], resources=["imagestreams"])
    api = ApiCore(new_cluster(), access=Access(Authenticator(USERS), Authorizer([impersonator, bob])))
    path = f"{DEMO}/imagestreams"
    as_bob = {"authorization": "Bearer dev", "impersonate_user": "bob"}
    assert (await ask_json(api, "GET", path, **as_bob))[0] == 200
    status, found = await ask_json(api, "GET", path, **(as_bob | {"impersonate_user": "eve"}))
    assert (status, found["message"]) == (
        403,
        (
            'users "eve" is forbidden: User "developer" cannot impersonate resource "users" in API group "" at the '
            "cluster scope"
        ),
    )
    assert (await ask_json(api, "GET", path, **as_bob, impersonate_group="system:masters"))[0] == 403


def test_access_files(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(
        "users:\n- {name: developer, token: dev, groups: [team]}\nclientCa: ca.pem\nanonymous: true\n"
        "rules:\n- {users: [developer], verbs: [get], resources: [imagestreams], apiGroups: [image.openshift.io]}\n"
    )
    access = Access.load(file)
    assert access.client_ca == tmp_path / "ca.pem"
    assert access.authorizer.rules is not None
    asked = request("GET", f"{DEMO}/imagestreams/x", authorization="Bearer dev")
    access.admit(asked)
    assert asked.user.name == "developer"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: [{name: a}, {name: a}]", "users: two have the same name"),
        ("users: [{name: a, token: x}, {name: b, token: x}]", "users: two have the same token"),
        ("users: [{name: ''}]", r"users\[0\]\.name: Expected `str` of length >= 1"),
        ("userz: []", "unknown field `userz`"),
    ],
)
def test_access_files_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=problem):
        Access.load(file)


async def test_who_may_create_images_may_import_from_everywhere() -> None:
    config = ClusterConfig(allowedRegistriesForImport=[AllowedRegistry("example.com")])
    importer = Rule(groups=["team"], verbs=["create"], resources=["imagestreamimports"])
    api = ApiCore(new_cluster(config), access=Access(Authenticator(USERS), Authorizer([importer])))
    body = image_import("app", "quay.io/app/web:latest")
    body["spec"]["import"] = False
    path = f"{DEMO}/imagestreamimports"
    status, found = await ask_json(api, "POST", path, body, authorization="Bearer dev")
    assert (status, found["details"]["kind"]) == (422, "ImageStreamImport")
    assert found["message"].startswith(
        'ImageStreamImport.image.openshift.io "app" is invalid: spec.images[0].from.name: Forbidden: importing images '
        'from registry "quay.io:443" is forbidden: '
    )
    assert (await ask_json(api, "POST", path, body, authorization="Bearer root"))[0] == 201
