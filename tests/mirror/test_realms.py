"""Imports from registries whose tokens come from another host: who gets which credentials, over both transports."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.api import START, ask_json, image_import

from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore, Seen
from fake_registry.fixtures import Tree
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.importer.http_transport import HttpTransport
from mirror.importer.transport import Transport
from mirror.seed.synth import plant_pull_specs

IMPORTS = "/apis/image.openshift.io/v1/namespaces/demo/imagestreamimports"
AUTHORITY = CertificateAuthority.create()
REALM = "https://auth.docker.io/token"


def hosts(**fields: Any) -> dict[str, Host]:
    auth = Auth(type="bearer", realm=REALM, service="registry.docker.io", users={"me": "pass"}, **fields)
    return {"docker.io": Host(auth=auth), "auth.docker.io": Host()}


@asynccontextmanager
async def over(kind: str, core: RegistryCore, known: dict[str, Host]) -> AsyncIterator[Transport]:
    if kind == "embedded":
        yield EmbeddedTransport(core, known)
        return
    async with RegistryServer(core, AUTHORITY) as server:
        address = await server.start()
        async with HttpTransport(connect=address, ca=AUTHORITY.ca_pem) as transport:
            yield transport


Import = Callable[[str], Awaitable[dict[str, Any]]]


@pytest.mark.parametrize("kind", ["embedded", "http"])
@pytest.mark.parametrize(
    ("password", "anonymous", "reason"),
    [
        ("pass", False, ""),
        ("pass", True, ""),
        ("wrong", False, "InternalError"),
        (None, False, "InternalError"),
        (None, True, ""),
    ],
)
async def test_credentials_go_to_the_realm_and_nowhere_else(
    kind: str, password: str | None, anonymous: bool, reason: str, tmp_path: Path
) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    assert plant_pull_specs(tree, ["docker.io/team/app:1"], ["linux/amd64"]) == []
    known = hosts(anonymous=anonymous)
    core = RegistryCore(tree, known, clock=START.timestamp)
    asked: list[tuple[str, str, str]] = []

    def watch(seen: Seen) -> None:
        scheme = seen.request.headers.get("authorization", "").partition(" ")[0]
        asked.append((seen.entry.host, seen.request.path, scheme))

    core.watch(watch)
    secrets = []
    if password is not None:
        login = json.dumps({"auths": {"docker.io": {"username": "me", "password": password}}}).encode()
        data = {".dockerconfigjson": base64.b64encode(login).decode()}
        kind_of_secret = "kubernetes.io/dockerconfigjson"
        secrets = [{"kind": "Secret", "metadata": {"name": "pull"}, "type": kind_of_secret, "data": data}]
    async with over(kind, core, known) as transport:
        config = ClusterConfig(secrets=secrets)
        api = ApiCore(Cluster(config, transport, ManualClock(START), NamedUids()))
        status, document = await ask_json(api, "POST", IMPORTS, image_import("app", "docker.io/team/app:1"))
    assert status == 201
    assert document["status"]["images"][0]["status"].get("reason", "") == reason
    assert {host for host, _, scheme in asked if scheme == "Basic"} == ({"auth.docker.io"} if password else set())
    assert {host for host, _, scheme in asked if scheme == "Bearer"} <= {"docker.io"}
    assert {path for host, path, _ in asked if host == "auth.docker.io"} == {"/token"}
