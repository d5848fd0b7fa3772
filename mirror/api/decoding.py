"""From the body of a write to a typed object, with the server's refusals (apiserver ``endpoints/handlers``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic

from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.image_metadata import ConversionError
from mirror.api.kinds import SCHEME, is_registered
from mirror.api.messages import ApiRequest
from mirror.api.resource_kinds import ResourceKind, T
from mirror.gojson import GoJSONError
from mirror.gotext import quote
from mirror.kubejson import YamlError, convert_yaml, decode_object, peek_type_meta, summary

API_VERSION: Final = "image.openshift.io/v1"
MAX_BODY: Final = 3 * 1024 * 1024
"""The real server's limit on request bodies."""

_JSON_TYPES: Final = frozenset({"", "application/json"})
_YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})


@dataclass(frozen=True, slots=True)
class DecodedBody(Generic[T]):
    """An object, and the warnings that go into the answer's headers, whatever the answer is."""

    value: T
    warnings: list[str]


def decode_body(request: ApiRequest, kind: ResourceKind[T], validation: str = "Warn") -> DecodedBody[T]:
    """Decodes and completes the body of a write.

    `validation` says what becomes of unknown and repeated fields.

    Raises:
        ApiFailure: 400, 413 or 415.
    """

    def refuse(problem: str) -> ApiFailure:
        return failures.bad_request(_unrecognized(kind.kind, f"{problem} ({summary(request.body)})"))

    data, problems = body_as_json(request, refuse)
    version = _check_kind(data, request.body, kind)
    cannot = _cannot(kind.kind, version, kind.kind)
    try:
        decoded = decode_object(data, kind.type, go_name=kind.kind)
    except GoJSONError as error:
        raise failures.bad_request(f"{cannot}: {error}") from None
    problems = [] if validation == "Ignore" else [*problems, *decoded.problems]
    if problems and validation == "Strict":
        raise failures.bad_request(f"{cannot}: strict decoding error: {', '.join(problems)}")
    value = decoded.value
    value.kind = value.apiVersion = ""
    try:
        kind.default(value)
    except ConversionError as error:
        raise failures.bad_request(f"{cannot}: {error}") from None
    return DecodedBody(value, problems)


def body_as_json(request: ApiRequest, refuse: Callable[[str], ApiFailure]) -> tuple[bytes, list[str]]:
    """The body as JSON, and what strict decoding finds wrong with it before that.

    Raises:
        ApiFailure: 413, 415, or what `refuse` makes of a text that is no YAML.
    """
    if len(request.body) > MAX_BODY:
        raise failures.too_large(MAX_BODY)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in _JSON_TYPES:
        return request.body, []
    if content_type in _YAML_TYPES:
        try:
            return convert_yaml(request.body)
        except YamlError as error:
            raise refuse(error.problem) from None
    raise failures.unsupported_media_type()


def _unrecognized(kind: str, text: str) -> str:
    return f"the object provided is unrecognized (must be of type {kind}): {text}"


def _cannot(kind: str, version: str, wanted: str) -> str:
    return f"{kind} in version {quote(version)} cannot be handled as a {wanted}"


def _check_kind(data: bytes, body: bytes, expected: ResourceKind[T]) -> str:
    """The version of the body, whose kind and version may be missing.

    Raises:
        ApiFailure: 400.
    """
    wanted = expected.kind
    try:
        api_version, kind = peek_type_meta(data, body)
    except ValueError as error:
        raise failures.bad_request(_unrecognized(wanted, str(error))) from None
    api_version = api_version or expected.api_version
    kind = kind or wanted
    version = api_version.rpartition("/")[2]
    if (api_version, kind) == (expected.api_version, wanted):
        return version
    if not is_registered(api_version, kind):
        problem = f"no kind {quote(kind)} is registered for version {quote(api_version)} in scheme {quote(SCHEME)}"
        raise failures.bad_request(f"{_cannot(kind, version, wanted)}: {problem}")
    problem = f"converting (v1.{kind}) to ({expected.package}.{wanted}): unknown conversion"
    raise failures.bad_request(f"{_cannot(kind, version, wanted)}: {problem}")
