"""Debian's docker-registry is recorded while skopeo reads from it; afterwards skopeo gets the same without it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.command import NOW, ismirror, served_registry

from fake_registry import FakeRegistry
from fake_registry.fixtures import Tree, verify

PROGRAMS = ("skopeo", "docker-registry")
MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

_LISTENING = re.compile(r'listening on 127\.0\.0\.1:(\d+)"')


@contextmanager
def docker_registry(folder: Path) -> Iterator[str]:
    """The URL of a registry on a free port."""
    config = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "docker-registry")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    (folder / "docker-registry.yml").write_text(json.dumps(config))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    with (folder / "docker-registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "docker-registry.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | {"OTEL_TRACES_EXPORTER": "none"},
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                log.write(line.encode())
                found = _LISTENING.search(line)
                if found is not None:
                    yield f"http://127.0.0.1:{found[1]}"
                    break
        finally:
            process.kill()
            process.communicate()


@contextmanager
def recorder(folder: Path, source: str) -> Iterator[str]:
    """The address of a registry that records another one, until it has written what it recorded."""
    command = [sys.executable, "-m", "mirror.cli.main", "registry", "--data", str(folder / "tree")]
    command += ["--registry", "127.0.0.1:0", "--tls-dir", str(folder / "tls"), "--record-from", source]
    command += ["--record-to", str(folder / "recorded.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        process.stdout.readline()
        yield address
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait()


class Skopeo:
    """skopeo with an authority to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "certs").mkdir()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"HOME": str(self.folder), "NO_PROXY": "*", "no_proxy": "*", "LC_ALL": "C"}
        command = ("skopeo", "--insecure-policy", *arguments)
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    def reads(self, address: str, ca: Path, out: Path) -> list[Any]:
        """Everything that skopeo has to read with, and what it says; images go into `out`."""
        out.mkdir()
        shutil.copy(ca, self.folder / "certs" / "ca.crt")
        trust = f"--cert-dir={self.folder / 'certs'}"
        place = f"docker://{address}/team/app"
        found: list[Any] = []
        for command in (
            ("list-tags", trust, place),
            ("inspect", trust, f"{place}:1.0"),
            ("inspect", "--raw", trust, f"{place}:multi"),
            ("inspect", "--config", trust, f"{place}:1.0"),
            ("copy", "--all", f"--src-{trust[2:]}", f"{place}:multi", f"dir:{out / 'multi'}"),
            ("copy", f"--src-{trust[2:]}", f"{place}:1.0", f"dir:{out / '1.0'}"),
            ("inspect", trust, f"{place}:none"),
            ("list-tags", trust, f"docker://{address}/no/where"),
        ):
            done = self.run(*command)
            said = re.sub(r"time=\S+", "", done.stdout + done.stderr).replace(address, "ADDRESS")
            found.append((command[0], done.returncode, sorted(said.splitlines())))
        return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_skopeo_reads_a_recording(tmp_path: Path) -> None:
    skopeo = Skopeo(tmp_path)
    imports = ("--from", "quay.io/team/app", "--all", "--now", NOW, "-o", "json")
    with docker_registry(tmp_path) as url:
        with FakeRegistry() as source:
            source.push_image("quay.io/team/app:1.0", layers=[{"data": bytes(range(256)) * 4000}])
            source.push_image("quay.io/team/app:multi", platforms=["linux/amd64", "linux/arm64"])
            for tag in ("1.0", "multi"):
                image = source.pull_spec(f"quay.io/team/app:{tag}")
                there = f"{url.removeprefix('http://')}/team/app:{tag}"
                options = ("--src-tls-verify=false", "--dest-tls-verify=false", "--all", "--preserve-digests")
                done = skopeo.run("copy", *options, f"docker://{image}", f"docker://{there}")
                assert done.returncode == 0, done.stderr
        with recorder(tmp_path, f"quay.io={url}") as address:
            ca = tmp_path / "tls" / "ca.pem"
            first = skopeo.reads(address, ca, tmp_path / "first")
            imported = ismirror("import", *imports, "--connect", address, "--ca", str(ca))
    assert [code for _, code, _ in first] == [0, 0, 0, 0, 0, 0, 1, 1]
    assert imported.exit_code == 0
    assert list(verify(Tree.open(tmp_path / "tree"))) == []
    with served_registry(tmp_path / "tree", "--config", str(tmp_path / "recorded.yaml")) as served:
        again = skopeo.reads(served.address, served.ca, tmp_path / "again")
    assert again == first
    assert files(tmp_path / "again") == files(tmp_path / "first")
    replayed = ismirror(
        "import", *imports, "--data", str(tmp_path / "tree"), "--policy", str(tmp_path / "recorded.yaml")
    )
    assert (replayed.exit_code, replayed.stdout) == (0, imported.stdout)
