"""From method and path to a handler, as the real server's router does it (go-restful; apiserver ``requestinfo.go``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from mirror.api import failures
from mirror.api.groups import ApiGroup
from mirror.api.messages import ApiRequest
from mirror.api.negotiation import MEDIA_TYPES, STREAM_TYPES, check_routable
from mirror.api.routing import Call, Handler, Route, Verb, Verbs

_ITEM_VERBS: Final[Mapping[str, Verb]] = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS: Final[Mapping[str, Verb]] = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_SUBRESOURCE_VERBS: Final[Mapping[str, Verb]] = {**_ITEM_VERBS, "POST": "create"}
_WATCH_VERBS: Final[Mapping[str, Verb]] = {"GET": "watch"}
_PATCH_TYPES: Final = frozenset(
    f"application/{kind}"
    for kind in ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
)
_NAME_SELECTOR: Final = re.compile(r"metadata\.name==?([^,=!]+)")


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request goes: the handler, what it is called with, and what it handles."""

    group: ApiGroup
    resource: str
    subresource: str
    verb: Verb
    handler: Handler
    call: Call


class Router:
    """Finds the handlers of the requests below the paths of some groups."""

    def __init__(self, groups: Sequence[ApiGroup]) -> None:
        self._groups = [(f"{group.path}/", group) for group in groups]

    def find(self, request: ApiRequest) -> Match | None:
        """The handler of a request; None if the path belongs to no group.

        Raises:
            ApiFailure: 400, 404, 405, 406, 415.
        """
        for prefix, group in self._groups:
            if request.path.startswith(prefix):
                return _match(group, request, request.path[len(prefix) :])
        return None


def _match(group: ApiGroup, request: ApiRequest, rest: str) -> Match:
    parts = list(_segments(rest))
    watching = parts[0] == "watch"
    if watching:
        del parts[0]
    namespace = None
    if len(parts) > 2 and parts[0] == "namespaces" and not _is_own_subresource(group, parts):
        namespace, parts = parts[1], parts[2:]
    route = group.routes.get(parts[0]) if parts else None
    if route is None or (namespace is not None and not route.namespaced) or not all(parts) or namespace == "":
        raise failures.path_not_found()
    verbs, names = _verbs(route, parts[1:], namespaced=namespace is not None, watching=watching)
    if not verbs:
        raise failures.path_not_found()
    verb = names.get(request.method)
    if verb is None or (verb not in verbs and not watching):
        raise failures.method_not_allowed()
    _check_types(request, lists=verb in ("list", "watch"))
    name = parts[1] if len(parts) > 1 else ""
    if verb == "list" and "watch" in verbs and request.flag("watch"):
        verb = "watch"
    if watching and name:
        request, name = _watching_one(request, name), ""
    subresource = parts[2] if len(parts) > 2 else ""
    return Match(group, parts[0], subresource, verb, verbs[verb], Call(namespace or "", name, request))


@lru_cache(512)
def _segments(path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in path.strip("/").split("/"))


def _is_own_subresource(group: ApiGroup, parts: list[str]) -> bool:
    """Whether the path is below a namespace itself, not below something in it: ``namespaces/x/status``."""
    route = group.routes.get("namespaces")
    return route is not None and len(parts) == 3 and parts[2] in route.subresources


def _verbs(route: Route, below: list[str], *, namespaced: bool, watching: bool) -> tuple[Verbs, Mapping[str, Verb]]:
    """What can be done at a path below a resource, and what each method means there."""
    collection = route.collection if namespaced else route.everywhere
    if watching:
        known = len(below) <= 1 and "watch" in collection and not (route.namespaced and below and not namespaced)
        return (collection if known else {}), _WATCH_VERBS
    if not below:
        return collection, _COLLECTION_VERBS
    if route.namespaced and not namespaced:
        return {}, _ITEM_VERBS
    if len(below) == 1:
        return route.item, _ITEM_VERBS
    return route.subresources.get(below[1], {}) if len(below) == 2 else {}, _SUBRESOURCE_VERBS


def _check_types(request: ApiRequest, *, lists: bool) -> None:
    """The router looks at the type of a patch, and at what the client accepts.

    Raises:
        ApiFailure: 406, 415.
    """
    if request.method == "PATCH":
        given = request.headers.get("content-type", "").split(",")
        if not any(one.partition(";")[0].strip(" ") in _PATCH_TYPES for one in given):
            raise failures.unroutable_media_type()
    check_routable(request.headers.get("accept", ""), (*MEDIA_TYPES, *STREAM_TYPES) if lists else MEDIA_TYPES)


def _watching_one(request: ApiRequest, name: str) -> ApiRequest:
    """The request to watch a list of which only one object is wanted.

    Raises:
        ApiFailure: 400, a field selector wants another one.
    """
    selector = request.parameter("fieldSelector")
    if not selector:
        added = f"fieldSelector={quote(f'metadata.name={name}', safe='')}"
        return replace(request, query=f"{request.query}&{added}" if request.query else added)
    found = _NAME_SELECTOR.search(selector)
    if found is None or found[1] != name:
        raise failures.bad_request("fieldSelector metadata.name doesn't match requested name")
    return request
