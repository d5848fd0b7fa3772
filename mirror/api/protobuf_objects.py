"""Bodies in protocol buffers: typed clients send kinds of Kubernetes' own like that, and nothing else.

A body is the magic ``k8s\\0`` and a ``runtime.Unknown``, which holds the object. Here it becomes the JSON that is
decoded like any other. Sources: apimachinery ``serializer/protobuf``; the ``generated.proto`` files of k8s.io/api and
apimachinery, whose field numbers never change.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from mirror.api.protobuf import WireError, fields

MAGIC: Final = b"k8s\x00"
_DEEPEST: Final = 8

Plain = Literal["string", "int", "bool", "bytes", "time"]


class _List(NamedTuple):
    item: Shape


class _Map(NamedTuple):
    value: Plain


Message = Mapping[int, tuple[str, "Shape"]]
Shape = Plain | _List | _Map | Message

_OWNER: Final[Message] = {
    1: ("kind", "string"),
    3: ("name", "string"),
    4: ("uid", "string"),
    5: ("apiVersion", "string"),
    6: ("controller", "bool"),
    7: ("blockOwnerDeletion", "bool"),
}
_META: Final[Message] = {
    1: ("name", "string"),
    2: ("generateName", "string"),
    3: ("namespace", "string"),
    5: ("uid", "string"),
    6: ("resourceVersion", "string"),
    7: ("generation", "int"),
    8: ("creationTimestamp", "time"),
    9: ("deletionTimestamp", "time"),
    10: ("deletionGracePeriodSeconds", "int"),
    11: ("labels", _Map("string")),
    12: ("annotations", _Map("string")),
    13: ("ownerReferences", _List(_OWNER)),
    14: ("finalizers", _List("string")),
}
_RESOURCE_ATTRIBUTES: Final[Message] = {
    1: ("namespace", "string"),
    2: ("verb", "string"),
    3: ("group", "string"),
    4: ("version", "string"),
    5: ("resource", "string"),
    6: ("subresource", "string"),
    7: ("name", "string"),
}
_NON_RESOURCE_ATTRIBUTES: Final[Message] = {1: ("path", "string"), 2: ("verb", "string")}
_KINDS: Final[Mapping[str, Message]] = {
    "Secret": {
        1: ("metadata", _META),
        2: ("data", _Map("bytes")),
        3: ("type", "string"),
        4: ("stringData", _Map("string")),
        5: ("immutable", "bool"),
    },
    "Namespace": {
        1: ("metadata", _META),
        2: ("spec", {1: ("finalizers", _List("string"))}),
        3: ("status", {1: ("phase", "string")}),
    },
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", {1: ("uid", "string"), 2: ("resourceVersion", "string")}),
        3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "string"),
        5: ("dryRun", _List("string")),
        6: ("ignoreStoreReadErrorWithClusterBreakingPotential", "bool"),
    },
    "SelfSubjectAccessReview": {
        1: ("metadata", _META),
        2: (
            "spec",
            {1: ("resourceAttributes", _RESOURCE_ATTRIBUTES), 2: ("nonResourceAttributes", _NON_RESOURCE_ATTRIBUTES)},
        ),
    },
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", "string")})},
    "SelfSubjectReview": {1: ("metadata", _META)},
}


class UnknownKindError(ValueError):
    """A kind that is not read in this form."""


def to_json(body: bytes) -> bytes:
    """The JSON text of an object in a protocol buffer.

    Raises:
        WireError: it is none.
        UnknownKindError: nothing is known of its kind.
    """
    if not body.startswith(MAGIC):
        raise WireError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    unknown = dict(fields(body[len(MAGIC) :]))
    type_meta = dict(fields(_bytes(unknown.get(1, b""))))
    api_version, kind = (_text(type_meta.get(number, b"")) for number in (1, 2))
    known = _KINDS.get(kind)
    if known is None:
        raise UnknownKindError(kind)
    found = {"apiVersion": api_version, "kind": kind, **_message(_bytes(unknown.get(2, b"")), known)}
    return json.dumps(found).encode()


def _message(data: bytes, shape: Message, depth: int = 0) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise WireError("proto: nested too deep")
    found: dict[str, Any] = {}
    for number, value in fields(data):
        if number not in shape:
            continue
        name, inner = shape[number]
        if isinstance(inner, _List):
            found.setdefault(name, []).append(_value(value, inner.item, depth))
        elif isinstance(inner, _Map):
            entry = dict(fields(_bytes(value)))
            found.setdefault(name, {})[_text(entry.get(1, b""))] = _value(entry.get(2, b""), inner.value, depth)
        else:
            found[name] = _value(value, inner, depth)
    return found


def _value(value: int | bytes, shape: Shape, depth: int) -> Any:
    match shape:
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "int":
            return _signed(value)
        case "bool":
            return _signed(value) != 0
        case "time":
            return _time(_bytes(value))
    assert isinstance(shape, Mapping)
    return _message(_bytes(value), shape, depth + 1)


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("proto: wrong wireType = 0")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise WireError("proto: wrong wireType = 2")
    return value - (1 << 64) if value >= 1 << 63 else value


def _time(data: bytes) -> str | None:
    """An instant; clients send an empty one where they know none."""
    seconds = _signed(dict(fields(data)).get(1, 0))
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ") if seconds and instant.year > 1 else None
