"""Options of lists and watches (apimachinery ``internalversion/validation``, apiserver ``storage/continue.go``)."""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass
from typing import Final

import msgspec

from mirror import gojson
from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.field_selectors import FieldTerms, SelectableFields, T_contra, parse_fields
from mirror.api.fields import FieldError, forbidden
from mirror.api.label_selectors import Requirement, SelectorError, parse_labels
from mirror.api.messages import ApiRequest
from mirror.api.options import invalid_options, not_supported
from mirror.api.parameters import integer
from mirror.api.resource_kinds import ResourceKind, T
from mirror.gojson import GoJSONError
from mirror.gotext import GoBase64Error, decode_base64

EXACT: Final = "Exact"
NOT_OLDER: Final = "NotOlderThan"
_BEGINNINGS: Final = ("", "0")
"""Versions from which a watch begins with what is there."""

_TOKEN_VERSION: Final = "meta.k8s.io/v1"
_TOKEN: Final = gojson.Struct(
    "storage.continueToken",
    [("v", gojson.String), ("rv", gojson.Int64), ("start", gojson.String)],
)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or a watch is to be of.

    `limit` is how many objects at most, 0 any number; `timeout` is in seconds, 0 the server's own. `initial` says that
    a watch begins with what is there and says when that is complete; `bookmarks`, that versions without changes are
    told.
    """

    labels: tuple[Requirement, ...] = ()
    fields: FieldTerms = ()
    version: str = ""
    match: str = ""
    limit: int = 0
    continue_: str = ""
    timeout: int = 0
    bookmarks: bool = False
    initial: bool = False

    @property
    def selects(self) -> bool:
        """Whether some objects may be left out."""
        return bool(self.labels or self.fields)

    @property
    def from_beginning(self) -> bool:
        """Whether a watch begins with what is there."""
        return self.initial or self.version in _BEGINNINGS


def list_options(request: ApiRequest, selectable: SelectableFields[T_contra]) -> ListOptions:
    """Reads the options of a request.

    Raises:
        ApiFailure: 400 or 422.
    """
    timeout, limit = integer(request, "timeoutSeconds"), integer(request, "limit")
    try:
        labels = parse_labels(request.parameter("labelSelector"))
        terms = parse_fields(request.parameter("fieldSelector"))
    except SelectorError as error:
        raise failures.bad_request(str(error)) from None
    version, match = request.parameter("resourceVersion"), request.parameter("resourceVersionMatch")
    watching = request.flag("watch")
    initial = request.flag("sendInitialEvents") if request.parameters("sendInitialEvents") else None
    if watching and initial is None and not match and version in _BEGINNINGS:
        initial, match = True, NOT_OLDER
    continued = request.parameter("continue")
    check = _watch_errors if watching else _list_errors
    errors = check(version, match, continued, initial)
    if errors:
        raise invalid_options("ListOptions", errors)
    try:
        selectable.check(terms)
    except SelectorError as error:
        raise failures.bad_request(str(error)) from None
    return ListOptions(
        labels,
        terms,
        version,
        match,
        max(limit or 0, 0),
        continued,
        max(timeout or 0, 0),
        request.flag("allowWatchBookmarks"),
        bool(initial),
    )


def unwatched_options(
    request: ApiRequest, selectable: SelectableFields[T_contra], kind: ResourceKind[T]
) -> ListOptions:
    """Reads the options of a list of what cannot be watched, which is found out once they are in order.

    Raises:
        ApiFailure: 400, 405 or 422.
    """
    options = list_options(request, selectable)
    if request.flag("watch"):
        raise failures.verb_not_supported("watch", kind.resource, kind.group)
    return options


def _list_errors(version: str, match: str, continued: str, initial: bool | None) -> list[FieldError]:
    errors = []
    if match:
        field = "resourceVersionMatch"
        if not version:
            errors.append(forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
        if continued:
            errors.append(forbidden(field, f"{field} is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER):
            errors.append(not_supported(field, match, EXACT, NOT_OLDER, ""))
        if match == EXACT and version == "0":
            errors.append(forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if initial is not None:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_errors(version: str, match: str, continued: str, initial: bool | None) -> list[FieldError]:
    del version
    field = "resourceVersionMatch"
    errors = []
    if initial is not None and match != NOT_OLDER:
        errors.append(forbidden(field, f"sendInitialEvents requires setting {field} to {NOT_OLDER}"))
    if match:
        if initial is None:
            errors.append(forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided"))
        if match != NOT_OLDER:
            errors.append(not_supported(field, match, NOT_OLDER))
        if continued:
            errors.append(forbidden(field, f"{field} is forbidden when continue is provided"))
    return errors


# Tokens of lists that go on


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


LATEST: Final = -1
"""Version of a token for a list whose own version is no longer there: it goes on with what there is then."""


def continue_token(version: int, start: str) -> str:
    """A token to go on behind a key, which is relative to what is listed: a name, or a namespace and a name."""
    text = msgspec.json.encode(_Token(_TOKEN_VERSION, version, f"/{start}\0"))
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_token(token: str) -> tuple[int, str]:
    """Version and key of a token.

    Raises:
        ApiFailure: 400.
    """
    try:
        fields = gojson.decode(decode_base64(token, url=True, padded=False), _TOKEN) or {}
    except (GoBase64Error, GoJSONError) as error:
        raise _bad_token(f"{error}") from None
    version, start = fields.get("rv", 0), fields.get("start", "")
    if fields.get("v", "") != _TOKEN_VERSION:
        raise _bad_token(f"server does not recognize this encoded version {fields.get('v')}")
    if version == 0:
        raise _bad_token(f"incorrect encoded start resourceVersion (version {_TOKEN_VERSION})")
    if not start:
        raise _bad_token(f"encoded start key empty (version {_TOKEN_VERSION})")
    key = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(key) != key or not start.endswith("\0"):
        raise _bad_token(f"{start}")
    return version, key[1:-1]


def _bad_token(problem: str) -> ApiFailure:
    return failures.bad_request(f"invalid continue token: continue key is not valid: {problem}")
