"""From failures to ``metav1.Status`` (importer.go ``formatRepositoryError``, ``formatPingError``)."""

from __future__ import annotations

from typing import Final

from mirror.gotext import quote
from mirror.importer.failures import ClientFailure, InvalidRepositoryName, StatusFailure
from mirror.reference import Reference
from mirror.v1.meta import Status, StatusCause, StatusDetails

GROUP: Final = "image.openshift.io"


def success() -> Status:
    return Status(status="Success")


def failure(reason: str, message: str, code: int, details: StatusDetails | None = None) -> Status:
    return Status(status="Failure", message=message, reason=reason, details=details, code=code)


def internal_error(text: str) -> Status:
    """What every plain error becomes."""
    details = StatusDetails(causes=[StatusCause(message=text)])
    return failure("InternalError", f"Internal error occurred: {text}", 500, details)


def not_found(reference: str) -> Status:
    details = StatusDetails(name=reference, group=GROUP, kind="dockerimage")
    return failure("NotFound", f"dockerimage.{GROUP} {quote(reference)} not found", 404, details)


def unauthorized(message: str) -> Status:
    return failure("Unauthorized", message, 401)


def no_access(reference: str) -> Status:
    return unauthorized(f"you may not have access to the container image {quote(reference)}")


def wrong_password(reference: str) -> Status:
    return unauthorized(f"incorrect username or password for image {quote(reference)}")


def blocked(registry: str) -> Status:
    """`registry` is as parsed, before defaults: empty for short names, which leaves two blanks in the text."""
    return failure("Forbidden", f"forbidden: registry {registry} blocked", 403, StatusDetails())


def invalid_name(name: str, problem: str) -> Status:
    """A name that does not parse at import time. Kind and group are empty, hence the leading blank."""
    text = f"Invalid value: {quote(name)}: invalid name: {problem}"
    cause = StatusCause(reason="FieldValueInvalid", message=text, field="from.name")
    return failure("Invalid", f' "" is invalid: from.name: {text}', 422, StatusDetails(causes=[cause]))


def invalid_repository_name(position: str, name: str) -> Status:
    """A name without a repository in it (``quay.io``, ``localhost:5000``)."""
    text = f"Invalid value: {quote(name)}: the provided repository name is not valid"
    cause = StatusCause(reason="FieldValueInvalid", message=text, field="from.name")
    details = StatusDetails(name=position, group=GROUP, causes=[cause])
    return failure("Invalid", f".{GROUP} {quote(position)} is invalid: from.name: {text}", 422, details)


def import_failed(count: int) -> Status:
    """Overall status of a repository some of whose tags failed: no code, no details."""
    images = "one" if count == 1 else str(count)
    return Status(
        status="Failure",
        message=f"{images} of the images from this repository failed to import",
        reason="ImportFailed",
    )


def status_of(error: ClientFailure) -> Status:
    """The status of a final error: its own, or an internal error with its text."""
    return error.status if isinstance(error, StatusFailure) else internal_error(str(error))


def repository_failure(reference: str, error: ClientFailure) -> ClientFailure:
    """``formatRepositoryError``: for requests about one manifest; `reference` is the normalised one."""
    if isinstance(error, StatusFailure):
        return error
    text = str(error)
    if error.has_code("MANIFEST_UNKNOWN"):
        return StatusFailure(not_found(reference)).about(inner=error)
    if error.has_code("UNAUTHORIZED") or text.endswith("no basic auth credentials"):
        return StatusFailure(no_access(reference)).about(inner=error)
    if text.endswith("incorrect username or password"):
        return StatusFailure(wrong_password(reference)).about(inner=error)
    return ClientFailure(f"{reference}: {text}").about(inner=error)


def listing_failure(reference: str, error: ClientFailure) -> ClientFailure:
    """For tag lists; `reference` is the repository as the user wrote it. Nothing is put before other texts."""
    if error.has_code("NAME_UNKNOWN"):
        return StatusFailure(not_found(reference)).about(inner=error)
    if error.has_code("UNAUTHORIZED"):
        return StatusFailure(no_access(reference)).about(inner=error)
    return error


def connection_failure(reference: Reference, position: str, error: ClientFailure) -> ClientFailure:
    """``formatPingError``: for what goes wrong before anything is asked. `position` names the part of the spec."""
    if isinstance(error, InvalidRepositoryName):
        return StatusFailure(invalid_repository_name(position, reference.repository_name())).about(inner=error)
    return ClientFailure(f"{reference.exact()}: {error}").about(inner=error)
