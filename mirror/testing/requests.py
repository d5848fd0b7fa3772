"""What an API was asked, and what it answered: bounded, in memory, for assertions and for people."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from mirror.api.messages import ApiRequest, ApiResponse


class AskedOfApi(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request and the status of its answer. ``target`` is path and query as they came; credentials are not kept."""

    method: str
    target: str
    status: int
    user: str
    user_agent: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.target}  ({self.user})"


class ApiRequests:
    """The last `limit` requests. ``total`` counts all that there ever were."""

    def __init__(self, limit: int = 10_000) -> None:
        self._entries: deque[AskedOfApi] = deque(maxlen=limit)
        self.total = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[AskedOfApi]:
        return iter(tuple(self._entries))

    def add(self, request: ApiRequest, response: ApiResponse) -> None:
        """Keeps a request with its answer."""
        query = f"?{request.query}" if request.query else ""
        agent = request.headers.get("user-agent", "")
        entry = AskedOfApi(
            method=request.method,
            target=request.path + query,
            status=response.status,
            user=request.user.name,
            user_agent=agent,
        )
        self.total += 1
        self._entries.append(entry)

    def entries(
        self,
        *,
        method: str | None = None,
        target: str | None = None,
        status: int | None = None,
        user: str | None = None,
    ) -> list[AskedOfApi]:
        """The entries that have all the given values (``target`` occurs in theirs), in order."""
        return [
            entry
            for entry in self
            if (method is None or entry.method == method)
            and (target is None or target in entry.target)
            and (status is None or entry.status == status)
            and (user is None or entry.user == user)
        ]

    def listing(self, *, since: int = 0) -> str:
        """The requests as text, a line each, without the first `since` there ever were."""
        wanted = max(self.total - since, 0)
        lines = [str(entry) for entry in self]
        return "\n".join(lines[max(len(lines) - wanted, 0) :]) or "nothing was asked"

    def clear(self) -> None:
        """Forgets all requests; ``total`` goes on."""
        self._entries.clear()
