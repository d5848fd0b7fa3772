"""``ismirror registry --record-from`` as a process, and imports with what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.command import NOW, ismirror, served_registry
from support.forked import Forked

from fake_registry import FakeRegistry
from fake_registry.oci import compute_digest

LARGE = bytes(range(256)) * 12_000
HOSTS: dict[str, Any] = {
    "quay.io": {"auth": {"type": "bearer", "username": "me", "password": "secret", "anonymous": True}, "page": 2},
    "private.example.com": {"auth": {"type": "basic", "username": "me", "password": "secret"}},
}
IMPORTS = [
    {"repository": {"from": {"kind": "DockerImage", "name": "quay.io/team/app"}}},
    {"images": [{"from": {"kind": "DockerImage", "name": "quay.io/team/multi:1"}}]},
    {"images": [{"from": {"kind": "DockerImage", "name": "quay.io/team/app:none"}}]},
    {"images": [{"from": {"kind": "DockerImage", "name": "private.example.com/app:1"}}]},
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeRegistry]:
    with FakeRegistry(hosts=HOSTS) as registry:
        for tag in ("1.0", "1.1", "latest"):
            registry.push_image(f"quay.io/team/app:{tag}", layers=[LARGE])
        registry.push_image("quay.io/team/multi:1", platforms=["linux/amd64", "linux/arm64"])
        registry.push_image("private.example.com/app:1")
        yield registry


@contextmanager
def recorder(
    upstream: FakeRegistry, folder: Path, *options: str, environment: Mapping[str, str] = {}
) -> Iterator[tuple[Forked, str]]:
    """The process and its address. Unless it has a proxy, it connects to the upstream."""
    (folder / "upstream.pem").write_bytes(upstream.ca_pem)
    command = ["registry", "--data", str(folder / "tree")]
    command += ["--registry", "127.0.0.1:0", "--tls-dir", str(folder / "tls")]
    command += ["--record-from", "quay.io", "--record-from", "private.example.com"]
    command += ["--record-to", str(folder / "recorded.yaml"), "--record-ca", str(folder / "upstream.pem")]
    command += options if "--record-proxy" in options else ["--record-connect", str(upstream.address), *options]
    with Forked(command, os.environ | environment) as process:
        address = process.stdout.readline().split()[-1]
        assert process.stdout.readline().startswith("CA certificate: ")
        yield process, address


def resolved(folder: Path, *options: str) -> Any:
    """What becomes of the imports."""
    files = []
    for number, spec in enumerate(IMPORTS):
        document = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStreamImport"}
        metadata = {"name": f"stream-{number}", "namespace": "demo"}
        files.append(folder / f"import-{number}.json")
        files[-1].write_text(json.dumps(document | {"metadata": metadata, "spec": {"import": True, **spec}}))
    outcome = ismirror("import", *map(str, files), *options, "--now", NOW, "-o", "json")
    assert outcome.exit_code == 1, outcome.stderr
    return outcome.json


def test_imports_end_the_same(upstream: FakeRegistry, tmp_path: Path) -> None:
    with recorder(upstream, tmp_path) as (process, address):
        first = resolved(tmp_path, "--connect", address, "--ca", str(tmp_path / "tls" / "ca.pem"))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode == 0
    assert said.splitlines()[-1] == f"{tmp_path / 'recorded.yaml'}: 7 routes"
    found = [item["status"] for item in first["items"]]
    assert [image["status"].get("reason", "") for image in found[0]["repository"]["images"]] == ["", "", ""]
    assert [image["status"].get("reason", "") for one in found[1:] for image in one["images"]] == [
        "",
        "NotFound",
        "Unauthorized",
    ]
    replay = ("--data", str(tmp_path / "tree"), "--policy", str(tmp_path / "recorded.yaml"))
    for transport in ("embedded", "http"):
        assert resolved(tmp_path, *replay, "--transport", transport) == first
    assert resolved(tmp_path, "--connect", str(upstream.address), "--ca", str(tmp_path / "upstream.pem")) == first
    unknown = ismirror("import", "--from", "quay.io/team/app:3.0", *replay)
    assert unknown.exit_code == 2
    assert "not recorded: GET /v2/team/app/manifests/3.0 (quay.io)" in unknown.stderr


def test_blobs_come_while_they_are_recorded(upstream: FakeRegistry, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    with recorder(upstream, tmp_path, "--record-creds", "me:secret") as (process, address):
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
        assert fetched(address, f"/v2/team/app/blobs/{digest}", trusting) == LARGE
        process.send_signal(signal.SIGKILL)  # what was answered is there all the same
        process.wait()
    assert (tmp_path / "tree" / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes() == LARGE
    with recorder(upstream, tmp_path, "--record-creds", "me:secret") as (process, address):
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
        fetched(address, "/v2/", trusting)  # it is there, and knows what to do when it is told to stop
        process.send_signal(signal.SIGTERM)
        process.communicate()
    with served_registry(tmp_path / "tree", "--config", str(tmp_path / "recorded.yaml")) as served:
        trusting = ssl.create_default_context(cafile=str(served.ca))
        assert fetched(served.address, f"/v2/team/app/blobs/{digest}", trusting) == LARGE


def fetched(address: str, path: str, trusting: ssl.SSLContext) -> bytes:
    """Two blobs over one connection each; both have to be the same."""
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)]
    opener = urllib.request.build_opener(*handlers)
    bodies = []
    for _ in range(2):
        request = urllib.request.Request(f"https://{address}{path}", headers={"Host": "quay.io"})
        with opener.open(request) as answer:
            bodies.append(answer.read())
    assert bodies[0] == bodies[1]
    found: bytes = bodies[0]
    return found


async def test_clients_that_go_away_and_registries_that_do(upstream: FakeRegistry, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    with recorder(upstream, tmp_path, "--record-creds", "me:secret") as (process, address):
        host, _, port = address.rpartition(":")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
        asked = f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n".encode()
        for cut in (False, True):
            if cut:
                upstream.faults.add(host="quay.io", kind="blob", cut=100_000, times=1)
            reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting, server_hostname="quay.io")
            writer.write(asked)
            if not cut:
                assert (await reader.readexactly(12)) == b"HTTP/1.1 200"
            else:
                answer = await reader.read(-1)
                assert b"Content-Length: %d\r\n" % len(LARGE) in answer
                assert len(answer) < len(LARGE)
            writer.transport.abort()
        body = await asyncio.to_thread(fetched, address, f"/v2/team/app/blobs/{digest}", trusting)
        assert body == LARGE
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_tokens_for_everybody(upstream: FakeRegistry, tmp_path: Path) -> None:
    with recorder(upstream, tmp_path, "--record-anonymous") as (process, address):
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
        tags = json.loads(fetched(address, "/v2/team/app/tags/list", trusting))["tags"]
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert tags == ["1.0", "1.1"]
    assert "Bearer" not in (tmp_path / "recorded.yaml").read_text()


def test_a_cache(upstream: FakeRegistry, tmp_path: Path) -> None:
    """Clients need no login; what one process has fetched the next one gives, also when nobody else is there."""
    digest, options = compute_digest(LARGE), ("--record-missing", "--record-refresh", "0s")
    paths = ("/v2/team/app/tags/list", "/v2/team/app/manifests/1.0", f"/v2/team/app/blobs/{digest}")
    found = []
    before = upstream.journal.total
    for _ in range(2):
        with recorder(upstream, tmp_path, *options) as (process, address):
            trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
            found.append([fetched(address, path, trusting) for path in paths])
            process.send_signal(signal.SIGTERM)
            process.communicate()
    asked = list(upstream.journal)[before - upstream.journal.total :]
    assert [sum(entry.status == 200 and path == entry.target for entry in asked) for path in paths] == [4, 4, 1]
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))  # it does not listen: who connects is refused
    gone = f"127.0.0.1:{nobody.getsockname()[1]}"
    with nobody, recorder(upstream, tmp_path, *options, "--record-connect", gone) as (process, address):
        found.append([fetched(address, path, trusting) for path in paths])
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert found[0] == found[1] == found[2]
    assert said.count("what it answered before is given instead") == 1


def test_through_a_proxy(upstream: FakeRegistry, tmp_path: Path) -> None:
    """The one that was named: what the environment says would lead nowhere."""
    before = upstream.journal.total
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    proxy = ("--record-proxy", f"http://{upstream.address}", "--record-anonymous")
    with recorder(upstream, tmp_path, *proxy, environment=nowhere) as (process, address):
        trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
        tags = json.loads(fetched(address, "/v2/team/app/tags/list", trusting))["tags"]
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert (tags, process.returncode) == (["1.0", "1.1"], 0)
    asked = list(upstream.journal)[before - upstream.journal.total :]
    assert {(entry.host, entry.status) for entry in asked if entry.kind == "tags"} >= {("quay.io", 200)}
    assert "/v2/team/app/tags/list" in (tmp_path / "recorded.yaml").read_text()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--record-from", "ftp://quay.io"), "--record-from: 'ftp://quay.io': expected a registry such as"),
        (("--record-from", "quay.io", "--record-creds", "me"), "--record-creds: expected USER:PASSWORD"),
        (("--record-from", "quay.io", "--record-authfile", "none.json"), "none.json: no such file"),
        (("--record-from", "quay.io", "--record-ca", __file__), "--record-ca: no certificates in PEM format"),
        (
            ("--record-from", "quay.io", "--record-proxy", "ftp://x"),
            "--record-proxy: 'ftp://x' is not the URL of an HTTP proxy",
        ),
        (("--record-from", "quay.io", "--record-connect", "x"), "--record-connect: 'x' is not an address such as"),
        (("--record-missing",), "--record-missing: goes with --record-from, which says what is recorded"),
        (("--record-proxy", "http://127.0.0.1:9"), "--record-proxy: goes with --record-from"),
        (("--record-from", "quay.io", "--record-refresh", "5m"), "--record-refresh: goes with --record-missing"),
        (
            ("--record-from", "quay.io", "--record-missing", "--record-refresh", "soon"),
            "--record-refresh: 'soon' is no duration such as 250ms, 20s or 1m30s",
        ),
        (("--record-from", "quay.io", "--record-to", "/none/x.yaml"), "/none/.x.yaml.log: No such file or directory"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    outcome = ismirror("registry", "--data", str(tmp_path / "tree"), "--registry", "127.0.0.1:0", *options)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert outcome.stderr.startswith(f"ismirror: error: {problem}")


def test_the_configuration_names_the_default_host(tmp_path: Path, upstream: FakeRegistry) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"server": {"defaultHost": "quay.io"}}))
    with served_registry(upstream.tree.root, "--config", str(config)) as served:
        url = f"http://{served.address}/v2/team/app/tags/list"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url) as answer:
            assert json.load(answer)["tags"] == ["1.0", "1.1", "latest"]
    config.write_text(json.dumps({"server": {"defaultHost": "a b"}}))
    outcome = ismirror("registry", "--data", str(upstream.tree.root), "--config", str(config))
    assert outcome.exit_code == 2
    assert "server.defaultHost: 'a b': expected a host such as quay.io" in outcome.stderr
