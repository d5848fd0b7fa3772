"""``v1`` Service (k8s.io/api ``core/v1``), as far as clusters that run nothing have need of it."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, ListMeta, always


class Service(ApiObject):
    """A service. There are none: clients only ask which there are."""


class ServiceList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Service] = always(list[Service])
