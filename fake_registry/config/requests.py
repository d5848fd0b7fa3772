"""Which requests something is for."""

from __future__ import annotations

from typing import Literal

import msgspec

from fake_registry.config.parts import Part, Pattern

RequestKind = Literal["ping", "token", "manifest", "blob", "tags", "upload", "referrers", "catalog", "other"]
"""What a request is about, by its path."""


class RequestMatch(Part, frozen=True, kw_only=True):
    """Which requests something is for: those that have everything that is said here.

    ``reference`` is the tag or digest in the path, ``digest`` the digest in the path or in the query of an upload or
    mount, ``user`` who the client is (empty: nobody).
    """

    method: str | list[str] = msgspec.field(default_factory=list)
    kind: RequestKind | list[RequestKind] = msgspec.field(default_factory=list)
    repository: Pattern | None = None
    reference: Pattern | None = None
    digest: Pattern | None = None
    user: Pattern | None = None
    user_agent: Pattern | None = None
