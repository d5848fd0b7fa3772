"""The signatures extension: what is put is got back, goes with its image, and nothing else is let in."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.pushing import Client, CoreClient, Reply, SocketClient
from support.registry import HOST, put_image

from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, collect_garbage, verify
from fake_registry.oci import compute_digest
from fake_registry.server import RegistryServer

OFFERED = "x-registry-supports-signatures"
CONTENT = b"\x90\x0d\x03signed"
ABSENT = compute_digest(b"absent")
GUARDED = Auth(type="basic", username="me", password="secret", anonymous=True)
HOSTS = {
    HOST: Host(signatures=True),
    "docker.io": Host(),
    "private.example.com": Host(
        signatures=True, auth=Auth(type="basic", username="me", password="secret", anonymous=True)
    ),
}
ME = {"Authorization": f"Basic {base64.b64encode(b'me:secret').decode()}"}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree", create=True)


@pytest.fixture(params=["core", "sockets"])
async def client(request: pytest.FixtureRequest, tree: Tree) -> AsyncIterator[Client]:
    core = RegistryCore(tree, HOSTS)
    if request.param == "core":
        yield CoreClient(core, HOST)
        return
    async with RegistryServer(core) as server:
        hosts = {name: Host(scheme="http", **_fields(host)) for name, host in HOSTS.items()}
        core.configure(hosts)
        yield SocketClient(await server.start(), HOST)


def _fields(host: Host) -> dict[str, Any]:
    return {"signatures": host.signatures, "auth": host.auth}


def path(digest: str, name: str = "team/app") -> str:
    return f"/extensions/v2/{name}/signatures/{digest}"


def signature(digest: str, name: str = "one", content: bytes = CONTENT, **fields: Any) -> bytes:
    document = {"schemaVersion": 2, "name": f"{digest}@{name}", "type": "atomic"}
    return json.dumps(document | {"content": base64.b64encode(content).decode()} | fields).encode()


def listed(reply: Reply) -> list[tuple[str, bytes]]:
    assert (reply.status, reply.header("Content-Type")) == (200, "application/json")
    found = json.loads(reply.body)["signatures"]
    assert all((one["schemaVersion"], one["type"]) == (2, "atomic") for one in found)
    return [(one["name"], base64.b64decode(one["content"])) for one in found]


async def test_what_is_put_is_listed(client: Client, tree: Tree) -> None:
    digest = put_image(tree, "team/app", "v1").digest
    assert listed(await client.ask("GET", path(digest))) == []
    for name in ("two", "one"):
        reply = await client.ask("PUT", path(digest), signature(digest, name))
        assert (reply.status, reply.body) == (201, b"")
    expected = [(f"{digest}@one", CONTENT), (f"{digest}@two", CONTENT)]
    assert listed(await client.ask("GET", path(digest))) == expected
    for target in ("/v2/", "/v2/team/app/manifests/v1", path(digest), path(ABSENT), "/elsewhere"):
        assert (await client.ask("GET", target)).header(OFFERED) == "1"
    assert list(verify(tree, complete=True)) == []
    assert list(collect_garbage(tree, grace=0)) == []
    assert listed(await CoreClient(RegistryCore(Tree.open(tree.root), HOSTS)).ask("GET", path(digest))) == expected
    referrers = json.loads((await client.ask("GET", f"/v2/team/app/referrers/{digest}")).body)["manifests"]
    assert {one["artifactType"] for one in referrers} == {"application/vnd.ismirror.simple-signing"}
    for one in referrers:
        assert (await client.ask("DELETE", f"/v2/team/app/manifests/{one['digest']}")).status == 202
    assert listed(await client.ask("GET", path(digest))) == []


async def test_what_is_no_signature(client: Client, tree: Tree) -> None:
    digest = put_image(tree, "team/app", "v1").digest
    refused = [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"schemaVersion": "2"}',
        signature(digest, schemaVersion=1),
        signature(digest, type="other"),
        signature(digest, name=""),
        signature(digest, name="x" * 129),
        signature(digest, name="two words"),
        signature(ABSENT),
        signature(digest, content=b""),
        signature(digest, content=b"x" * (256 * 1024 + 1)),
        signature(digest) + b"x",
    ]
    for body in refused:
        reply = await client.ask("PUT", path(digest), body)
        assert (reply.status, json.loads(reply.body)["errors"][0]["code"]) == (400, "SIGNATURE_INVALID"), body[:200]
    assert (await client.ask("PUT", path(digest), signature(digest))).status == 201
    reply = await client.ask("PUT", path(digest), signature(digest, content=b"other"))
    assert (reply.status, json.loads(reply.body)["errors"][0]["code"]) == (409, "SIGNATURE_EXISTS")
    for target, status, code in (
        (path(ABSENT), 404, "MANIFEST_UNKNOWN"),
        (path("sha256:0"), 400, "DIGEST_INVALID"),
        (path(digest, "none"), 404, "NAME_UNKNOWN"),
        (path(digest, "UPPER"), 400, "NAME_INVALID"),
        (path(digest, ".."), 400, "NAME_INVALID"),
    ):
        for method in ("GET", "PUT"):
            reply = await client.ask(method, target, signature(digest) if method == "PUT" else None)
            assert (reply.status, json.loads(reply.body)["errors"][0]["code"]) == (status, code), (method, target)
    reply = await client.ask("DELETE", path(digest))
    assert (reply.status, json.loads(reply.body)["errors"][0]["code"]) == (405, "UNSUPPORTED")


async def test_hosts_without_the_extension(client: Client, tree: Tree) -> None:
    client.host = "docker.io"  # type: ignore[attr-defined]
    digest = put_image(tree, "team/app", "v1").digest
    for method, body in (("GET", None), ("PUT", signature(digest))):
        reply = await client.ask(method, path(digest), body)
        assert (reply.status, reply.body) == (404, b"404 page not found\n")
    assert not (await client.ask("GET", "/v2/")).values(OFFERED)


async def test_who_may(client: Client, tree: Tree) -> None:
    client.host = "private.example.com"  # type: ignore[attr-defined]
    put_image(tree, "team/app", "v1")
    snapshot = tree.snapshot(HOST, "team/app")
    assert snapshot is not None
    descriptor = snapshot.tags["v1"]
    data = snapshot.read_manifest(descriptor)
    assert data is not None
    digest = tree.put_manifest("private.example.com", "team/app", data, descriptor.media_type, "v1").digest
    reply = await client.ask("PUT", path(digest), signature(digest))
    assert (reply.status, reply.header(OFFERED)) == (401, "1")
    assert (await client.ask("PUT", path(digest), signature(digest), ME)).status == 201
    assert len(listed(await client.ask("GET", path(digest)))) == 1


async def test_a_registry_that_is_read_only(tree: Tree) -> None:
    digest = put_image(tree, "team/app", "v1").digest
    client = CoreClient(RegistryCore(tree, HOSTS, read_only=True))
    assert (await client.ask("PUT", path(digest), signature(digest))).status == 405
    assert listed(await client.ask("GET", path(digest))) == []
