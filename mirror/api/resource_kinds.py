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
    """A kind and its resource. `default` completes a decoded object, which a conversion and defaulting do in Go.

    `package` is that of the Go type of the server's own, which one message shows.
    """

    kind: str
    resource: str
    type: type[T]
    default: Callable[[T], None]
    namespaced: bool = True
    api_version: str = "image.openshift.io/v1"
    package: str = "image"

    @property
    def group(self) -> str:
        """The group of the kind; that of the core kinds is empty."""
        return self.api_version.rpartition("/")[0]

    def copy(self, item: T) -> T:
        """A copy that shares nothing with the object."""
        return msgspec.json.decode(msgspec.json.encode(item), type=self.type)
