"""Several registries over one tree: to clients they are one."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pytest
from support.pushing import Client, CoreClient, SocketClient, push_blob
from support.registry import NOW, image

from fake_registry import FakeRegistry
from fake_registry.config import Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_MANIFEST, compute_digest
from fake_registry.server import RegistryServer

HOSTS = {
    "quay.io": Host(scheme="http"),
    "private.example.com": Host(
        scheme="http", auth=Auth(type="bearer", realm="http://auth.example.com/token", users={"me": "secret"})
    ),
    "auth.example.com": Host(scheme="http"),
}
KEY = b"the same for both"
DATA = bytes(range(256)) * 64
ME = {"Authorization": f"Basic {base64.b64encode(b'me:secret').decode()}"}


class Pair(NamedTuple):
    """Two registries with a tree of their own each, over one directory, that know nothing of each other."""

    cores: list[RegistryCore]
    addresses: list[object]

    def of(self, host: str) -> list[Client]:
        """A client of each."""
        if not self.addresses:
            return [CoreClient(core, host) for core in self.cores]
        return [SocketClient(address, host) for address in self.addresses]  # type: ignore[arg-type]


@pytest.fixture(params=["core", "sockets"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    Tree.open(tmp_path, create=True)
    cores = [RegistryCore(Tree.open(tmp_path), HOSTS, clock=lambda: NOW, token_key=KEY) for _ in range(2)]
    if request.param == "core":
        yield Pair(cores, [])
        return
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(RegistryServer(core)) for core in cores]
        yield Pair(cores, [await server.start() for server in servers])


async def test_tokens_of_one_count_with_the_other(pair: Pair) -> None:
    (issuing, asked), (one, other) = pair.of("auth.example.com"), pair.of("private.example.com")
    path = "/token?service=private.example.com&scope=repository:app:pull,push&offline_token=true"
    given = json.loads((await issuing.ask("GET", path, headers=ME)).body)
    for client in (one, other):
        headers = {"Authorization": f"Bearer {given['token']}"}
        assert (await client.ask("POST", "/v2/app/blobs/uploads/", headers=headers)).status == 202
    form = f"grant_type=refresh_token&client_id=x&service=private.example.com&refresh_token={given['refresh_token']}"
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    renewed = json.loads((await asked.ask("POST", "/token", form.encode(), sent)).body)
    for client in (one, other):
        headers = {"Authorization": f"Bearer {renewed['access_token']}"}
        assert (await client.ask("GET", "/v2/", headers=headers)).status == 200


@pytest.mark.parametrize(("behind", "expected"), [(0.0, 200), (0.9, 200), (1.0, 401)])
async def test_clocks_may_differ_by_less_than_a_second(tmp_path: Path, behind: float, expected: int) -> None:
    tree = Tree.open(tmp_path, create=True)
    issuing, asked = (
        RegistryCore(tree, HOSTS, clock=lambda skew=skew: NOW - skew, token_key=KEY)  # type: ignore[misc]
        for skew in (0.0, behind)
    )
    path = "/token?service=private.example.com"
    given = json.loads((await CoreClient(issuing, "auth.example.com").ask("GET", path, headers=ME)).body)
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert (await CoreClient(asked, "private.example.com").ask("GET", "/v2/", headers=headers)).status == expected


async def test_another_key_has_other_tokens(tmp_path: Path) -> None:
    cores = [RegistryCore(Tree.open(tmp_path, create=True), HOSTS, token_key=key) for key in (b"one", b"two", None)]
    for issuing in cores:
        path = "/token?service=private.example.com"
        given = json.loads((await CoreClient(issuing, "auth.example.com").ask("GET", path, headers=ME)).body)
        headers = {"Authorization": f"Bearer {given['token']}"}
        for core in cores:
            reply = await CoreClient(core, "private.example.com").ask("GET", "/v2/", headers=headers)
            assert reply.status == (200 if core is issuing else 401)


async def test_uploads_go_on_at_the_other(pair: Pair) -> None:
    """A request each, in turn: begin, three chunks, how far it is, the end."""
    clients = cycle(pair.of("quay.io"))
    reply = await next(clients).ask("POST", "/v2/app/blobs/uploads/")
    for start in (0, 5000, 10000):
        chunk = DATA[start : start + 5000]
        sent = {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
        reply = await next(clients).ask("PATCH", reply.header("Location"), chunk, sent)
        assert (reply.status, reply.header("Range")) == (202, f"0-{start + len(chunk) - 1}")
    where = reply.header("Location")
    reply = await next(clients).ask("GET", where)
    assert (reply.status, reply.header("Range")) == (204, "0-14999")
    digest = compute_digest(DATA)
    reply = await next(clients).ask("PUT", f"{where}?digest={digest}", DATA[15000:])
    assert reply.status == 201
    for client in pair.of("quay.io"):
        assert (await client.ask("GET", f"/v2/app/blobs/{digest}")).body == DATA
        assert (await client.ask("GET", where)).status == 404


async def test_what_is_pushed_at_one_is_at_the_other_at_once(pair: Pair, tmp_path: Path) -> None:
    one, other = pair.of("quay.io")
    await push_blob(one, "app", b"{}")
    await push_blob(other, "app", b"layer")
    versions = [image(annotations={"version": str(number)}) for number in range(4)]
    digests = [compute_digest(version) for version in versions]
    for number, writer in enumerate((one, other, other, one)):
        sent = {"Content-Type": OCI_MANIFEST}
        assert (await writer.ask("PUT", "/v2/app/manifests/latest", versions[number], sent)).status == 201
        for reader in (one, other):
            reply = await reader.ask("GET", "/v2/app/manifests/latest")
            assert (reply.body, reply.header("Docker-Content-Digest")) == (versions[number], digests[number])
    assert (await other.ask("PUT", "/v2/app/manifests/old", versions[0], {"Content-Type": OCI_MANIFEST})).status == 201
    for reader in (one, other):
        assert json.loads((await reader.ask("GET", "/v2/app/tags/list")).body)["tags"] == ["latest", "old"]
        assert json.loads((await reader.ask("GET", "/v2/_catalog")).body)["repositories"] == ["app"]
    assert (await one.ask("DELETE", "/v2/app/manifests/old")).status == 202
    assert (await other.ask("DELETE", f"/v2/app/manifests/{digests[3]}")).status == 202
    for reader in (one, other):
        assert json.loads((await reader.ask("GET", "/v2/app/tags/list")).body)["tags"] == []
        for target in ("old", "latest", digests[3]):
            assert (await reader.ask("GET", f"/v2/app/manifests/{target}")).status == 404
        assert (await reader.ask("GET", f"/v2/app/manifests/{digests[0]}")).status == 200
    assert list(verify(Tree.open(tmp_path))) == []


async def test_referrers_and_mounts_too(pair: Pair) -> None:
    one, other = pair.of("quay.io")
    digest = await push_blob(one, "app", b"{}")
    await push_blob(one, "app", b"layer")
    subject, sent = image(), {"Content-Type": OCI_MANIFEST}
    assert (await one.ask("PUT", "/v2/app/manifests/1", subject, sent)).status == 201
    reply = await other.ask("GET", f"/v2/app/referrers/{compute_digest(subject)}")
    assert json.loads(reply.body)["manifests"] == []
    document = json.loads(image(artifact_type="text/plain"))
    document["subject"] = {"mediaType": OCI_MANIFEST, "digest": compute_digest(subject), "size": len(subject)}
    manifest = json.dumps(document).encode()
    assert (await one.ask("PUT", f"/v2/app/manifests/{compute_digest(manifest)}", manifest, sent)).status == 201
    reply = await other.ask("GET", f"/v2/app/referrers/{compute_digest(subject)}")
    assert [one["digest"] for one in json.loads(reply.body)["manifests"]] == [compute_digest(manifest)]
    assert (await other.ask("POST", f"/v2/new/blobs/uploads/?mount={digest}&from=app")).status == 201
    assert (await one.ask("GET", f"/v2/new/blobs/{digest}")).body == b"{}"


async def test_registries_of_tests_can_have_a_key(tmp_path: Path) -> None:
    async with FakeRegistry(tmp_path, hosts=HOSTS, token_key=KEY) as registry:
        reply = await CoreClient(registry.core, "auth.example.com").ask(
            "GET", "/token?service=private.example.com", headers=ME
        )
        headers = {"Authorization": f"Bearer {json.loads(reply.body)['token']}"}
    core = RegistryCore(Tree.open(tmp_path), HOSTS, token_key=KEY)
    assert (await CoreClient(core, "private.example.com").ask("GET", "/v2/", headers=headers)).status == 200
