"""Several users, and rules who may do what with which repository, however they prove who they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.registry import ask, body, error, header, put_image

from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import compute_digest

USERS = {"alice": "a-secret", "bob": "b-secret", "carol": "c-secret"}
RULES = [
    {"user": "alice", "repository": "team/*", "actions": ["pull", "push", "delete"]},
    {"user": "bob", "repository": "team/app", "actions": ["pull", "push"]},
    {"user": "*", "repository": "public/*", "actions": ["pull"]},
    {"user": "", "repository": "public/*", "actions": ["pull"]},
]

ALLOWED = {
    # who: what they may do with team/app, team/other, public/app
    "alice": ("pull push delete", "pull push delete", "pull"),
    "bob": ("pull push", "", "pull"),
    "carol": ("", "", "pull"),
    "": ("", "", "pull"),
}
REPOSITORIES = ("team/app", "team/other", "public/app")
REQUESTS = {
    "pull": ("GET", "/v2/{}/tags/list"),
    "push": ("POST", "/v2/{}/blobs/uploads/"),
    "delete": ("DELETE", "/v2/{}/manifests/none"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path)
    for name in REPOSITORIES:
        put_image(tree, name, "v1")
    return tree


def core_of(tree: Tree, kind: str | None, rules: list[dict[str, Any]] | None = RULES, **fields: Any) -> RegistryCore:
    auth = None if kind is None else Auth(type=kind, users=USERS, **{"anonymous": True, **fields})  # type: ignore[arg-type]
    return RegistryCore(tree, {"quay.io": msgspec.convert({"auth": auth, "access": rules}, Host, from_attributes=True)})


def password(user: str, secret: str | None = None) -> dict[str, str]:
    if not user:
        return {}
    text = f"{user}:{USERS[user] if secret is None else secret}"
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


async def token(core: RegistryCore, user: str, scope: str) -> dict[str, str]:
    response = await ask(core, f"/token?service=quay.io&scope={scope}", headers=password(user))
    assert response.status == 200
    return {"authorization": f"Bearer {json.loads(body(response))['token']}"}


@pytest.mark.parametrize("user", ALLOWED)
@pytest.mark.parametrize("repository", REPOSITORIES)
@pytest.mark.parametrize("action", REQUESTS)
@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_who_may_do_what(tree: Tree, kind: str, user: str, repository: str, action: str) -> None:
    core = core_of(tree, kind)
    allowed = action in ALLOWED[user][REPOSITORIES.index(repository)].split()
    headers = password(user)
    if kind == "bearer":
        headers = await token(core, user, f"repository:{repository}:pull,push,delete")
    method, path = REQUESTS[action]
    response = await ask(core, path.format(repository), method, headers=headers)
    if allowed:
        assert response.status in {200, 202, 404}
        assert {entry.user for entry in core.journal} == {user}
    elif kind == "basic" and user:
        assert (response.status, error(response)["code"]) == (403, "DENIED")
    else:
        assert (response.status, error(response)["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
async def test_only_their_own_passwords_are_good(tree: Tree, user: str) -> None:
    core = core_of(tree, "basic", None)
    for other, secret in USERS.items():
        response = await ask(core, "/v2/", headers=password(user, secret))
        assert response.status == (200 if other == user else 401)


async def test_one_user_and_more(tree: Tree) -> None:
    core = core_of(tree, "basic", None, username="me", password="m-secret")
    text = base64.b64encode(b"me:m-secret").decode()
    assert (await ask(core, "/v2/", headers={"authorization": f"Basic {text}"})).status == 200
    assert (await ask(core, "/v2/", headers=password("alice"))).status == 200


async def test_nobody_is_not_a_user(tree: Tree) -> None:
    """With users but no user name of its own, empty credentials are none."""
    response = await ask(core_of(tree, "basic", None, anonymous=False), "/v2/", headers={"authorization": "Basic Og=="})
    assert response.status == 401


async def test_rules_without_authentication(tree: Tree) -> None:
    core = core_of(tree, None)
    assert (await ask(core, "/v2/public/app/tags/list")).status == 200
    response = await ask(core, "/v2/team/app/tags/list")
    assert error(response) == {"code": "DENIED", "message": "requested access to the resource is denied"}
    assert (await ask(core, "/v2/public/app/blobs/uploads/", "POST")).status == 403
    assert (await ask(core, "/v2/")).status == 200


@pytest.mark.parametrize(
    ("user", "repositories"),
    [
        ("alice", ["public/app", "team/app", "team/other"]),
        ("bob", ["public/app", "team/app"]),
        ("carol", ["public/app"]),
    ],
)
@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_the_catalog_shows_what_may_be_read(tree: Tree, kind: str, user: str, repositories: list[str]) -> None:
    core = core_of(tree, kind)
    headers = password(user) if kind == "basic" else await token(core, user, "registry:catalog:*")
    response = await ask(core, "/v2/_catalog", headers=headers)
    assert json.loads(body(response))["repositories"] == repositories


async def test_mounts_need_their_source_to_be_readable(tree: Tree) -> None:
    core = core_of(tree, "basic", [*RULES, {"user": "carol", "repository": "own/*", "actions": ["pull", "push"]}])
    digest = compute_digest(b"layer")
    for source, status in (("team/app", 202), ("public/app", 201)):
        path = f"/v2/own/{source}/blobs/uploads/?mount={digest}&from={source}"
        assert (await ask(core, path, "POST", headers=password("carol"))).status == status


async def test_the_challenge_asks_for_what_pushing_takes(tree: Tree) -> None:
    response = await ask(core_of(tree, "bearer"), "/v2/team/app/blobs/uploads/", "POST")
    assert (header(response, "WWW-Authenticate") or "").endswith('scope="repository:team/app:pull,push"')


@pytest.mark.parametrize(
    "rule",
    [{"actions": ["read"]}, {"user": "a"}, {"actions": ["pull"], "users": ["a"]}, {"actions": "pull"}],
)
def test_what_is_no_rule(rule: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"access": [rule]}, Host)
