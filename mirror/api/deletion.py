"""Options of deletions: from the body, or from the query where there is no body (apiserver ``handlers/delete.go``)."""

from __future__ import annotations

from typing import Final

from mirror.api import failures
from mirror.api.decoding import body_as_json
from mirror.api.fields import FieldError, invalid
from mirror.api.messages import ApiRequest
from mirror.api.options import dry_run_errors, invalid_options, not_supported
from mirror.api.parameters import integer
from mirror.gojson import GoJSONError
from mirror.gotext import quote
from mirror.kubejson import UnrecognizedError, decode_object, peek_type_meta
from mirror.v1.options import DeleteOptions, Preconditions

_KIND: Final = "DeleteOptions"
_SCHEME: Final = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
_POLICIES: Final = ("Foreground", "Background", "Orphan")


def delete_options(request: ApiRequest) -> DeleteOptions:
    """Reads the options of a deletion. A body may be of any version, and makes the query count for nothing.

    Raises:
        ApiFailure: 400, 413, 415, 422 or 500.
    """
    options = _from_body(request) if request.body else _from_query(request)
    errors: list[FieldError] = []
    policy = options.propagationPolicy
    if policy is not None and options.orphanDependents is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", policy, text))
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("propagationPolicy", policy, *_POLICIES, "nil"))
    errors += dry_run_errors(options.dryRun or [])
    if errors:
        raise invalid_options(_KIND, errors)
    return options


def _from_body(request: ApiRequest) -> DeleteOptions:
    data, _ = body_as_json(request, failures.plain_error)
    try:
        version, kind = peek_type_meta(data, request.body)
        if kind not in ("", _KIND):
            where = f"registered for version {quote(version)} in scheme {quote(_SCHEME)}"
            raise failures.plain_error(f"no kind {quote(kind)} is {where}")
        return decode_object(data, DeleteOptions).value
    except (UnrecognizedError, GoJSONError) as error:
        raise failures.plain_error(getattr(error, "problem", str(error))) from None


def _from_query(request: ApiRequest) -> DeleteOptions:
    options = DeleteOptions(
        gracePeriodSeconds=integer(request, "gracePeriodSeconds"),
        dryRun=request.parameters("dryRun") or None,
    )
    if request.parameters("propagationPolicy"):
        options.propagationPolicy = request.parameter("propagationPolicy")
    if request.parameters("orphanDependents"):
        options.orphanDependents = request.flag("orphanDependents")
    uid, version = request.parameter("uid"), request.parameter("resourceVersion")
    if uid or version:
        options.preconditions = Preconditions(uid or None, version or None)
    return options
