"""``ismirror serve`` as a process, and a client that has nothing but its kubeconfig."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mirror.client_tls import verifying_context
from support.forked import Forked
from support.vectors import VECTORS

PORTS = ["--registry", "127.0.0.1:0", "--api", "127.0.0.1:0"]


class Client:
    """Asks the API of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][-1]["cluster"], document["users"][-1]["user"]
        self.server = cluster["server"]
        self.token = user.get("token", "")
        self.context = None
        if "certificate-authority-data" in cluster:
            self.context = verifying_context(base64.b64decode(cluster["certificate-authority-data"]))

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Sends a request."""
        headers = {"Content-Type": "application/json"}
        if token or (token is None and self.token):
            headers["Authorization"] = f"Bearer {token or self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context)
        )
        try:
            with opener.open(request) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())


@contextmanager
def serving(folder: Path, *options: str, data: Path = VECTORS / "tree") -> Iterator[tuple[Client, list[str], Forked]]:
    """A server, what it printed, and its process, which has to end when it is told to."""
    kubeconfig = folder / "kubeconfig"
    arguments = ["serve", "--data", str(data), *PORTS, "--kubeconfig", str(kubeconfig), *options]
    with Forked(arguments, os.environ) as process:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("use it with"):
            line = process.stdout.readline()
            assert line, (lines, process.communicate())
            lines.append(line.rstrip("\n"))
        yield Client(kubeconfig), lines, process
        process.terminate()
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr
