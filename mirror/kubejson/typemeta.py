"""What kind of object a body claims to be (apimachinery ``serializer/json/meta.go``, apiserver ``create.go``)."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from mirror import gojson
from mirror.gojson import GoJSONError
from mirror.gotext import go_text

_SHOWN: Final = 30
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING: Final = msgspec.json.Decoder(str)
_FIND_KIND: Final = gojson.Struct(
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }',
    [("apiVersion", gojson.String), ("kind", gojson.String)],
)


class TypeMeta(NamedTuple):
    """``apiVersion`` and ``kind`` of a body, empty where it has none."""

    api_version: str
    kind: str


class UnrecognizedError(ValueError):
    """A body that is no object at all.

    ``str()`` is what the server puts behind ``the object provided is unrecognized (must be of type T): ``: the problem
    and, in parentheses, a summary of the body.
    """

    def __init__(self, problem: str, body: bytes) -> None:
        super().__init__(f"{problem} ({summary(body)})")
        self.problem = problem


def peek_type_meta(data: bytes, body: bytes | None = None) -> TypeMeta:
    """Reads ``apiVersion`` and ``kind``. Unlike all other keys of the API these two are found regardless of case.

    Args:
        data: a JSON text.
        body: what was sent, where that is not `data` (YAML); errors show it.

    Raises:
        UnrecognizedError: the text is no JSON object, a field has the wrong type, or ``apiVersion`` has two slashes.
    """
    body = data if body is None else body
    found = _peek_fast(data)
    if found is None:
        try:
            values = gojson.decode(data, _FIND_KIND)
        except GoJSONError as error:
            raise UnrecognizedError(f"couldn't get version/kind; json parse error: {error}", body) from None
        found = TypeMeta(values.get("apiVersion", ""), values.get("kind", ""))
    if found.api_version.count("/") > 1:
        raise UnrecognizedError(f"unexpected GroupVersion string: {found.api_version}", body)
    return found


def _peek_fast(data: bytes) -> TypeMeta | None:
    """The same for bodies in which nothing has to be looked at twice."""
    try:
        members = _MEMBERS.decode(data)
        found = {key: _STRING.decode(members.pop(key)) for key in ("apiVersion", "kind") if key in members}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if any(_FIND_KIND.find(key) for key in members):
        return None
    return TypeMeta(found.get("apiVersion", ""), found.get("kind", ""))


def summary(body: bytes) -> str:
    """A body as error texts show it: itself if it begins like an object, else in hexadecimal; at most 30 bytes."""
    if not body:
        return "<empty>"
    shown = body[:_SHOWN]
    text = go_text(shown) if body.startswith(b"{") else shown.hex()
    return f"{text} ..." if len(body) > _SHOWN else text
