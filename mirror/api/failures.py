"""Answers of the API that are not objects: ``metav1.Status`` with its codes (apimachinery ``api/errors``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mirror.api.fields import FieldError, joined
from mirror.errors import IsmirrorError
from mirror.gotext import quote
from mirror.v1.meta import Status, StatusCause, StatusDetails

GROUP: Final = "image.openshift.io"


class ApiFailure(IsmirrorError):
    """A call that is refused; ``status`` is the whole answer."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


def _failure(code: int, reason: str, message: str, details: StatusDetails | None) -> ApiFailure:
    status = Status(
        kind="Status",
        apiVersion="v1",
        status="Failure",
        message=message,
        reason=reason,
        details=details,
        code=code,
    )
    return ApiFailure(status)


def bad_request(message: str) -> ApiFailure:
    return _failure(400, "BadRequest", message, None)


def qualified(resource: str, group: str) -> str:
    """``imagestreams.image.openshift.io``; resources of the core group have no group behind them."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, group: str = GROUP) -> ApiFailure:
    """`resource` is what the message calls it: mostly a plural, for some answers a singular."""
    details = StatusDetails(name=name, group=group, kind=resource)
    return _failure(404, "NotFound", f"{qualified(resource, group)} {quote(name)} not found", details)


def path_not_found() -> ApiFailure:
    return _failure(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def method_not_allowed() -> ApiFailure:
    message = "the server does not allow this method on the requested resource"
    return _failure(405, "MethodNotAllowed", message, StatusDetails())


def verb_not_supported(verb: str, resource: str, group: str = GROUP) -> ApiFailure:
    """The resource is there and the path, too, but not this verb: ``?watch=true`` where there is only a list."""
    message = f"{verb} is not supported on resources of kind {quote(qualified(resource, group))}"
    return _failure(405, "MethodNotAllowed", message, StatusDetails(group=group, kind=resource))


def not_acceptable(produced: Sequence[str]) -> ApiFailure:
    """The router found no clause of ``Accept`` that names one of the media types of the route."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}"
    return _failure(406, "NotAcceptable", message, StatusDetails())


def only_accepted(media_types: Sequence[str]) -> ApiFailure:
    """The media type is known, but what it asks for besides cannot be had."""
    message = f"only the following media types are accepted: {', '.join(media_types)}"
    return _failure(406, "NotAcceptable", message, None)


def not_convertible(problem: str) -> ApiFailure:
    """A conversion that is possible, but not of what was found."""
    return _failure(406, "NotAcceptable", problem, None)


def unauthorized() -> ApiFailure:
    """Who asks is not known."""
    return _failure(401, "Unauthorized", "Unauthorized", None)


def forbidden(resource: str, name: str, problem: str, group: str = GROUP) -> ApiFailure:
    """Who asks is known and may not do it."""
    named = f" {quote(name)}" if name else ""
    details = StatusDetails(name=name, group=group, kind=resource)
    return _failure(403, "Forbidden", f"{qualified(resource, group)}{named} is forbidden: {problem}", details)


def forbidden_path(problem: str) -> ApiFailure:
    """Who asks may not see a path that is no resource."""
    return _failure(403, "Forbidden", f"forbidden: {problem}", StatusDetails())


def unsupported_media_type() -> ApiFailure:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )
    return _failure(415, "UnsupportedMediaType", message, None)


def unroutable_media_type() -> ApiFailure:
    """The router found that the route takes no such body."""
    return _failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", StatusDetails())


def unsupported_patch_type(types: Sequence[str]) -> ApiFailure:
    """A PATCH whose body is none of the types of patches."""
    known = ", ".join(types)
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    return _failure(415, "UnsupportedMediaType", message, None)


def unprocessable() -> ApiFailure:
    """A patch that does not apply to the object."""
    message = "the server rejected our request due to an error in our request"
    return _failure(422, "Invalid", message, StatusDetails())


def too_large_entity(problem: str) -> ApiFailure:
    """A body that asks for more than is allowed, if not by its size."""
    message = f"Request entity too large: {problem}"
    return _failure(413, "RequestEntityTooLarge", message, None)


def too_large(limit: int) -> ApiFailure:
    return too_large_entity(f"limit is {limit}")


def already_exists(resource: str, name: str, group: str = GROUP) -> ApiFailure:
    details = StatusDetails(name=name, group=group, kind=resource)
    return _failure(409, "AlreadyExists", f"{qualified(resource, group)} {quote(name)} already exists", details)


def conflict(resource: str, name: str, problem: str, group: str = GROUP) -> ApiFailure:
    details = StatusDetails(name=name, group=group, kind=resource)
    message = f"Operation cannot be fulfilled on {qualified(resource, group)} {quote(name)}: {problem}"
    return _failure(409, "Conflict", message, details)


MODIFIED: Final = "the object has been modified; please apply your changes to the latest version and try again"


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> ApiFailure:
    """A server-side apply that would take fields from others: pairs of manager, as messages show it, and path."""
    causes = [
        StatusCause(reason="FieldManagerConflict", message=f"conflict with {manager}", field=path)
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for manager in dict.fromkeys(manager for manager, _ in conflicts):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {path}" for one, path in conflicts if one == manager]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return _failure(409, "Conflict", message, StatusDetails(causes=causes))


def invalid(kind: str, name: str, errors: Sequence[FieldError], group: str = GROUP) -> ApiFailure:
    """Every error is a cause; in the message equal texts stand once."""
    details = StatusDetails(name=name, group=group, kind=kind, causes=[error.cause for error in errors])
    return _failure(422, "Invalid", f"{qualified(kind, group)} {quote(name)} is invalid: {joined(errors)}", details)


def internal_error(message: str) -> ApiFailure:
    details = StatusDetails(causes=[StatusCause(message=message)])
    return _failure(500, "InternalError", f"Internal error occurred: {message}", details)


def plain_error(message: str) -> ApiFailure:
    """An error without a type of its own: message and code only."""
    return ApiFailure(
        Status(kind="Status", apiVersion="v1", status="Failure", message=message, code=500),
    )


def timed_out() -> ApiFailure:
    message = "Timeout: request did not complete within requested timeout - context deadline exceeded"
    return _failure(504, "Timeout", message, StatusDetails())


def too_large_version(wanted: int, current: int, *, retry_after: int = 1) -> ApiFailure:
    """A resource version that is yet to come; a client may ask again in so many seconds."""
    problem = "Too large resource version"
    causes = [StatusCause(reason="ResourceVersionTooLarge", message=problem)]
    details = StatusDetails(causes=causes, retryAfterSeconds=retry_after)
    return _failure(504, "Timeout", f"Timeout: {problem}: {wanted}, current: {current}", details)


def expired(message: str, continue_: str = "") -> ApiFailure:
    """What is asked for is too long ago; `continue_` is a token to go on with what there is now."""
    failure = _failure(410, "Expired", message, None)
    failure.status.metadata.continue_ = continue_
    return failure


def server_timeout(resource: str, operation: str, retry_after: int) -> ApiFailure:
    """Others were always faster; `retry_after` is in seconds."""
    details = StatusDetails(name=operation, group=GROUP, kind=resource, retryAfterSeconds=retry_after)
    what = f"The {operation} operation against {resource}.{GROUP} could not be completed at this time"
    return _failure(500, "ServerTimeout", f"{what}, please try again.", details)


def success(code: int = 0, details: StatusDetails | None = None) -> Status:
    return Status(kind="Status", apiVersion="v1", status="Success", details=details, code=code)
