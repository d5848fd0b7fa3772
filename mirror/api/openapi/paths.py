"""Paths and operations of a group, from its routes.

Sources: kube-openapi ``builder3``, apiserver ``endpoints/installer.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mirror.api.groups import ApiGroup
from mirror.api.negotiation import MEDIA_TYPES, STREAM_TYPES
from mirror.api.openapi.schemas import PATCH, WATCH_EVENT, Schemas
from mirror.api.routing import Route, Verb, Verbs
from mirror.v1.discovery import APIResourceList
from mirror.v1.meta import Status
from mirror.v1.options import DeleteOptions

_LIST: Final = (
    *("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion"),
    *("resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"),
)
_WRITE: Final = ("dryRun", "fieldManager", "fieldValidation")
_DELETE: Final = (
    *("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents"),
    "propagationPolicy",
)
_DELETE_MANY: Final = tuple(sorted({*_LIST, *_DELETE} - {"allowWatchBookmarks", "watch"}))
_PATCHES: Final = tuple(
    f"application/{kind}"
    for kind in ("apply-patch+yaml", "json-patch+json", "merge-patch+json", "strategic-merge-patch+json")
)

_BOOLEANS: Final = frozenset(
    (
        *("allowWatchBookmarks", "sendInitialEvents", "watch", "force", "orphanDependents"),
        "ignoreStoreReadErrorWithClusterBreakingPotential",
    )
)
_INTEGERS: Final = frozenset(("limit", "timeoutSeconds", "gracePeriodSeconds"))
_TEXTS: Final[Mapping[str, str]] = {
    "allowWatchBookmarks": "Lets the server send events that only say up to which version the watch has come.",
    "continue": "Asks for the next part of a list, with the value from the part before.",
    "dryRun": "All: everything is done but storing it.",
    "fieldManager": "Who makes the change, for managedFields.",
    "fieldSelector": "Selects objects by fields.",
    "fieldValidation": "What becomes of unknown and repeated fields: Ignore, Warn or Strict.",
    "force": "Takes over fields that others manage. Only for apply.",
    "gracePeriodSeconds": "How many seconds the object is left.",
    "ignoreStoreReadErrorWithClusterBreakingPotential": "Deletes even what cannot be read.",
    "labelSelector": "Selects objects by labels.",
    "limit": "How many objects to list at once.",
    "name": "name of the {kind}",
    "namespace": "object name and auth scope, such as for teams and projects",
    "orphanDependents": "Not used any more: see propagationPolicy.",
    "pretty": "true: the answer is indented. So it is for browsers and curl.",
    "propagationPolicy": "What becomes of objects that it owns: Orphan, Background or Foreground.",
    "resourceVersion": "The version to list or watch from.",
    "resourceVersionMatch": "How resourceVersion is meant: Exact or NotOlderThan.",
    "sendInitialEvents": "Begins a watch with what is there, and says when that is complete.",
    "timeoutSeconds": "How long a list or watch may take.",
    "watch": "Answers with changes as they happen.",
}


class Paths:
    """Builds the paths of one group; schemas that they need are added to `schemas`."""

    def __init__(self, group: ApiGroup, schemas: Schemas) -> None:
        self._group = group
        self._schemas = schemas
        words = (*group.name.replace("-", ".").split("."), group.version) if group.name else ("core", group.version)
        self._id = "".join(word[:1].upper() + word[1:] for word in words)
        self._tag = f"{self._id[0].lower()}{self._id[1 : -len(group.version)]}_{group.version}"

    def build(self) -> dict[str, Any]:
        """All paths of the group, sorted."""
        found: dict[str, dict[str, Any]] = {f"{self._group.path}/": self._resources()}
        for name in self._group.resources:
            if name in self._group.routes:
                self._resource(name, self._group.routes[name], found)
        return dict(sorted(found.items()))

    def _resources(self) -> dict[str, Any]:
        schema = {"$ref": self._schemas.reference(APIResourceList)}
        operation = {
            "tags": [self._tag],
            "description": "get available resources",
            "operationId": f"get{self._id}APIResources",
            "responses": _responses(schema, (200,), MEDIA_TYPES),
        }
        return {"get": operation}

    def _resource(self, name: str, route: Route, found: dict[str, dict[str, Any]]) -> None:
        kind = self._group.resources[name].kind
        base = self._group.path
        scope = f"{base}/namespaces/{{namespace}}" if route.namespaced else base
        collection = route.collection if route.namespaced else route.everywhere
        namespaced = "Namespaced" if route.namespaced else ""
        found |= self._path(f"{scope}/{name}", self._collection(kind, collection, namespaced))
        if route.namespaced:
            found |= self._path(f"{base}/{name}", self._collection(kind, route.everywhere, "", everywhere=True))
        found |= self._path(f"{scope}/{name}/{{name}}", self._item(kind, route.item, namespaced))
        for sub, verbs in route.subresources.items():
            shown = self._group.resources[name].subresources.get(sub, kind)
            operations = self._item(kind, verbs, namespaced, sub=sub, shown=shown)
            found |= self._path(f"{scope}/{name}/{{name}}/{sub}", operations)
        if "watch" in collection:
            self._watches(name, kind, route, found)

    def _watches(self, name: str, kind: str, route: Route, found: dict[str, dict[str, Any]]) -> None:
        base = f"{self._group.path}/watch"
        scope = f"{base}/namespaces/{{namespace}}" if route.namespaced else base
        namespaced = "Namespaced" if route.namespaced else ""
        found |= self._path(f"{scope}/{name}", [self._watch(kind, f"{namespaced}{kind}List", many=True)])
        found |= self._path(f"{scope}/{name}/{{name}}", [self._watch(kind, f"{namespaced}{kind}", many=False)])
        if route.namespaced:
            found |= self._path(f"{base}/{name}", [self._watch(kind, f"{kind}ListForAllNamespaces", many=True)])

    # Operations: method, operation, names of its own parameters

    def _collection(
        self, kind: str, verbs: Verbs, namespaced: str, *, everywhere: bool = False
    ) -> list[tuple[str, dict[str, Any], Iterable[str]]]:
        found: list[tuple[str, dict[str, Any], Iterable[str]]] = []
        if "list" in verbs:
            text = "list or watch" if "watch" in verbs else "list"
            operation = self._operation("list", f"{text} objects of kind {kind}", kind)
            operation["operationId"] = f"list{self._id}{namespaced}{kind}{'ForAllNamespaces' if everywhere else ''}"
            # A list of requests, which are not kept, only says that one may ask.
            listed = self._kind(f"{kind}List") if f"{kind}List" in self._group.types else self._status()
            operation["responses"] = _responses(listed, (200,), (*MEDIA_TYPES, *STREAM_TYPES))
            found.append(("get", operation, _LIST))
        if "create" in verbs:
            operation = self._operation("post", f"create {_article(kind)} {kind}", kind)
            operation["operationId"] = f"create{self._id}{namespaced}{kind}"
            operation["requestBody"] = _body(self._kind(kind))
            operation["responses"] = _responses(self._kind(kind), (200, 201, 202), MEDIA_TYPES)
            found.append(("post", operation, _WRITE))
        if "deletecollection" in verbs:
            operation = self._operation("deletecollection", f"delete collection of {kind}", kind)
            operation["operationId"] = f"delete{self._id}Collection{namespaced}{kind}"
            operation["requestBody"] = _body(self._options(), required=False)
            operation["responses"] = _responses(self._status(), (200,), MEDIA_TYPES)
            found.append(("delete", operation, _DELETE_MANY))
        return found

    def _item(
        self, kind: str, verbs: Verbs, namespaced: str, *, sub: str = "", shown: str = ""
    ) -> list[tuple[str, dict[str, Any], Iterable[str]]]:
        """Operations on one object or on a subresource of it; of a subresource `shown` is the kind."""
        shown = shown or kind
        schema = self._kind(shown) if verbs else {}
        of = f"{sub} of " if sub else ""
        suffix = f"{namespaced}{kind}{sub.capitalize()}"
        texts: dict[Verb, tuple[str, str, str]] = {
            "get": ("get", "read", f"read {of}the specified {kind}"),
            "update": ("put", "replace", f"replace {of}the specified {kind}"),
            "delete": ("delete", "delete", f"delete {_article(kind)} {kind}"),
            "patch": ("patch", "patch", f"partially update {of}the specified {kind}"),
        }
        found: list[tuple[str, dict[str, Any], Iterable[str]]] = []
        for verb, (method, word, text) in texts.items():
            if verb not in verbs:
                continue
            operation = self._operation(method, text, shown)
            operation["operationId"] = f"{word}{self._id}{suffix}"
            codes: tuple[int, ...] = (200,)
            parameters: tuple[str, ...] = _LIST if shown.endswith("List") else ()
            if verb == "update":
                operation["requestBody"], codes, parameters = _body(schema), (200, 201), _WRITE
            elif verb == "patch":
                patch = {"$ref": self._schemas.well_known(PATCH)}
                operation["requestBody"] = _body(patch, media=_PATCHES)
                codes, parameters = (200, 201), (*_WRITE, "force")
            elif verb == "delete":
                operation["requestBody"] = _body(self._options(), required=False)
                codes, parameters = (200, 202), _DELETE
            answer = self._status() if verb == "delete" else schema
            operation["responses"] = _responses(answer, codes, MEDIA_TYPES)
            found.append((method, operation, parameters))
        return found

    def _watch(self, kind: str, name: str, *, many: bool) -> tuple[str, dict[str, Any], Iterable[str]]:
        what = f"watch individual changes to a list of {kind}" if many else f"watch changes to an object of kind {kind}"
        instead = "use the 'watch' parameter with a list operation instead"
        if not many:
            instead += ", filtered to a single item with the 'fieldSelector' parameter"
        operation = self._operation("watchlist" if many else "watch", f"{what}. deprecated: {instead}.", kind)
        operation["operationId"] = f"watch{self._id}{name}"
        schema = {"$ref": self._schemas.well_known(WATCH_EVENT)}
        operation["responses"] = _responses(schema, (200,), (*MEDIA_TYPES, *STREAM_TYPES))
        return "get", operation, _LIST

    def _operation(self, action: str, text: str, kind: str) -> dict[str, Any]:
        return {
            "tags": [self._tag],
            "description": text,
            "operationId": "",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {
                "group": self._group.name,
                "version": self._group.version,
                "kind": kind,
            },
        }

    def _path(
        self, path: str, operations: list[tuple[str, dict[str, Any], Iterable[str]]]
    ) -> dict[str, dict[str, Any]]:
        """A path with its operations. Parameters that all of them have stand at the path."""
        if not operations:
            return {}
        placed = {name for name in ("namespace", "name") if f"{{{name}}}" in path}
        own = [{*names, *placed, "pretty"} for _, _, names in operations]
        shared = set.intersection(*own)
        kind = operations[0][1]["x-kubernetes-group-version-kind"]["kind"]
        item: dict[str, Any] = {}
        for (method, operation, _), names in zip(operations, own, strict=True):
            if names - shared:
                operation["parameters"] = [_parameter(name, kind) for name in sorted(names - shared)]
            item[method] = operation
        item["parameters"] = [_parameter(name, kind) for name in sorted(shared)]
        return {path: item}

    def _kind(self, kind: str) -> dict[str, str]:
        return {"$ref": self._schemas.reference(self._group.types[kind])}

    def _status(self) -> dict[str, str]:
        return {"$ref": self._schemas.reference(Status)}

    def _options(self) -> dict[str, str]:
        return {"$ref": self._schemas.reference(DeleteOptions)}


def _article(kind: str) -> str:
    return "an" if kind[0] in "AEIOU" else "a"


def _responses(schema: dict[str, str], codes: Iterable[int], media: Iterable[str]) -> dict[str, Any]:
    texts = {200: "OK", 201: "Created", 202: "Accepted"}
    content = {one: {"schema": schema} for one in sorted(media)}
    return {str(code): {"description": texts[code], "content": content} for code in codes}


def _body(schema: dict[str, str], *, media: Iterable[str] = ("*/*",), required: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = {"content": {one: {"schema": schema} for one in media}}
    if required:
        body["required"] = True
    return body


def _parameter(name: str, kind: str) -> dict[str, Any]:
    placed = name in ("name", "namespace")
    type_ = "boolean" if name in _BOOLEANS else "integer" if name in _INTEGERS else "string"
    found: dict[str, Any] = {
        "name": name,
        "in": "path" if placed else "query",
        "description": _TEXTS[name].format(kind=kind),
    }
    if placed:
        found["required"] = True
    found["schema"] = {"type": type_, "uniqueItems": True}
    return found
