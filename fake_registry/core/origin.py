"""Answers that come from somewhere else than the tree."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fake_registry.core.messages import Request, Response
from fake_registry.core.paths import Target


class Origin(Protocol):
    """Answers for some hosts in place of the tree: the real registries, while they are recorded."""

    def covers(self, host: str) -> bool:
        """Whether it answers for a host (by its canonical name)."""
        ...

    async def answer(self, request: Request, host: str, target: Target) -> Response:
        """The answer to a request that is for `host` and whose path names `target`.

        Raises:
            RegistryError: this is the answer.
        """
        ...


class OriginSession(AbstractAsyncContextManager[Any], Protocol):
    """Has an origin as long as it is entered."""

    @property
    def origin(self) -> Origin:
        """What answers."""
        ...
