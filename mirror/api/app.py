"""The API of one cluster, in process: a request in, an answer out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mirror.api.access import Access
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.documents import Documents
from mirror.api.failures import ApiFailure
from mirror.api.groups import ApiGroup
from mirror.api.image_group import image_group
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.metrics import Metrics
from mirror.api.negotiation import Allows, Representation, metadata_only, negotiate, negotiate_stream, tables
from mirror.api.router import Match, Router
from mirror.api.routing import WarnedFailure
from mirror.api.tables import Shown, check_include, convert
from mirror.api.writing import failure_response, object_response, watch_response

GROUP_PATH: Final = f"/apis/{API_VERSION}"


class ImageApi:
    """``image.openshift.io/v1`` of one cluster.

    `more` are the groups that it offers besides; without `access` everybody may do everything.
    """

    def __init__(self, cluster: Cluster, more: Sequence[ApiGroup] = (), access: Access | None = None) -> None:
        self.cluster = cluster
        self.access = access or Access()
        self.groups = (*more, image_group(cluster))
        self._router = Router(self.groups)
        self._metrics = Metrics()
        self._documents = Documents(cluster, self.groups, self._metrics)

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request; refusals are answers, too."""
        try:
            self.access.admit(request)
        except ApiFailure as failure:
            return failure_response(request, failure)
        response = await self.answer(request)
        if request.method == "HEAD":
            response.body = b""
        return response

    async def answer(self, request: ApiRequest) -> ApiResponse:
        """Answers a request of a user who is known and may ask."""
        verb, resource = request.method, ""
        try:
            found = self._router.find(request)
            if found is None:
                response = await self._documents.handle(request)
            else:
                verb, resource = found.verb, found.resource
                response = await self._resource(request, found)
        except ApiFailure as failure:
            response = failure_response(request, failure)
        except WarnedFailure as refused:
            response = failure_response(request, refused.failure, refused.warnings)
        self._metrics.count(response.status, verb, resource)
        return response

    async def _resource(self, request: ApiRequest, found: Match) -> ApiResponse:
        shown = _shown(found)
        allows: Allows = metadata_only if shown.printer is None else tables
        form = negotiate(request, allows)
        if found.verb == "watch":
            form = negotiate_stream(request, allows)
        include = check_include(request) if _makes_table(form) else ""
        reply = await found.handler(found.call)

        def converted(value: Any, headers: bool = True) -> Any:
            if form.convert is None:
                return value
            now = self.cluster.clock.now()
            return convert(value, form.convert, shown, include, now, headers=headers)

        if reply.events is not None:
            return watch_response(reply.events, form, converted)
        try:
            value = converted(reply.value)
        except ApiFailure as failure:
            raise WarnedFailure(failure, list(reply.warnings)) from None
        return object_response(request, value, form, reply.status, reply.warnings)


def _makes_table(form: Representation) -> bool:
    return form.convert is not None and form.convert.kind == "Table"


def _shown(found: Match) -> Shown:
    resource = found.group.resources[found.resource]
    if found.subresource:
        kind = resource.subresources.get(found.subresource, resource.kind)
        return Shown(kind, found.group.api_version, found.group.package, None)
    return Shown(resource.kind, found.group.api_version, found.group.package, resource.printer)
