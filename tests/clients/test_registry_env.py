"""With what ``ismirror registry env --write`` writes clients pull from the fake hosts by the hosts' own names."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from support.command import ROOT, ismirror, served_registry

pytestmark = pytest.mark.clients
TREE = ROOT / "data" / "tree"
IMAGE = "quay.io/example/web:2.3"
DIGEST = "sha256:2427fc0544e7c6fff8d69ea4c35e543cbd2f3fadbc00d77c0f79ade97672e5a8"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(home: Path, *command: str, **variables: str) -> str:
    """Runs a client to its end, in a home of its own and without proxies; what it prints."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    done = subprocess.run(
        command,
        check=False,
        cwd=home,
        env=kept | {"HOME": str(home)} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo")
def test_skopeo_with_registries_conf_and_certs_d(tmp_path: Path) -> None:
    port = free_port()
    options = ("--tls-dir", str(tmp_path / "tls"), "--host-port", f"quay.io={port}")
    with served_registry(TREE, *options) as served:
        at = ("--registry", served.address, "--data", str(TREE))
        assert ismirror("registry", "env", *at, *options, "--write", str(tmp_path / ".config")).exit_code == 0
        found = json.loads(run(tmp_path, "skopeo", "inspect", "--no-tags", f"docker://{IMAGE}"))
        assert (found["Name"], found["Digest"]) == ("quay.io/example/web", DIGEST)
        assert json.loads(run(tmp_path, "skopeo", "inspect", "--config", f"docker://{IMAGE}"))["os"] == "linux"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo")
def test_skopeo_with_the_variables(tmp_path: Path) -> None:
    options = ("--tls-dir", str(tmp_path / "tls"))
    with served_registry(TREE, *options) as served:
        at = ("--registry", served.address, "--data", str(TREE))
        assert ismirror("registry", "env", *at, *options, "--write", str(tmp_path / "out")).exit_code == 0
        script = f". out/environment && skopeo inspect --no-tags docker://{IMAGE}"
        assert json.loads(run(tmp_path, "sh", "-c", script))["Digest"] == DIGEST


@pytest.mark.skipif(shutil.which("podman") is None, reason="not installed: podman")
@pytest.mark.skipif(os.geteuid() != 0, reason="podman without root needs more than a sandbox may have")
def test_podman_with_registries_conf_and_certs_d(tmp_path: Path) -> None:
    port = free_port()
    options = ("--tls-dir", str(tmp_path / "tls"), "--host-port", f"docker.io={port}")
    tree = tmp_path / "tree"
    synth = ismirror("seed", "synth", "--real-layers", "--image", "nginx:1.27", "--data", str(tree))
    assert synth.exit_code == 0, synth.stderr
    with served_registry(tree, *options) as served:
        at = ("--registry", served.address, "--data", str(tree))
        assert ismirror("registry", "env", *at, *options, "--write", str(tmp_path / "config")).exit_code == 0
        certificates = tmp_path / ".config" / "containers" / "certs.d"
        shutil.copytree(tmp_path / "config" / "containers" / "certs.d", certificates)
        conf = str(tmp_path / "config" / "containers" / "registries.conf")
        (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        podman = ("podman", "--root", "root", "--runroot", "runroot", "--storage-driver", "vfs")
        policy = ("--signature-policy", "policy.json")
        pulled = run(tmp_path, *podman, "pull", "-q", *policy, "nginx:1.27", CONTAINERS_REGISTRIES_CONF=conf).strip()
        names = run(tmp_path, *podman, "image", "inspect", "--format", "{{.RepoTags}}", pulled)
        assert names == "[docker.io/library/nginx:1.27]\n"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo")
def test_skopeo_with_a_client_certificate(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text("hosts: {quay.io: {mtls: {}, access: [{user: robot, actions: [pull]}]}}")
    options = ("--tls-dir", str(tmp_path / "tls"), "--host-port", f"quay.io={port}", "--config", str(config))
    with served_registry(TREE, *options) as served:
        at = ("--registry", served.address, "--data", str(TREE))
        for user in ("robot", "other"):
            to = ("--client-name", user, "--write", str(tmp_path / user / ".config"))
            assert ismirror("registry", "env", *at, *options, *to).exit_code == 0
        inspect = ("skopeo", "inspect", "--no-tags", f"docker://{IMAGE}")
        assert json.loads(run(tmp_path / "robot", *inspect))["Digest"] == DIGEST
        with pytest.raises(AssertionError, match="denied"):
            run(tmp_path / "other", *inspect)
