"""Real clients in a test with a `FakeRegistry`: hosts by their own names, with nothing but an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_registry import FakeRegistry
from fake_registry.fixtures import verify

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo"),
]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    hosts = {
        "private.example.com": {"auth": {"type": "bearer", "username": "me", "password": "secret"}},
        "plain.example.com:5000": {"scheme": "http"},
    }
    with FakeRegistry(hosts=hosts) as registry:
        registry.push_image("quay.io/team/app:1.0", platforms=["linux/amd64", "linux/arm64"])
        yield registry


def skopeo(registry: FakeRegistry | None, folder: Path, *arguments: str) -> str:
    """Runs skopeo, in the environment of a registry if one is given; what it prints."""
    environment = os.environ | {"HOME": str(folder), "NO_PROXY": "*", "no_proxy": "*"}
    environment |= {} if registry is None else registry.environment()
    command = ("skopeo", "--insecure-policy", *arguments)
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "target",
    [
        ("docker://registry.example.com/team/app:1.0",),
        ("docker://plain.example.com:5000/app:1.0", "--dest-tls-verify=false"),
        ("docker://private.example.com/app:1.0", "--dest-creds=me:secret"),
    ],
    ids=["https", "http", "password"],
)
def test_copies_by_name(registry: FakeRegistry, tmp_path: Path, target: tuple[str, ...]) -> None:
    place, *options = target
    skopeo(registry, tmp_path, "copy", "--all", *options, "docker://quay.io/team/app:1.0", place)
    assert registry.digest(place.removeprefix("docker://")) == registry.digest("quay.io/team/app:1.0")
    assert list(verify(registry.tree)) == []


def test_copies_by_address(registry: FakeRegistry, tmp_path: Path) -> None:
    source, target = registry.pull_spec("quay.io/team/app:1.0"), registry.pull_spec("private.example.com/app:1.0")
    options = ("--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds=me:secret")
    skopeo(None, tmp_path, "copy", "--all", *options, f"docker://{source}", f"docker://{target}")
    assert registry.digest("private.example.com/app:1.0") == registry.digest("quay.io/team/app:1.0")


def test_retries_are_accounted_for(registry: FakeRegistry, tmp_path: Path) -> None:
    busy = registry.faults.add(host="quay.io", kind="manifest", too_many_requests={"retryAfter": 1}, times=1)
    skopeo(registry, tmp_path, "copy", "--retry-times=3", "docker://quay.io/team/app:1.0", f"dir:{tmp_path / 'out'}")
    assert busy.fired == 1
    registry.faults.assert_met()


def test_signatures_go_along(tmp_path: Path) -> None:
    """What a directory of skopeo's has as a signature comes back from the registry, as it was."""
    signature = b"\x90\x0d\x03 what skopeo takes for simple signing by its first byte"
    options = ("--registries.d", str(tmp_path / "registries.d"))
    (tmp_path / "registries.d").mkdir()
    with FakeRegistry(hosts={"quay.io": {"signatures": True}}) as registry:
        registry.push_image("quay.io/team/app:1.0")
        skopeo(registry, tmp_path, *options, "copy", "docker://quay.io/team/app:1.0", f"dir:{tmp_path / 'image'}")
        assert not (tmp_path / "image" / "signature-1").exists()
        (tmp_path / "image" / "signature-1").write_bytes(signature)
        skopeo(registry, tmp_path, *options, "copy", f"dir:{tmp_path / 'image'}", "docker://quay.io/team/copy:1.0")
        skopeo(registry, tmp_path, *options, "inspect", "docker://quay.io/team/copy:1.0")
        skopeo(registry, tmp_path, *options, "copy", "docker://quay.io/team/copy:1.0", f"dir:{tmp_path / 'out'}")
        assert (tmp_path / "out" / "signature-1").read_bytes() == signature
        assert list(verify(registry.tree, complete=True)) == []
