"""Counters of what the registry is asked, for Prometheus.

``prometheus-client`` is an extra (``ismirror[metrics]``): nothing here is imported before it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fake_registry.core.faults import FaultAccount
from fake_registry.core.registry import RegistryCore, Seen

if TYPE_CHECKING:
    from prometheus_client import Metric

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})
_MAX_HOSTS: Final = 500
_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


Sample = tuple[str, dict[str, str], float]
"""Name, labels and value."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """What is counted under one name: what it is, of which kind, and the values."""

    name: str
    documentation: str
    kind: str
    samples: list[Sample]


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
        core.watch(self.observe)

    def observe(self, seen: Seen) -> None:
        """Counts a request."""
        entry = seen.entry
        method = entry.method if entry.method in _METHODS else "other"
        self._requests.labels(self._host(entry.host), method, entry.kind, str(entry.status)).inc()
        self._seconds.labels(entry.kind).observe(seen.seconds)
        if entry.method != "HEAD":
            self._bytes.labels(entry.kind).inc(seen.response.length)

    def families(self) -> list[Family]:
        """All counters as they stand."""
        return [
            Family(
                metric.name,
                metric.documentation,
                metric.type,
                [(sample.name, dict(sample.labels), sample.value) for sample in metric.samples],
            )
            for metric in self._registry.collect()
        ]

    def _host(self, name: str) -> str:
        if name not in self._hosts:
            if len(self._hosts) >= _MAX_HOSTS:
                return "other"
            self._hosts.add(name)
        return name


class Exposition(NamedTuple):
    """Media type and text of counters."""

    content_type: str
    text: bytes


def exposition(families: Mapping[str, Sequence[Family]], faults: Iterable[FaultAccount]) -> Exposition:
    """The counters of the processes of a registry, by their names, and the accounts of its faults.

    What counts requests is added up; what is about a process has its name as the label ``worker`` if there are several.
    """
    import prometheus_client as client  # noqa: PLC0415 - an extra

    registry = client.CollectorRegistry()
    registry.register(_Collector([*_merged(families), *_fault_families(faults)]))
    return Exposition(client.CONTENT_TYPE_LATEST, client.generate_latest(registry))


class _Collector:
    """Gives what it was given."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The families, as prometheus-client has them."""
        from prometheus_client.core import Metric  # noqa: PLC0415 - an extra

        for family in self._families:
            metric = Metric(family.name, family.documentation, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric


def _merged(families: Mapping[str, Sequence[Family]]) -> list[Family]:
    merged: dict[str, Family] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for process, its in families.items():
        for family in its:
            merged.setdefault(family.name, family)
            values = samples.setdefault(family.name, {})
            for name, given, value in family.samples:
                own = family.name.startswith("process_") and process
                labels = {**given, "worker": process} if own else given
                key = (name, tuple(sorted(labels.items())))
                if name.endswith("_created"):  # since when something is counted
                    values[key] = min(values.get(key, value), value)
                else:
                    values[key] = values.get(key, 0.0) + value
    return [
        Family(
            family.name,
            family.documentation,
            family.kind,
            [(name, dict(labels), value) for (name, labels), value in samples[family.name].items()],
        )
        for family in merged.values()
    ]


def _fault_families(faults: Iterable[FaultAccount]) -> list[Family]:
    """The accounts of the fault rules."""
    seen: list[Sample] = []
    fired: list[Sample] = []
    for account in faults:
        labels = {"id": account.id, "host": account.host, "name": account.fault.name}
        seen.append(("ismirror_fault_seen_total", labels, account.seen))
        fired.append(("ismirror_fault_fired_total", labels, account.fired))
    return [
        Family("ismirror_fault_seen", "Requests that matched a fault rule.", "counter", seen),
        Family("ismirror_fault_fired", "Requests that met a fault.", "counter", fired),
    ]
