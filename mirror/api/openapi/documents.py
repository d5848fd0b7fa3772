"""Whole OpenAPI documents: version 3 for each group, version 2 for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from mirror.api.groups import ApiGroup
from mirror.api.negotiation import MEDIA_TYPES
from mirror.api.openapi.paths import Paths
from mirror.api.openapi.schemas import Schemas, as_swagger
from mirror.v1.discovery import APIGroup, APIGroupList, APIVersions, Info

TITLE: Final = "ismirror"


def version3(groups: Sequence[ApiGroup], version: str) -> dict[str, Callable[[], dict[str, Any]]]:
    """What makes each document, by the path that it is about: those of groups and their versions, and of discovery."""
    found: dict[str, Callable[[], dict[str, Any]]] = {}

    def add(path: str, make: Callable[[], dict[str, Any]]) -> None:
        found[path] = make

    if any(not group.name for group in groups):
        add("api", _of_discovery("/api/", APIVersions, "core", "get available API versions", version))
    add("apis", _of_discovery("/apis/", APIGroupList, "apis", "get available API versions", version))
    for group in groups:
        if group.name:
            path, tag = f"apis/{group.name}", _words(group.name)
            add(path, _of_discovery(f"/{path}/", APIGroup, tag, "get information of a group", version))
        add(group.path.removeprefix("/"), _of_group(group, version))
    add("version", _of_discovery("/version/", Info, "version", "get the version information for this server", version))
    return dict(sorted(found.items()))


def _words(name: str) -> str:
    first, *rest = name.replace("-", ".").split(".")
    return first + "".join(word.capitalize() for word in rest)


def _document(paths: dict[str, Any], schemas: Schemas, version: str) -> dict[str, Any]:
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": version},
        "paths": paths,
        "components": {"schemas": schemas.all},
    }


def _of_group(group: ApiGroup, version: str) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        schemas = Schemas(group)
        return _document(Paths(group, schemas).build(), schemas, version)

    return make


def _of_discovery(
    path: str, type_: type[msgspec.Struct], tag: str, text: str, version: str
) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        schemas = Schemas(None)
        schema = {"$ref": schemas.reference(type_)}
        media = MEDIA_TYPES if type_ is not Info else MEDIA_TYPES[:1]
        content = {one: {"schema": schema} for one in sorted(media)}
        operation = {
            "tags": [tag],
            "description": text,
            "operationId": f"get{tag[:1].upper()}{tag[1:]}{'' if type_ is Info else 'API'}",
            "responses": {"200": {"description": "OK", "content": content}},
        }
        return _document({path: {"get": operation}}, schemas, version)

    return make


def version2(documents: Sequence[dict[str, Any]], version: str) -> dict[str, Any]:
    """One document of version 2 of all those of version 3."""
    paths: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for document in documents:
        paths |= {path: _path_item(item) for path, item in document["paths"].items()}
        definitions |= as_swagger(document["components"]["schemas"])
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
    }


def _path_item(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in item.items():
        found[key] = [_parameter(one) for one in value] if key == "parameters" else _operation(value)
    return found


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in operation.items() if key not in ("parameters", "requestBody", "responses")}
    parameters = [_parameter(one) for one in operation.get("parameters", ())]
    body = operation.get("requestBody")
    if body is not None:
        (first, *_) = body["content"].values()
        found["consumes"] = list(body["content"])
        shown = {"name": "body", "in": "body", "schema": as_swagger(first["schema"])}
        parameters.append(shown | ({"required": True} if body.get("required") else {}))
    if parameters:
        found["parameters"] = parameters
    responses = {}
    for code, answer in operation["responses"].items():
        found["produces"] = list(answer["content"])
        (first, *_) = answer["content"].values()
        responses[code] = {"description": answer["description"], "schema": as_swagger(first["schema"])}
    found["responses"] = responses
    return found


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in parameter.items() if key != "schema"}
    found |= parameter["schema"]
    return found
