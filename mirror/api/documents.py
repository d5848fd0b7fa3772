"""What a server answers besides its resources: discovery, version, health, and the index of its paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.discovery import Discovery
from mirror.api.groups import ApiGroup
from mirror.api.health import Health
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.metrics import Metrics, check_metrics
from mirror.api.openapi import OpenApi
from mirror.api.writing import raw_json
from mirror.v1.discovery import Info, RootPaths

KUBERNETES_MINOR: Final = "34"
"""OpenShift 4.22 is built on Kubernetes 1.34, as far as this API is concerned."""


def version_info(architecture: str) -> Info:
    """The answer to ``/version``."""
    return Info(
        major="1",
        minor=KUBERNETES_MINOR,
        emulationMajor="1",
        emulationMinor=KUBERNETES_MINOR,
        minCompatibilityMajor="1",
        minCompatibilityMinor=str(int(KUBERNETES_MINOR) - 1),
        gitVersion=f"v1.{KUBERNETES_MINOR}.1",
        gitTreeState="clean",
        buildDate="1970-01-01T00:00:00Z",
        goVersion="go1.24.6",
        compiler="gc",
        platform=f"linux/{architecture}",
    )


class Documents:
    """Answers the requests that are for no resource."""

    def __init__(self, cluster: Cluster, groups: Sequence[ApiGroup], metrics: Metrics) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._discovery = Discovery(groups)
        self._health = Health(self._storage_works)
        self._version = version_info(cluster.config.architecture)
        self._openapi = OpenApi(groups, f"1.{KUBERNETES_MINOR}")
        paths = [*self._discovery.paths, *self._health.paths, *self._openapi.paths]
        paths += ["/metrics", "/metrics/slis", "/version"]
        self._index = RootPaths(sorted(paths))

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request; an unknown path gets the index of all known ones.

        Raises:
            ApiFailure: 404, 405, 406.
        """
        path = request.path
        if self._discovery.claims(path):
            return self._discovery.handle(request)
        if path == "/version" or path.startswith("/version/"):
            return self._version_response(request)
        health = await self._health.handle(request)
        if health is not None:
            return health
        openapi = self._openapi.handle(request)
        if openapi is not None:
            return openapi
        if path == "/metrics":
            return self._metrics.response()
        if path == "/metrics/slis":
            return await check_metrics(self._health)
        return raw_json(self._index, 200 if path in ("/", "/index.html") else 404)

    def _version_response(self, request: ApiRequest) -> ApiResponse:
        if request.path.rstrip("/") != "/version":
            raise failures.path_not_found()
        if request.method != "GET":
            raise failures.method_not_allowed()
        return raw_json(self._version)

    async def _storage_works(self) -> bool:
        try:
            await self._cluster.store.version()
        except OSError:
            return False
        return True
