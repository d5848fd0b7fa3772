"""Real clients that are sent elsewhere for blobs: to a CDN that is faked, and to a store that is none of ours."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fake_registry import FakeRegistry

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo"),
]

IMAGE = "quay.io/team/app:1.0"
BASIC = {"type": "basic", "username": "me", "password": "secret"}


def copied(registry: FakeRegistry, folder: Path, *options: str) -> dict[str, int]:
    """Has skopeo copy the image into a directory; the sizes of its layers there."""
    environment = os.environ | {"HOME": str(folder)} | registry.environment()
    command = ("skopeo", "--insecure-policy", "copy", *options, f"docker://{IMAGE}", f"dir:{folder / 'image'}")
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    digests = [layer["digest"] for layer in layers(registry)]
    return {digest: (folder / "image" / digest.removeprefix("sha256:")).stat().st_size for digest in digests}


def layers(registry: FakeRegistry) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(registry.manifest(IMAGE) or b"")["layers"]
    return found


def sizes(registry: FakeRegistry) -> dict[str, int]:
    return {layer["digest"]: layer["size"] for layer in layers(registry)}


@pytest.mark.parametrize(("cdn", "credentials"), [("cdn.example.net", ""), ("cdn01.quay.io", "Basic")])
def test_a_cdn(tmp_path: Path, cdn: str, credentials: str) -> None:
    """Programs in Go leave their credentials behind, but not on the way to a host below the registry's name."""
    hosts = {"quay.io": {"auth": BASIC, "blobRedirects": {"host": cdn}}, cdn: {}}
    with FakeRegistry(hosts=hosts) as registry:
        registry.push_image(IMAGE, layers=3)
        assert copied(registry, tmp_path, "--src-creds=me:secret") == sizes(registry)
        asked = [one for one in registry.journal if one.kind == "blob"]
        assert {(one.host, one.status, one.authorization) for one in asked} == {
            ("quay.io", 307, "Basic"),
            (cdn, 200, credentials),
        }


class Store(http.server.SimpleHTTPRequestHandler):
    """Files, for whoever has the query that opens them."""

    def do_GET(self) -> None:
        _, _, query = self.path.partition("?")
        if query != "sv=2022&sig=s3cr3t" or "Authorization" in self.headers:
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server of a directory; its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Store, directory=str(folder)))
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_store(tmp_path: Path) -> None:
    """All layers are moved out of the tree, to where any web server gives them."""
    with serving(tmp_path / "bucket") as url:
        redirects = {"store": f"{url}/blobs", "sign": {"query": "sv=2022&sig=s3cr3t"}}
        with FakeRegistry(hosts={"quay.io": {"auth": BASIC, "blobRedirects": redirects}}) as registry:
            registry.push_image(IMAGE, layers=3)
            shutil.copytree(registry.tree.root / "blobs", tmp_path / "bucket/blobs")
            for layer in layers(registry):
                Path(registry.tree.store.path(layer["digest"])).unlink()
            assert copied(registry, tmp_path, "--src-creds=me:secret") == sizes(registry)
            answers = [(one.method, one.status) for one in registry.journal if one.kind == "blob"]
            assert sorted(answers) == [("GET", 200), *[("GET", 307)] * 3]
