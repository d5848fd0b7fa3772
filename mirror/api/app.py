"""The API of one cluster, in process: a request in, an answer out."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.failures import ApiFailure
from mirror.api.messages import JSON, ApiRequest, ApiResponse
from mirror.api.routes import image_routes
from mirror.api.routing import Call, Handler, Route, Verb, Verbs, WarnedFailure
from mirror.gotext import html_escape

GROUP_PATH: Final = f"/apis/{API_VERSION}"
_ACCEPTED: Final = re.compile(r"\*/\*|application/\*|application/json")


class ImageApi:
    """``image.openshift.io/v1`` of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._routes = image_routes(cluster)

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request; refusals are answers, too."""
        value: msgspec.Struct
        warnings: tuple[str, ...] = ()
        try:
            _check_accept(request)
            handler, call = self._route(request)
            reply = await handler(call)
            assert reply.value is not None
            value, status, warnings = reply.value, reply.status, reply.warnings
        except ApiFailure as failure:
            value, status = failure.status, failure.status.code
        except WarnedFailure as refused:
            value, status, warnings = refused.failure.status, refused.failure.status.code, refused.warnings
        headers = [("Cache-Control", "no-store"), ("Content-Type", JSON)]
        headers += [("Warning", f"299 - {_quoted(text)}") for text in warnings]
        return ApiResponse(status, headers, html_escape(msgspec.json.encode(value)) + b"\n")

    def _route(self, request: ApiRequest) -> tuple[Handler, Call]:
        """Finds the handler of a request.

        Raises:
            ApiFailure: 404, 405.
        """
        path = request.path
        if not path.startswith(f"{GROUP_PATH}/"):
            raise failures.path_not_found()
        parts = [unquote(part) for part in path.removeprefix(f"{GROUP_PATH}/").split("/")]
        namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        route = self._routes.get(parts[0])
        if route is None or (namespace and not route.namespaced) or not all(parts):
            raise failures.path_not_found()
        verbs, names = _verbs(route, parts[1:], namespaced=bool(namespace))
        if not verbs:
            raise failures.path_not_found()
        verb = names.get(request.method)
        handler = None if verb is None else verbs.get(verb)
        if handler is None:
            raise failures.method_not_allowed()
        return handler, Call(namespace, parts[1] if len(parts) > 1 else "", request)


_ITEM_VERBS: Final[dict[str, Verb]] = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS: Final[dict[str, Verb]] = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


def _verbs(route: Route, below: list[str], *, namespaced: bool) -> tuple[Verbs, dict[str, Verb]]:
    """What can be done at a path below a resource, and what each method means there."""
    if not below:
        return route.collection if namespaced else route.everywhere, _COLLECTION_VERBS
    if route.namespaced and not namespaced:
        return {}, _ITEM_VERBS
    if len(below) == 1:
        return route.item, _ITEM_VERBS
    return route.subresources.get(below[1], {}) if len(below) == 2 else {}, _ITEM_VERBS


def _check_accept(request: ApiRequest) -> None:
    accept = request.headers.get("accept", "")
    if accept and not _ACCEPTED.search(accept):
        raise failures.not_acceptable()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
