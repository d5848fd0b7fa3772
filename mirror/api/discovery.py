"""Discovery: which groups, versions and resources there are, in the old form and in the aggregated one.

Sources: apiserver ``endpoints/discovery``, ``endpoints/discovery/aggregated``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from mirror.api import failures
from mirror.api.groups import ApiGroup
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.negotiation import Conversion, check_routable, negotiate
from mirror.api.writing import encoded, object_response
from mirror.v1.discovery import (
    APIGroup,
    APIGroupDiscovery,
    APIGroupDiscoveryList,
    APIGroupList,
    APIResource,
    APIResourceDiscovery,
    APIResourceList,
    APISubresourceDiscovery,
    APIVersionDiscovery,
    APIVersions,
    GroupVersionForDiscovery,
    ResponseKind,
    ServerAddress,
)
from mirror.v1.meta import ObjectMeta

_AGGREGATED_GROUP: Final = "apidiscovery.k8s.io"
_AGGREGATED_KIND: Final = "APIGroupDiscoveryList"
_EVERYWHERE: Final = "0.0.0.0/0"


def _aggregated(wanted: Conversion) -> bool:
    return wanted == Conversion(_AGGREGATED_KIND, _AGGREGATED_GROUP, "v2")


class Discovery:
    """Answers the paths above the resources."""

    def __init__(self, groups: Sequence[ApiGroup]) -> None:
        self._core = [group for group in groups if not group.name]
        self._named: dict[str, list[ApiGroup]] = {}
        for group in sorted((group for group in groups if group.name), key=_place):
            self._named.setdefault(group.name, []).append(group)
        self._paths: dict[str, Callable[[ApiRequest], ApiResponse]] = {"/apis": self._all_groups}
        if self._core:
            self._paths["/api"] = self._core_versions
        for name, versions in self._named.items():
            self._paths[f"/apis/{name}"] = _constant(_group(name, versions, listed=False))
        for group in groups:
            self._paths[group.path] = _constant(_resource_list(group))

    @property
    def paths(self) -> list[str]:
        """The paths that are answered here."""
        return list(self._paths)

    def claims(self, path: str) -> bool:
        """Whether a path lies at or below those of a group, so that all that is wrong with it is told in a Status."""
        if path.rstrip("/") in ("/api", "/apis"):
            return path.rstrip("/") in self._paths
        return any(path == known or path.startswith(f"{known}/") for known in self._paths if known != "/apis")

    def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request for a path that is claimed.

        Raises:
            ApiFailure: 404, 405, 406.
        """
        answer = self._paths.get(request.path.rstrip("/"))
        if answer is None:
            raise failures.path_not_found()
        if request.method != "GET":
            raise failures.method_not_allowed()
        check_routable(request.headers.get("accept", ""))
        return answer(request)

    def _core_versions(self, request: ApiRequest) -> ApiResponse:
        versions = [group.version for group in self._core]
        plain = APIVersions("APIVersions", versions=versions, serverAddressByClientCIDRs=_addresses(request))
        items = [APIGroupDiscovery(versions=[_version_discovery(group) for group in self._core])]
        return _plain_or_aggregated(request, plain, items)

    def _all_groups(self, request: ApiRequest) -> ApiResponse:
        groups = [_group(name, versions, listed=True) for name, versions in self._named.items()]
        for group in groups:
            group.serverAddressByClientCIDRs = _addresses(request) or None
        items = [
            APIGroupDiscovery(ObjectMeta(name=name), [_version_discovery(group) for group in versions])
            for name, versions in self._named.items()
        ]
        return _plain_or_aggregated(request, APIGroupList("APIGroupList", groups=groups), items)


def _place(group: ApiGroup) -> tuple[bool, str]:
    """Where a group stands among others: those of custom resources come last.

    Clients take the first group that has a resource of a name: ``images`` are those of ``image.openshift.io``, not the
    configuration.
    """
    return group.custom, group.name


def _constant(value: Any) -> Callable[[ApiRequest], ApiResponse]:
    def answer(request: ApiRequest) -> ApiResponse:
        return object_response(request, value, negotiate(request))

    return answer


def _plain_or_aggregated(request: ApiRequest, plain: Any, items: list[APIGroupDiscovery]) -> ApiResponse:
    form = negotiate(request, _aggregated)
    if form.convert is None:
        return object_response(request, plain, form)
    value = APIGroupDiscoveryList(_AGGREGATED_KIND, f"{_AGGREGATED_GROUP}/v2", items=items)
    # The tag is that of the content, whatever form it has.
    tag = f'"{hashlib.sha512(msgspec.json.encode(value)).hexdigest().upper()}"'
    headers = [("Cache-Control", "public"), ("Etag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return ApiResponse(304, headers)
    media = f"{form.media};g={_AGGREGATED_GROUP};v=v2;as={_AGGREGATED_KIND}"
    return ApiResponse(200, [*headers, ("Content-Type", media)], encoded(value, form))


def _addresses(request: ApiRequest) -> list[ServerAddress]:
    return [ServerAddress(_EVERYWHERE, request.address)] if request.address else []


def _group(name: str, versions: Sequence[ApiGroup], *, listed: bool) -> APIGroup:
    """A group; in a list it has neither kind nor version of its own."""
    found = [GroupVersionForDiscovery(group.api_version, group.version) for group in versions]
    kind, api_version = ("", "") if listed else ("APIGroup", "v1")
    return APIGroup(kind, api_version, name, found, found[0])


def _resource_list(group: ApiGroup) -> APIResourceList:
    resources = []
    for name in sorted(group.resources):
        if name not in group.routes:
            continue
        resource, namespaced = group.resources[name], group.routes[name].namespaced
        resources.append(
            APIResource(
                name=name,
                singularName=resource.singular,
                namespaced=namespaced,
                kind=resource.kind,
                verbs=group.verbs(name),
                shortNames=list(resource.short_names) or None,
                categories=list(resource.categories) or None,
                storageVersionHash=group.storage_hash(name),
            )
        )
        resources += [
            APIResource(name=f"{name}/{sub}", namespaced=namespaced, kind=kind, verbs=group.verbs(name, sub))
            for sub, kind in sorted(resource.subresources.items())
            if sub in group.routes[name].subresources
        ]
    return APIResourceList("APIResourceList", "v1", group.api_version, resources)


def _version_discovery(group: ApiGroup) -> APIVersionDiscovery:
    resources = []
    for name in sorted(group.resources):
        if name not in group.routes:
            continue
        resource, route = group.resources[name], group.routes[name]
        below = [
            APISubresourceDiscovery(sub, ResponseKind(kind=kind), group.verbs(name, sub))
            for sub, kind in sorted(resource.subresources.items())
            if sub in route.subresources
        ]
        resources.append(
            APIResourceDiscovery(
                name,
                ResponseKind(kind=resource.kind),
                "Namespaced" if route.namespaced else "Cluster",
                resource.singular,
                group.verbs(name),
                list(resource.short_names) or None,
                list(resource.categories) or None,
                below or None,
            )
        )
    return APIVersionDiscovery(group.version, resources, "Current")
