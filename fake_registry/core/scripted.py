"""Scripted answers: the ``routes`` of a host."""

from __future__ import annotations

from collections.abc import Sequence

from fake_registry.config import Route
from fake_registry.core.messages import Request
from fake_registry.core.patterns import matcher
from fake_registry.core.tally import Tally


class ScriptedRoutes:
    """The routes of one host. Each answers as often as it says, counted since the last `reset`."""

    __slots__ = ("_by_target", "_first", "_routes", "_tally")

    def __init__(self, routes: Sequence[Route], tally: Tally, first: int | None = None) -> None:
        self._routes = tuple(routes)
        self._tally = tally
        self._first = tally.allocate(len(routes)) if first is None else first
        self._by_target: dict[str, list[int]] = {}
        for position, route in enumerate(self._routes):
            self._by_target.setdefault(route.path, []).append(position)

    def __bool__(self) -> bool:
        return bool(self._routes)

    def reset(self) -> None:
        """Counts from the start again."""
        for position in range(len(self._routes)):
            self._tally.set(self._first + position, 0)

    def take(self, request: Request) -> Route | None:
        """The first route that fits and has answers left, which is one less then; or None."""
        for position in self._by_target.get(request.target, ()):
            route = self._routes[position]
            fits = route.method.upper() in {"*", request.method} and (not route.when or _fits(route, request))
            if fits and self._has_left(position):
                return route
        return None

    def left(self) -> list[tuple[Route, int]]:
        """The routes, each with the number of answers that it has left (-1: always)."""
        used = [self._tally.get(self._first + position) for position in range(len(self._routes))]
        return [
            (route, route.times if route.times < 0 else route.times - count)
            for route, count in zip(self._routes, used, strict=True)
        ]

    def _has_left(self, position: int) -> bool:
        """Whether a route has an answer left, which is used up then."""
        times, number = self._routes[position].times, self._first + position
        if times <= 0:
            return times < 0
        with self._tally.locked():
            used = self._tally.get(number)
            if used < times:
                self._tally.set(number, used + 1)
        return used < times


def _fits(route: Route, request: Request) -> bool:
    """Whether a request has the headers that a route is for."""
    for name, pattern in route.when.items():
        value = request.headers.get(name.lower())
        if value is None or pattern is None:
            if value is not None or pattern is not None:
                return False
        elif not matcher(pattern)(value):
            return False
    return True
