"""``v1`` Secret (k8s.io/api ``core/v1``)."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, ListMeta, always


class Secret(ApiObject):
    """A secret. What is written as ``stringData`` is stored as ``data`` and never shown."""

    immutable: bool | None = None
    data: dict[str, bytes | None] | None = None
    stringData: dict[str, str] | None = None
    type: str = ""


class SecretList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Secret] = always(list[Secret])
