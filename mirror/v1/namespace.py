"""``v1`` Namespace, and OpenShift's view of it, the Project (k8s.io/api ``core/v1``; openshift/api ``project/v1``)."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, ListMeta, always


class NamespaceSpec(V1):
    finalizers: list[str] | None = None


class NamespaceStatus(V1):
    phase: str = ""


class Namespace(ApiObject):
    """A namespace."""

    spec: NamespaceSpec = always(NamespaceSpec)
    status: NamespaceStatus = always(NamespaceStatus)


class NamespaceList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Namespace] = always(list[Namespace])


class Project(ApiObject):
    """A namespace as its users see it."""

    spec: NamespaceSpec = always(NamespaceSpec)
    status: NamespaceStatus = always(NamespaceStatus)


class ProjectList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Project] = always(list[Project])


class ProjectRequest(ApiObject):
    """Asks for a new project of that name."""

    displayName: str = ""
    description: str = ""
