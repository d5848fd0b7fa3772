"""Scripted answers: the ``routes`` of a host."""

from __future__ import annotations

from collections.abc import Sequence

from fake_registry.config import Route
from fake_registry.core.messages import Request, Response


class ScriptedRoutes:
    """The routes of one host. Each answers as often as it says, counted since the last `reset`."""

    __slots__ = ("_by_target", "_left", "_routes")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        self._by_target: dict[str, list[int]] = {}
        for position, route in enumerate(self._routes):
            self._by_target.setdefault(route.path, []).append(position)
        self._left: list[int] = []
        self.reset()

    def __bool__(self) -> bool:
        return bool(self._routes)

    def reset(self) -> None:
        """Counts from the start again."""
        self._left = [route.times for route in self._routes]

    def answer(self, request: Request) -> Response | None:
        """The answer of the first route that fits and has answers left, or None."""
        for position in self._by_target.get(request.target, ()):
            route = self._routes[position]
            left = self._left[position]
            if left == 0 or route.method.upper() not in {"*", request.method}:
                continue
            if left > 0:
                self._left[position] = left - 1
            if route.close:
                return Response(0, drop=True)
            return Response(route.status, list(route.headers.items()), route.body.encode())
        return None

    def left(self) -> list[tuple[Route, int]]:
        """The routes, each with the number of answers that it has left (-1: always)."""
        return list(zip(self._routes, self._left, strict=True))
