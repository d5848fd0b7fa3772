"""Users of a directory at the servers of the command line."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.directory import PEOPLE, READER, SmallDirectory
from support.running import ask
from support.running import serving as registry
from support.serve_command import serving as cluster

ALICE = f"uid=alice,{PEOPLE}"
HOST = "q.example.com"


@pytest.fixture
def directory() -> Iterator[SmallDirectory]:
    with SmallDirectory() as directory:
        yield directory


def configuration(folder: Path, directory: SmallDirectory) -> str:
    """A configuration file, beside which the password lies."""
    (folder / "password").write_text("reader-secret\n")
    file = folder / "config.yaml"
    file.write_text(
        f"hosts:\n  {HOST}:\n    scheme: http\n    auth:\n      type: basic\n      ldap: {{url: '{directory.url}', "
        f"baseDN: '{PEOPLE}', bindDN: '{READER}', bindPasswordFile: password, groupAttribute: memberOf}}\n"
        "    access: [{group: devs, actions: [pull, push]}]\n"
    )
    return str(file)


def status(port: int, name: str, path: str = "/v2/", method: str = "GET") -> int:
    basic = "Basic " + base64.b64encode(f"{name}:{name[0]}-secret".encode()).decode()
    body = b"" if method == "POST" else None
    return ask(port, path, method, body, host=HOST, Authorization=basic).status


def test_each_worker_asks(tmp_path: Path, directory: SmallDirectory) -> None:
    config = configuration(tmp_path, directory)
    with registry("--data", str(tmp_path / "tree"), "--config", config, "--workers", "2") as served:
        assert [status(served.port, "alice", "/v2/app/blobs/uploads/", "POST") for _ in range(8)] == [202] * 8
        assert directory.binds(ALICE) in {1, 2}  # once at each that was asked
        assert status(served.port, "bob") == 200
        assert status(served.port, "bob", "/v2/app/tags/list") == 403
        assert status(served.port, "nobody") == 401
        served.end()


def test_the_registry_of_a_cluster_asks(tmp_path: Path, directory: SmallDirectory) -> None:
    with cluster(tmp_path, "--config", configuration(tmp_path, directory)) as (_, lines, _):
        port = re.search(r"registry listening on 127\.0\.0\.1:(\d+)", "\n".join(lines))
        assert port is not None
        assert status(int(port[1]), "alice") == 200
    assert directory.binds(ALICE) == 1
