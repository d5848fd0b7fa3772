"""An API in the same process, over the fixture tree of the vectors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fake_registry.config import Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.importer.embedded_transport import EmbeddedTransport
from mirror.store import Store
from support.vectors import VECTORS

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GROUP = "/apis/image.openshift.io/v1"
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
HOSTS = {"quay.io": Host(), "down.example.com": Host(scheme="down")}


def new_cluster(config: ClusterConfig | None = None, store: Store | None = None, **more: Any) -> Cluster:
    """A cluster that stands still at `START`, with two hosts: one that serves, one that is down."""
    transport = EmbeddedTransport(RegistryCore(Tree.open(VECTORS / "tree"), HOSTS), HOSTS)
    return Cluster(config or ClusterConfig(), transport, ManualClock(START), NamedUids(), store, **more)


def request(method: str, path: str, body: Any = None, **headers: str) -> ApiRequest:
    """A request; a body that is not bytes is sent as JSON. Header names have `_` for `-`."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content:
        named.setdefault("content-type", "application/json")
    path, _, query = path.partition("?")
    return ApiRequest(method, path, query, named, content)


async def ask(api: ApiCore, method: str, path: str, body: Any = None, **headers: str) -> ApiResponse:
    """Sends a request."""
    return await api.handle(request(method, path, body, **headers))


async def ask_json(api: ApiCore, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Sends a request; gives status and body."""
    response = await ask(api, method, path, body, **headers)
    return response.status, json.loads(response.body)


def image_import(name: str, source: str, tag: str = "latest") -> dict[str, Any]:
    """An import of one image."""
    image = {"from": {"kind": "DockerImage", "name": source}, "to": {"name": tag}}
    return {"metadata": {"name": name}, "spec": {"import": True, "images": [image]}}
