"""The OpenAPI document of the control plane, made from its table of endpoints."""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from fake_registry.control.documents import PREFIX, Page, Problem
from fake_registry.control.plane import ENDPOINTS, Endpoint

_DESCRIPTION: Final = "What belongs to the fake registry and not to the registries that it fakes."
_REFERENCE: Final = "#/components/schemas/{name}"
_NUMBERS: Final = {"status": "integer", "limit": "integer", "since": "number", "wait": "integer", "count": "integer"}
_REASONS: Final = {200: "Done", 201: "Added", 204: "Done"}


def document() -> dict[str, Any]:
    """The document, in version 3.1 of OpenAPI."""
    types = [kind for one in ENDPOINTS for kind in (one.gives, one.takes) if kind not in {None, str, dict, Page}]
    shown = list(dict.fromkeys([*types, Problem]))
    schemas, components = msgspec.json.schema_components(shown, ref_template=_REFERENCE)
    by_type = dict(zip(map(str, shown), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ismirror control plane", "description": _DESCRIPTION, "version": "1"},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    text = inspect.getdoc(endpoint.handler) or ""
    summary, _, more = text.partition("\n\n")
    name = getattr(endpoint.handler, "__name__", "")
    answer: dict[str, Any] = {"description": _REASONS[endpoint.status]}
    if endpoint.gives is not None:
        answer["content"] = _content(endpoint.gives, schemas)
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": " ".join(summary.split()),
        "responses": {
            str(endpoint.status): answer,
            "4XX": {"description": "Not done", "content": _content(Problem, schemas)},
        },
    }
    if more:
        operation["description"] = " ".join(more.split())
    parameters = [_parameter(query, "query") for query in endpoint.query]
    if "{" in endpoint.path:
        parameters.append(_parameter(endpoint.path.partition("{")[2].rstrip("}"), "path"))
    if parameters:
        operation["parameters"] = parameters
    if endpoint.takes is not None:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.takes, schemas)}
    return operation


def _content(kind: type, schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if kind is str:
        return {"text/plain": {"schema": {"type": "string"}}}
    if kind is Page:
        return {"text/html": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schemas.get(str(kind), {"type": "object"})}}


def _parameter(name: str, place: str) -> dict[str, Any]:
    kind = _NUMBERS.get(name, "string")
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}}
