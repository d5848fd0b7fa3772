"""What skopeo and podman do when a registry misbehaves, and that the account says how often it did."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_registry import FakeRegistry
from fake_registry.fixtures import verify

pytestmark = [pytest.mark.clients]

USER, PASSWORD = "me", "secret"
IMAGE = "private.example.com/team/app:1.0"


def needed(program: str) -> pytest.MarkDecorator:
    """Skips a test where its program is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"not installed: {program}")


class Client:
    """Runs programs that reach a registry by its address, over TLS with its CA and with a password."""

    def __init__(self, registry: FakeRegistry, folder: Path, runs: str) -> None:
        self.registry = registry
        self.folder = folder
        self.image = registry.pull_spec(IMAGE)
        self.copy = registry.pull_spec("private.example.com/team/copy:1.0")
        (folder / "certs").mkdir()
        (folder / "certs" / "ca.crt").write_bytes(registry.ca_pem)
        address = self.image.partition("/")[0]
        (folder / "auth.json").write_text(json.dumps({"auths": {address: {"auth": "bWU6c2VjcmV0"}}}))
        self.trust = [f"--cert-dir={folder / 'certs'}", f"--authfile={folder / 'auth.json'}"]
        self.storage = ["--root", str(folder / "storage"), "--runroot", runs, "--storage-driver", "vfs"]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What becomes of a program."""
        environment = os.environ | {"HOME": str(self.folder), "NO_PROXY": "*", "no_proxy": "*", "LC_ALL": "C"}
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    def skopeo_copy(self, *options: str, push: bool = False) -> subprocess.CompletedProcess[str]:
        """Copies the image from the registry into a directory, or (`push`) from that into the registry."""
        cert, auth = self.trust
        if push:
            side, places = "dest", [f"dir:{self.folder / 'out'}", f"docker://{self.copy}"]
        else:
            side, places = "src", [f"docker://{self.image}", f"dir:{self.folder / 'out'}"]
        trust = [cert.replace("--", f"--{side}-", 1), auth]
        return self.run("skopeo", "--insecure-policy", "copy", *trust, *options, *places)

    def podman(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """A command of podman."""
        return self.run("podman", *self.storage, command, *self.trust, "-q", *options)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    auth = {"type": "bearer", "username": USER, "password": PASSWORD}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs,
        FakeRegistry(hosts={"private.example.com": {"auth": auth}}) as registry,
    ):
        registry.push_image(IMAGE, layers=[{"data": random.Random(1).randbytes(500_000)}])
        yield Client(registry, tmp_path, runs)
        assert list(verify(registry.tree)) == []


LIMITED: dict[str, Any] = {"too_many_requests": {"retryAfter": 1}}
PASSING = [
    pytest.param({"kind": "manifest", "method": "GET", "times": 2, **LIMITED}, 2, id="manifests, 429"),
    pytest.param({"kind": "blob", "method": "GET", "times": 2, **LIMITED}, 2, id="blobs, 429"),
    pytest.param({"kind": "manifest", "method": "GET", "times": 1, "reset": "before"}, 1, id="manifests, reset"),
    pytest.param({"kind": "blob", "method": "GET", "times": 2, "reset": 100_000}, 1, id="blobs, reset in the middle"),
]


@needed("skopeo")
@pytest.mark.parametrize(("fault", "fired"), PASSING)
def test_skopeo_pulls_all_the_same(client: Client, fault: dict[str, Any], fired: int) -> None:
    rule = client.registry.faults.add(host="private.example.com", **fault)
    done = client.skopeo_copy("--retry-times=5")
    assert done.returncode == 0, done.stderr
    assert (client.folder / "out" / "manifest.json").read_bytes() == client.registry.manifest(IMAGE)
    assert rule.fired >= fired
    client.registry.faults.assert_met()


@needed("skopeo")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "upload", "method": "POST", "times": 1, **LIMITED}, id="uploads, 429"),
        pytest.param({"kind": "manifest", "method": "PUT", "times": 1, "reset": "before"}, id="manifests, reset"),
        pytest.param({"kind": "upload", "method": "PATCH", "times": 1, "reset": "before"}, id="chunks, reset"),
    ],
)
def test_skopeo_pushes_all_the_same(client: Client, fault: dict[str, Any]) -> None:
    assert client.skopeo_copy().returncode == 0
    rule = client.registry.faults.add(host="private.example.com", **fault)
    done = client.skopeo_copy("--retry-times=5", push=True)
    assert done.returncode == 0, done.stderr
    assert client.registry.digest("private.example.com/team/copy:1.0") == client.registry.digest(IMAGE)
    assert rule.fired == 1


@needed("skopeo")
@pytest.mark.parametrize(
    ("fault", "said"),
    [({"kind": "manifest", "status": 503}, "503"), ({"kind": "blob", "cut": 100_000}, "unexpected EOF")],
    ids=["503", "cut"],
)
def test_skopeo_gives_up_on_what_it_does_not_repeat(client: Client, fault: dict[str, Any], said: str) -> None:
    rule = client.registry.faults.add(host="private.example.com", method="GET", times=1, **fault)
    done = client.skopeo_copy("--retry-times=5")
    assert (done.returncode, rule.fired) == (1, 1)
    assert said in done.stderr
    assert client.skopeo_copy().returncode == 0


@needed("podman")
@pytest.mark.parametrize(
    ("fault", "fired"), [one for one in PASSING if "reset" in one.values[0] or "too_many_requests" in one.values[0]]
)
def test_podman_pulls_all_the_same(client: Client, fault: dict[str, Any], fired: int) -> None:
    rule = client.registry.faults.add(host="private.example.com", **fault)
    done = client.podman("pull", client.image)
    assert done.returncode == 0, done.stderr
    assert rule.fired >= fired
    client.registry.faults.assert_met()


@needed("podman")
def test_podman_pushes_all_the_same(client: Client) -> None:
    assert client.podman("pull", client.image).returncode == 0
    rules = [
        client.registry.faults.add(host="private.example.com", kind="upload", method="POST", times=1, **LIMITED),
        client.registry.faults.add(host="private.example.com", kind="manifest", method="PUT", times=1, reset="before"),
    ]
    done = client.podman("push", client.image, f"docker://{client.copy}")
    assert done.returncode == 0, done.stderr
    assert [rule.fired for rule in rules] == [1, 1]
    assert "1.0" in client.registry.tags("private.example.com/team/copy")
