"""What is known of the kinds of the API: how they are called, and what is filled in whenever one is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from mirror.v1.meta import ApiObject

T = TypeVar("T", bound=ApiObject)


@dataclass(frozen=True, slots=True)
class ResourceKind(Generic[T]):
    """A kind and its resource. `default` completes a decoded object, which a conversion and defaulting do in Go."""

    kind: str
    resource: str
    type: type[T]
    default: Callable[[T], None]
    namespaced: bool = True

    def copy(self, item: T) -> T:
        """A copy that shares nothing with the object."""
        return msgspec.json.decode(msgspec.json.encode(item), type=self.type)
