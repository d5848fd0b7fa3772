"""Counters of what the registry is asked, for Prometheus.

``prometheus-client`` is an extra (``ismirror[metrics]``): nothing here is imported before it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from fake_registry.core.registry import RegistryCore, Seen

if TYPE_CHECKING:
    from prometheus_client import Metric

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})
_MAX_HOSTS: Final = 500
_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """What a core was asked since this was made; `observe` it.

    Clients choose host names and methods: what is odd or too much is counted as ``other``.

    Raises:
        ImportError: prometheus-client is not installed.
    """

    def __init__(self, core: RegistryCore) -> None:
        import prometheus_client as client  # noqa: PLC0415 - an extra

        self._client = client
        self._registry = client.CollectorRegistry()
        self._hosts: set[str] = set()
        labels = ("host", "method", "kind", "status")
        self._requests = client.Counter("ismirror_requests", "Requests answered.", labels, registry=self._registry)
        self._bytes = client.Counter(
            "ismirror_answer_bytes", "Bytes of bodies in answers.", ("kind",), registry=self._registry
        )
        self._seconds = client.Histogram(
            "ismirror_request_seconds",
            "Time to make an answer, sending it not included.",
            ("kind",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        client.ProcessCollector(registry=self._registry)
        self._registry.register(_FaultCollector(core))
        core.watch(self.observe)

    def observe(self, seen: Seen) -> None:
        """Counts a request."""
        entry = seen.entry
        method = entry.method if entry.method in _METHODS else "other"
        self._requests.labels(self._host(entry.host), method, entry.kind, str(entry.status)).inc()
        self._seconds.labels(entry.kind).observe(seen.seconds)
        if entry.method != "HEAD":
            self._bytes.labels(entry.kind).inc(seen.response.length)

    def exposition(self) -> tuple[str, bytes]:
        """Media type and text of all counters as they stand."""
        return self._client.CONTENT_TYPE_LATEST, self._client.generate_latest(self._registry)

    def _host(self, name: str) -> str:
        if name not in self._hosts:
            if len(self._hosts) >= _MAX_HOSTS:
                return "other"
            self._hosts.add(name)
        return name


class _FaultCollector:
    """The accounts of the fault rules, looked at when somebody asks."""

    def __init__(self, core: RegistryCore) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        """The two counters."""
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - an extra

        labels = ("id", "host", "name")
        seen = CounterMetricFamily("ismirror_fault_seen", "Requests that matched a fault rule.", labels=labels)
        fired = CounterMetricFamily("ismirror_fault_fired", "Requests that met a fault.", labels=labels)
        for account in self._core.faults:
            values: list[Any] = [account.id, account.host, account.fault.name]
            seen.add_metric(values, account.seen)
            fired.add_metric(values, account.fired)
        return iter((seen, fired))
