"""``/metrics``: how many requests were answered how, and ``/metrics/slis``: how the health checks stand."""

from __future__ import annotations

from collections import Counter
from typing import Final

from mirror.api.health import Health
from mirror.api.messages import TEXT, ApiResponse

_VERBS: Final = frozenset(
    [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "LIST",
        "WATCH",
        "CREATE",
        "UPDATE",
        "DELETECOLLECTION",
    ]
)


class Metrics:
    """Counts answers, in the names that Kubernetes' own servers use."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[int, str, str]] = Counter()

    def count(self, code: int, verb: str, resource: str) -> None:
        """Counts an answer. Methods that nobody knows are one: clients may invent as many as they like."""
        verb = verb.upper()
        self._requests[code, verb if verb in _VERBS else "OTHER", resource] += 1

    def response(self) -> ApiResponse:
        """The counters in the text format of Prometheus."""
        lines = [
            "# HELP apiserver_request_total Counter of API requests by status code, verb and resource.",
            "# TYPE apiserver_request_total counter",
        ]
        for (code, verb, resource), number in sorted(self._requests.items()):
            labels = f'code="{code}",resource="{resource}",verb="{verb}"'
            lines.append(f"apiserver_request_total{{{labels}}} {number}")
        return _text(lines)


async def check_metrics(health: Health) -> ApiResponse:
    """The health checks in the text format of Prometheus: 1 where they pass."""
    lines = [
        "# HELP kubernetes_healthcheck Outcome of the latest check of a component.",
        "# TYPE kubernetes_healthcheck gauge",
    ]
    for kind, name, passed in await health.results():
        lines.append(f'kubernetes_healthcheck{{name="{name}",type="{kind}"}} {int(passed)}')
    return _text(lines)


def _text(lines: list[str]) -> ApiResponse:
    media = TEXT.replace("text/plain;", "text/plain; version=0.0.4;")
    return ApiResponse(200, [("Cache-Control", "no-store"), ("Content-Type", media)], "\n".join([*lines, ""]).encode())
