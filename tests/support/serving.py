"""``ismirror serve`` as a process, and a client for its API."""

from __future__ import annotations

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from support.forked import Forked

Ask = Callable[[str, str, Any], tuple[int, Any]]
"""Sends a request: method, path, body; gives status and body."""


@contextmanager
def served_api(folder: Path, *options: str) -> Iterator[Ask]:
    """A server on free ports; `folder` is for its kubeconfig."""
    kubeconfig = folder / "kubeconfig"
    options = ("serve", "--registry", "127.0.0.1:0", "--api", "127.0.0.1:0", "--kubeconfig", str(kubeconfig), *options)
    with Forked(options, os.environ) as process:
        while not (line := process.stdout.readline()).startswith("use it with"):
            assert line, process.communicate()
        yield client_of(kubeconfig)
        process.terminate()
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr


def client_of(kubeconfig: Path) -> Ask:
    """A client for the API that a kubeconfig names."""
    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][-1]["cluster"], document["users"][-1]["user"]
    pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=pem)),
    )

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {user['token']}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with opener.open(urllib.request.Request(cluster["server"] + path, data, headers, method=method)) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    return ask
