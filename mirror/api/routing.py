"""What passes between the router and the resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from mirror.api.failures import ApiFailure
from mirror.api.messages import ApiRequest
from mirror.errors import IsmirrorError

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request: the namespace and name that it points to, each possibly empty, and the request itself.

    `plain`: objects are answered as they are, and nothing is made of them, so that they may be JSON already.
    """

    namespace: str
    name: str
    request: ApiRequest
    plain: bool = False


@dataclass(slots=True)
class WatchEvent:
    """One event of a watch: an object, or for ERROR a Status.

    `line` is how it is sent to those who want the object as it is, once somebody has worked that out: an event may be
    many watchers'.
    """

    type: EventType
    object: msgspec.Struct
    line: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler gives: an object with the status code of the answer and warnings for its headers.

    A watch gives `events` instead, and no value.
    """

    value: msgspec.Struct | None = None
    status: int = 200
    warnings: tuple[str, ...] = ()
    events: AsyncIterator[WatchEvent] | None = None


class WarnedFailure(IsmirrorError):
    """A refusal after the body had been decoded: its warnings go out with it."""

    def __init__(self, failure: ApiFailure, warnings: list[str]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.warnings = tuple(warnings)


Handler = Callable[[Call], Awaitable[Reply]]
Verbs = Mapping[Verb, Handler]


@dataclass(frozen=True, slots=True)
class Route:
    """What can be done with a resource: on the collection of a namespace, on that of all, on one object, below it.

    A resource that is not namespaced has its collection under ``everywhere``.
    """

    namespaced: bool
    collection: Verbs = field(default_factory=dict)
    everywhere: Verbs = field(default_factory=dict)
    item: Verbs = field(default_factory=dict)
    subresources: Mapping[str, Verbs] = field(default_factory=dict)
