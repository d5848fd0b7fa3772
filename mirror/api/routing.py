"""What passes between the router and the resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from mirror.api.failures import ApiFailure
from mirror.api.messages import ApiRequest
from mirror.errors import IsmirrorError


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request: the namespace and name that it points to, each possibly empty, and the request itself."""

    namespace: str
    name: str
    request: ApiRequest


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler gives: an object with the status code of the answer and warnings for its headers."""

    value: msgspec.Struct
    status: int = 200
    warnings: tuple[str, ...] = ()


class WarnedFailure(IsmirrorError):
    """A refusal after the body had been decoded: its warnings go out with it."""

    def __init__(self, failure: ApiFailure, warnings: list[str]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.warnings = tuple(warnings)


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """What can be done with a resource: verbs on the collection of a namespace, on that of all, on one object."""

    namespaced: bool
    collection: dict[str, Handler]
    everywhere: dict[str, Handler]
    item: dict[str, Handler]
