"""API groups: what a server offers, by group, version and resource."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from mirror.api.routing import Route
from mirror.api.tables import Printer


@dataclass(frozen=True, slots=True)
class Resource:
    """What discovery says of a resource besides its verbs, which follow from its routes.

    `subresources` gives the kind of each; `stored` whether objects of the kind are kept; `printer` the table of the
    kind, if it has one.
    """

    kind: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, str] = field(default_factory=dict)
    stored: bool = False
    printer: Printer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiGroup:
    """One version of a group with its resources and their routes. The core group has no name.

    `package` is that of the Go types behind the kinds, for messages that show them; `types` are the kinds, lists
    included, and `schema_package` where OpenAPI documents have them. `protobuf`: bodies may be protocol buffers.
    """

    name: str
    version: str
    routes: Mapping[str, Route]
    resources: Mapping[str, Resource]
    package: str
    types: Mapping[str, type[msgspec.Struct]]
    schema_package: str
    protobuf: bool = False

    @property
    def custom(self) -> bool:
        """Whether the kinds of the group are custom resources, which no Go types stand behind."""
        return self.package == "unstructured"

    @property
    def path(self) -> str:
        """``/apis/image.openshift.io/v1`` or ``/api/v1``."""
        return f"/apis/{self.name}/{self.version}" if self.name else f"/api/{self.version}"

    @property
    def api_version(self) -> str:
        """``image.openshift.io/v1`` or ``v1``."""
        return f"{self.name}/{self.version}" if self.name else self.version

    def verbs(self, resource: str, subresource: str = "") -> list[str]:
        """The verbs of a resource or a subresource, sorted."""
        route = self.routes[resource]
        if subresource:
            return sorted(route.subresources[subresource])
        return sorted({*route.collection, *route.everywhere, *route.item})

    def storage_hash(self, resource: str) -> str:
        """What clients compare to learn that the stored version of a kind has changed; empty if nothing is stored."""
        found = self.resources[resource]
        if not found.stored:
            return ""
        name = f"{self.name}/{self.version}/{found.kind}"
        return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()
