"""Debian's docker-registry, as a peer that others are held against."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HTPASSWD = "me:$2b$04$5haXH4FatqW1CVhzec8GR.Amb1tQgOgAm36yPoEmOPfo03BJbQ8sq\n"  # of "secret"


class Peer(NamedTuple):
    """A docker-registry that runs on HTTP, and where it keeps its content."""

    address: str
    storage: Path


@contextmanager
def docker_registry(folder: Path, *, password: bool = False, auth: Mapping[str, Any] | None = None) -> Iterator[Peer]:
    """Debian's registry on a free port, taking schema 1 as well; with a password, or any other ``auth``."""
    folder.mkdir()
    storage = folder / "storage"
    (folder / "htpasswd").write_text(HTPASSWD)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "relativeurls": True},
        "compatibility": {"schema1": {"enabled": True}},
    }
    if auth is not None:
        config["auth"] = auth
    if password:
        config["auth"] = {"htpasswd": {"realm": "here", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)  # another program: nothing of ours tells when it listens
        yield Peer(f"127.0.0.1:{port}", storage)
    finally:
        process.terminate()
        process.wait()
        log.close()
