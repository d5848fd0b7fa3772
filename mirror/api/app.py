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
from mirror.api.images import ImageResource
from mirror.api.imports import ImportResource
from mirror.api.messages import JSON, ApiRequest, ApiResponse
from mirror.api.routing import Call, Handler, Route, WarnedFailure
from mirror.api.streams import StreamResource
from mirror.api.tags import StreamImageResource, StreamTagResource
from mirror.gotext import html_escape

GROUP_PATH: Final = f"/apis/{API_VERSION}"
_ACCEPTED: Final = re.compile(r"\*/\*|application/\*|application/json")


class ImageApi:
    """``image.openshift.io/v1`` of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._routes = _routes(cluster)

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request; refusals are answers, too."""
        value: msgspec.Struct
        warnings: tuple[str, ...] = ()
        try:
            _check_accept(request)
            handler, call = self._route(request)
            reply = await handler(call)
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
        if route is None or len(parts) > 2 or (namespace and not route.namespaced) or not all(parts):
            raise failures.path_not_found()
        verbs = route.item if len(parts) == 2 else (route.collection if namespace else route.everywhere)
        if not verbs or (len(parts) == 2 and route.namespaced and not namespace):
            raise failures.path_not_found()
        handler = verbs.get(request.method)
        if handler is None:
            raise failures.method_not_allowed()
        return handler, Call(namespace, parts[1] if len(parts) == 2 else "", request)


def _check_accept(request: ApiRequest) -> None:
    accept = request.headers.get("accept", "")
    if accept and not _ACCEPTED.search(accept):
        raise failures.not_acceptable()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _routes(cluster: Cluster) -> dict[str, Route]:
    imports = ImportResource(cluster)
    streams = StreamResource(cluster)
    tags = StreamTagResource(cluster)
    stream_images = StreamImageResource(cluster)
    images = ImageResource(cluster)
    return {
        "imagestreamimports": Route(True, {"POST": imports.create}, {}, {}),
        "imagestreams": Route(
            True,
            {"GET": streams.list, "POST": streams.create},
            {"GET": streams.list},
            {"GET": streams.get, "DELETE": streams.delete},
        ),
        "imagestreamtags": Route(True, {"GET": tags.list}, {"GET": tags.list}, {"GET": tags.get}),
        "imagestreamimages": Route(True, {}, {}, {"GET": stream_images.get}),
        "images": Route(False, {}, {"GET": images.list}, {"GET": images.get}),
    }
