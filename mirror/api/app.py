"""The API of one cluster, in process: a request in, an answer out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from mirror.api import failures
from mirror.api.access import Access
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.documents import Documents
from mirror.api.failures import ApiFailure
from mirror.api.groups import ApiGroup
from mirror.api.image_group import image_group
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.metrics import Metrics
from mirror.api.negotiation import (
    JSON,
    PROTOBUF,
    Allows,
    Representation,
    metadata_only,
    negotiate,
    negotiate_stream,
    tables,
)
from mirror.api.protobuf import WireError
from mirror.api.protobuf_objects import UnknownKindError, to_json
from mirror.api.router import Match, Router
from mirror.api.routing import Call, WarnedFailure
from mirror.api.tables import Shown, check_include, convert
from mirror.api.writing import failure_response, object_response, watch_response

GROUP_PATH: Final = f"/apis/{API_VERSION}"


class Namespaces(Protocol):
    """Looks after namespaces."""

    async def admit(self, namespace: str) -> None:
        """Something is to be created in a namespace.

        Raises:
            ApiFailure: 404, there is no such namespace.
        """
        ...


class ApiCore:
    """``image.openshift.io/v1`` of one cluster.

    `more` are the groups that it offers besides; without `access` everybody may do everything. `namespaces` is asked
    before something is created in a namespace; without it there are namespaces of every name.
    """

    def __init__(
        self,
        cluster: Cluster,
        more: Sequence[ApiGroup] = (),
        access: Access | None = None,
        namespaces: Namespaces | None = None,
    ) -> None:
        self.cluster = cluster
        self.access = access or Access()
        cluster.authorizer = self.access.authorizer
        self.groups = (*more, image_group(cluster))
        self._namespaces = namespaces
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
        if self._namespaces is not None and found.verb == "create" and found.call.namespace:
            await self._namespaces.admit(found.call.namespace)
        reply = await found.handler(_readable(found, plain=form.convert is None))

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


def _readable(found: Match, *, plain: bool) -> Call:
    """The call, with its body as JSON if that came as a protocol buffer and may.

    Raises:
        ApiFailure: 400, 415.
    """
    call, request = found.call, found.call.request
    if not found.group.protobuf or request.headers.get("content-type", "").partition(";")[0].strip() != PROTOBUF:
        return Call(call.namespace, call.name, request, plain)
    try:
        body = to_json(request.body) if request.body else b""
    except UnknownKindError:
        raise failures.unsupported_media_type() from None
    except WireError as error:
        raise failures.bad_request(str(error)) from None
    request = replace(request, body=body, headers={**request.headers, "content-type": JSON})
    return Call(call.namespace, call.name, request, plain)


def _makes_table(form: Representation) -> bool:
    return form.convert is not None and form.convert.kind == "Table"


def _shown(found: Match) -> Shown:
    resource = found.group.resources[found.resource]
    if found.subresource:
        kind = resource.subresources.get(found.subresource, resource.kind)
        return Shown(kind, found.group.api_version, found.group.package, None)
    return Shown(resource.kind, found.group.api_version, found.group.package, resource.printer)
