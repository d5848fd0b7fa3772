"""The cluster's own pull secret: asked after those of the namespace, and never given up for a second try."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from support.api import START, ask_json, image_import

from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.seed.synth import plant_pull_specs

IMPORTS = "/apis/image.openshift.io/v1/namespaces/demo/imagestreamimports"
GOOD, BAD = {"username": "me", "password": "pass"}, {"username": "me", "password": "wrong"}


def secret(location: str, login: dict[str, str]) -> dict[str, Any]:
    text = json.dumps({"auths": {location: login}}).encode()
    return {
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(text).decode()},
    }


@pytest.mark.parametrize(
    ("kind", "own", "namespaces", "reason"),
    [
        ("basic", {}, [], "Unauthorized"),
        ("basic", {"auths": {"quay.io": GOOD}}, [], ""),
        ("bearer", {"auths": {"quay.io": GOOD}}, [], ""),
        ("basic", {"auths": {"other.example.com": GOOD}}, [], "Unauthorized"),
        # What cannot be read counts as not there.
        ("basic", {"auths": {"quay.io": {"auth": "!"}}}, [], "Unauthorized"),
        ("basic", {"auths": {"quay.io": {"auth": "!"}}}, [secret("quay.io", GOOD)], ""),
        # The namespace's comes first, however little it says of the path.
        ("basic", {"auths": {"quay.io/team": BAD}}, [secret("quay.io", GOOD)], ""),
        ("basic", {"auths": {"quay.io/team": GOOD}}, [secret("quay.io", BAD)], "Unauthorized"),
        # The second try, without the namespace's secrets, is made with the cluster's.
        ("bearer", {"auths": {"quay.io": GOOD}}, [secret("quay.io", BAD)], ""),
        ("bearer", {}, [secret("quay.io", BAD)], "InternalError"),
    ],
)
async def test_which_login_is_used(
    kind: Any, own: dict[str, Any], namespaces: list[dict[str, Any]], reason: str, tmp_path: Path
) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    assert plant_pull_specs(tree, ["quay.io/team/app:1"], ["linux/amd64"]) == []
    hosts = {"quay.io": Host(auth=Auth(type=kind, username="me", password="pass"))}
    transport = EmbeddedTransport(RegistryCore(tree, hosts, clock=START.timestamp), hosts)
    config = ClusterConfig(secrets=namespaces, globalPullSecret=own)
    api = ApiCore(Cluster(config, transport, ManualClock(START), NamedUids()))
    status, document = await ask_json(api, "POST", IMPORTS, image_import("app", "quay.io/team/app:1"))
    assert status == 201
    assert document["status"]["images"][0]["status"].get("reason", "") == reason
