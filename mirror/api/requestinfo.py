"""What a request is about, told from its method and path alone (apiserver ``endpoints/request/requestinfo.go``).

Authorization works on this, before anything is known of which resources there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mirror.api.messages import ApiRequest

_VERBS: Final[Mapping[str, str]] = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_OF_NAMESPACES: Final = ("status", "finalize")
_NAME: Final = re.compile(r"(?:^|,)metadata\.name==?([^,=!]+)(?:,|$)")


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as authorization sees it. Of one that is for no resource only verb and path are set."""

    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


def request_info(request: ApiRequest) -> RequestInfo:
    """Reads method, path and query of a request."""
    path = unquote(request.path)
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0] not in ("api", "apis") or (parts[0] == "apis" and len(parts) < 4):
        return RequestInfo(request.method.lower(), path)
    group = ""
    if parts[0] == "apis":
        group = parts.pop(1)
    version, parts = parts[1], parts[2:]
    verb = _VERBS.get(request.method, "")
    if parts[0] == "watch" and len(parts) > 1:
        verb, parts = "watch", parts[1:]
    namespace, parts = _namespace(parts)
    resource, name, subresource = (*parts[:3], "", "", "")[:3]
    if not name and verb in ("get", "watch"):
        if verb == "get":
            verb = "watch" if request.flag("watch") else "list"
        found = _NAME.search(request.parameter("fieldSelector"))
        name = found[1] if found else ""
    if not name and verb == "delete":
        verb = "deletecollection"
    return RequestInfo(verb, path, True, group, version, namespace, resource, subresource, name)


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    """The namespace of a path, and what is left of it; a namespace is itself in the namespace of its name."""
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    if len(parts) > 2 and parts[2] not in _OF_NAMESPACES:
        return parts[1], parts[2:]
    return parts[1], parts
