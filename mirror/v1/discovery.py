"""Discovery documents (apimachinery ``meta/v1/types.go``; k8s.io/api ``apidiscovery/v2``)."""

from __future__ import annotations

from mirror.v1.meta import V1, ListMeta, ObjectMeta, always


class GroupVersionForDiscovery(V1):
    groupVersion: str = always(str)
    version: str = always(str)


class ServerAddress(V1):
    """``metav1.ServerAddressByClientCIDR``: under which address clients of a network find the server."""

    clientCIDR: str = always(str)
    serverAddress: str = always(str)


class APIGroup(V1):
    """A group with its versions."""

    kind: str = ""
    apiVersion: str = ""
    name: str = always(str)
    versions: list[GroupVersionForDiscovery] = always(list[GroupVersionForDiscovery])
    preferredVersion: GroupVersionForDiscovery = always(GroupVersionForDiscovery)
    serverAddressByClientCIDRs: list[ServerAddress] | None = None


class APIGroupList(V1):
    """What is below ``/apis``."""

    kind: str = ""
    apiVersion: str = ""
    groups: list[APIGroup] = always(list[APIGroup])


class APIVersions(V1):
    """What is below ``/api``."""

    kind: str = ""
    apiVersion: str = ""
    versions: list[str] = always(list[str])
    serverAddressByClientCIDRs: list[ServerAddress] = always(list[ServerAddress])


class APIResource(V1):
    """A resource or subresource and what can be done with it."""

    name: str = always(str)
    singularName: str = always(str)
    namespaced: bool = always(bool)
    group: str = ""
    version: str = ""
    kind: str = always(str)
    verbs: list[str] = always(list[str])
    shortNames: list[str] | None = None
    categories: list[str] | None = None
    storageVersionHash: str = ""


class APIResourceList(V1):
    """The resources of one version of a group."""

    kind: str = ""
    apiVersion: str = ""
    groupVersion: str = always(str)
    resources: list[APIResource] = always(list[APIResource])


class ResponseKind(V1):
    """``metav1.GroupVersionKind`` of what a resource answers with; empty group and version: those of the resource."""

    group: str = always(str)
    version: str = always(str)
    kind: str = always(str)


class APISubresourceDiscovery(V1):
    subresource: str = always(str)
    responseKind: ResponseKind | None = None
    verbs: list[str] = always(list[str])


class APIResourceDiscovery(V1):
    resource: str = always(str)
    responseKind: ResponseKind | None = None
    scope: str = always(str)
    singularResource: str = always(str)
    verbs: list[str] = always(list[str])
    shortNames: list[str] | None = None
    categories: list[str] | None = None
    subresources: list[APISubresourceDiscovery] | None = None


class APIVersionDiscovery(V1):
    version: str = always(str)
    resources: list[APIResourceDiscovery] | None = None
    freshness: str = ""


class APIGroupDiscovery(V1):
    metadata: ObjectMeta = always(ObjectMeta)
    versions: list[APIVersionDiscovery] | None = None


class APIGroupDiscoveryList(V1):
    """All groups below ``/api`` or ``/apis`` with everything that is in them."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[APIGroupDiscovery] = always(list[APIGroupDiscovery])


class RootPaths(V1):
    paths: list[str] = always(list[str])


class Info(V1):
    """The answer to ``/version`` (apimachinery ``version.Info``)."""

    major: str = always(str)
    minor: str = always(str)
    emulationMajor: str = ""
    emulationMinor: str = ""
    minCompatibilityMajor: str = ""
    minCompatibilityMinor: str = ""
    gitVersion: str = always(str)
    gitCommit: str = always(str)
    gitTreeState: str = always(str)
    buildDate: str = always(str)
    goVersion: str = always(str)
    compiler: str = always(str)
    platform: str = always(str)
