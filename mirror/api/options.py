"""Options of writes, as query parameters bring them (apimachinery ``CreateOptions``, ``UpdateOptions``,
``PatchOptions``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.fields import FieldError, forbidden, required
from mirror.api.messages import ApiRequest
from mirror.api.metadata import MAX_MANAGER, manager_errors
from mirror.gotext import quote
from mirror.gotext.printable import is_printable

OptionsKind = Literal["CreateOptions", "UpdateOptions", "PatchOptions", "DeleteOptions", "ListOptions"]
META_GROUP: Final = "meta.k8s.io"
_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is to be done.

    `manager` is who writes, for managed fields; `validation` is ``Ignore``, ``Warn`` or ``Strict``; `force` lets an
    apply take fields from others.
    """

    dry_run: bool = False
    manager: str = "unknown"
    validation: str = "Warn"
    force: bool = False


def write_options(request: ApiRequest, kind: OptionsKind, *, apply: bool = False) -> WriteOptions:
    """Reads the options of a request; `apply` says that it is a patch by server-side apply.

    Raises:
        ApiFailure: 422.
    """
    if not request.query and not apply:
        return _usual_options(request.headers.get("user-agent", ""))
    manager = request.parameter("fieldManager")
    dry_run = request.parameters("dryRun")
    validation = request.parameter("fieldValidation")
    errors: list[FieldError] = []
    if apply and not manager:
        errors.append(required("fieldManager", "is required for apply patch"))
    if kind == "PatchOptions" and not apply and request.parameters("force"):
        errors.append(forbidden("force", "may not be specified for non-apply patch"))
    errors += manager_errors(manager, "fieldManager")
    errors += dry_run_errors(dry_run)
    if validation not in _VALIDATIONS:
        errors.append(not_supported("fieldValidation", validation, *_VALIDATIONS))
    if errors:
        raise invalid_options(kind, errors)
    return WriteOptions(
        bool(dry_run),
        manager or _manager_of(request.headers.get("user-agent", "")),
        validation or "Warn",
        request.flag("force"),
    )


@lru_cache(256)
def _usual_options(user_agent: str) -> WriteOptions:
    """The options of a request that says nothing of them."""
    return WriteOptions(manager=_manager_of(user_agent))


def dry_run_errors(values: list[str]) -> list[FieldError]:
    """What is wrong with the values of ``dryRun``."""
    return [] if set(values) <= {"All"} else [not_supported("dryRun", values, "All")]


def not_supported(field: str, value: str | list[str], *supported: str) -> FieldError:
    """A value that is none of the supported ones."""
    return FieldError("NotSupported", field, value, f"supported values: {', '.join(map(quote, supported))}")


def invalid_options(kind: OptionsKind, errors: list[FieldError]) -> ApiFailure:
    """A refusal of options, which are an object without a name."""
    return failures.invalid(kind, "", errors, META_GROUP)


def _manager_of(user_agent: str) -> str:
    """The first word of the User-Agent, as far as it is printable and not too long."""
    kept, size = "", 0
    for character in user_agent.partition("/")[0]:
        if not is_printable(character):
            continue
        size += len(character.encode("utf-8", "surrogatepass"))
        if size > MAX_MANAGER:
            break
        kept += character
    return kept or "unknown"
