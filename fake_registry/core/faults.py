"""Fault rules: which requests misbehave, counted, and the account of what was met.

A rule counts the requests that match it, and fires for some of them by their number alone: the same requests in the
same order meet the same faults, whatever the time and whoever else asks. Of several rules that are due the first
one fires; the others count the request and let it pass.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from fake_registry.config import Fault, FaultAction, Hosts, Spread, TlsFailure, seconds
from fake_registry.core.asked import Asked, conditions
from fake_registry.core.hosts import distinct
from fake_registry.core.tally import LocalTally, Tally
from fake_registry.fixtures import canonical_host, without_port

T = TypeVar("T")

EVERYWHERE: Final = "*"
"""In place of a host: a rule for all of them."""


class FaultAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A rule and what became of it: ``seen`` requests matched, ``fired`` of them met the fault.

    ``host`` is ``*`` for a rule of all hosts. ``configured`` tells the rules of the configuration from those that were
    added to a registry that runs.
    """

    id: str
    host: str
    fault: Fault
    configured: bool
    seen: int
    fired: int

    @property
    def met(self) -> bool:
        """Whether the fault was met as often as it was meant to be: ``times``, or at least once."""
        return self.fired >= max(self.fault.times, 1) or self.fault.times == 0

    def __str__(self) -> str:
        name = f" ({self.fault.name})" if self.fault.name else ""
        return f"fault {self.id}{name} of {self.host}: {self.seen} requests matched, {self.fired} met it"


class Met(NamedTuple):
    """A fault that a request meets: the rule's name, what goes wrong, and by how many seconds the answer is late."""

    id: str
    action: FaultAction
    latency: float


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A rule where it stands: its name, whose requests it is for, and the first of its two counters."""

    id: str
    host: str
    fault: Fault
    configured: bool
    counters: int


class FaultRule:
    """One rule with its counters."""

    __slots__ = ("_first", "_fits", "_nth", "_tally", "configured", "fault", "host", "id")

    def __init__(self, place: Place, tally: Tally) -> None:
        self.id = place.id
        self.host = place.host
        self.fault = place.fault
        self.configured = place.configured
        self._tally = tally
        self._first = place.counters
        match = place.fault.match
        self._nth = frozenset(_listed(match.nth))
        self._fits = list(conditions(match))

    def fits(self, asked: Asked) -> bool:
        """Whether a request matches, whatever its number."""
        if self.fault.action.tls is not None:
            return False
        return all(fits(asked) for fits in self._fits)

    @property
    def place(self) -> Place:
        """What the rule is made of."""
        return Place(self.id, self.host, self.fault, self.configured, self._first)

    @property
    def seen(self) -> int:
        """How many requests matched."""
        return self._tally.get(self._first)

    @property
    def fired(self) -> int:
        """How many of them met the fault."""
        return self._tally.get(self._first + 1)

    def count(self) -> bool:
        """Counts a request that matches; whether it meets the fault, if no other rule comes first."""
        self._tally.set(self._first, self.seen + 1)
        match = self.fault.match
        number = self.seen - match.after
        if number <= 0 or number % match.every or (self._nth and number not in self._nth):
            return False
        return self.fault.times < 0 or self.fired < self.fault.times

    def fire(self) -> Met:
        """Counts that the fault is met."""
        self._tally.set(self._first + 1, self.fired + 1)
        action = self.fault.action
        if isinstance(action.latency, Spread):
            return Met(self.id, action, drawn(action.latency, self.fired))
        return Met(self.id, action, seconds(action.latency))

    def reset(self) -> None:
        """Counts from the start again."""
        self._tally.set(self._first, 0)
        self._tally.set(self._first + 1, 0)

    def account(self) -> FaultAccount:
        """The rule as it stands."""
        return FaultAccount(
            id=self.id,
            host=self.host,
            fault=self.fault,
            configured=self.configured,
            seen=self.seen,
            fired=self.fired,
        )


class Faults:
    """The rules of all hosts, in order: those of the configuration first, then those that were added.

    Iterating gives the accounts. Rules are named ``1``, ``2``… as they come; a name is never used again.
    """

    def __init__(self, hosts: Hosts | None = None, tally: Tally | None = None) -> None:
        self._tally = LocalTally() if tally is None else tally
        self._rules: list[FaultRule] = []
        self._by_host: dict[str, tuple[FaultRule, ...]] = {}
        self._next = 1
        self.configure(hosts or {})

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[FaultAccount]:
        return iter([rule.account() for rule in self._rules])

    def configure(self, hosts: Hosts) -> None:
        """Takes the rules of a configuration in place of those of the one before; what was added stays.

        Rules that are in both go on counting.
        """
        added = [rule for rule in self._rules if not rule.configured]
        before = [rule for rule in self._rules if rule.configured]
        configured = []
        for name, host in distinct(hosts).items():
            for fault in host.faults:
                same = next((rule for rule in before if (rule.host, rule.fault) == (name, fault)), None)
                if same is not None:
                    before.remove(same)
                configured.append(same or self._made(name, fault, configured=True))
        self._set([*configured, *added])

    def places(self) -> list[Place]:
        """All rules as they stand, for another process that counts in the same counters."""
        return [rule.place for rule in self._rules]

    def restore(self, places: list[Place]) -> None:
        """Takes the rules of another process."""
        self._set([FaultRule(place, self._tally) for place in places])

    def add(self, host: str, fault: Fault) -> FaultAccount:
        """Adds a rule to a host (``*``: to all of them), behind those that there are."""
        rule = self._made(host if host == EVERYWHERE else canonical_host(host), fault, configured=False)
        self._set([*self._rules, rule])
        return rule.account()

    def remove(self, identity: str) -> bool:
        """Takes a rule away; whether there was such a one."""
        left = [rule for rule in self._rules if rule.id != identity]
        found = len(left) < len(self._rules)
        self._set(left)
        return found

    def get(self, identity: str) -> FaultAccount | None:
        """A rule by its name, or None."""
        return next((rule.account() for rule in self._rules if rule.id == identity), None)

    def clear(self) -> None:
        """Takes all rules away that were added."""
        self._set([rule for rule in self._rules if rule.configured])

    def reset(self) -> None:
        """Counts from the start again."""
        for rule in self._rules:
            rule.reset()

    def unmet(self) -> list[FaultAccount]:
        """The rules whose faults were not met, or not as often as they were meant to be."""
        return [account for account in self if not account.met]

    def due(self, host: str, asked: Asked) -> Met | None:
        """Counts a request for a host (by its canonical name); the fault that it meets, if any."""
        return self._first(rule for rule in self._of(host) if rule.fits(asked))

    def handshake(self, name: str) -> TlsFailure | None:
        """Counts a TLS handshake with a host; how it fails, if it does.

        A handshake tells no port, so that a rule is for all hosts that differ in nothing else.
        """
        wanted = without_port(canonical_host(name))
        met = self._first(
            rule
            for rule in self._rules
            if rule.fault.action.tls is not None and (rule.host == EVERYWHERE or without_port(rule.host) == wanted)
        )
        return None if met is None else met.action.tls

    def _first(self, matching: Iterator[FaultRule]) -> Met | None:
        """The fault of the first rule that is due, which fires. All of them count."""
        rules = list(matching)
        if not rules:
            return None
        with self._tally.locked():
            due = [rule for rule in rules if rule.count()]
            return due[0].fire() if due else None

    def _of(self, host: str) -> tuple[FaultRule, ...]:
        return self._by_host.get(host) or self._by_host.get(EVERYWHERE, ())

    def _made(self, host: str, fault: Fault, *, configured: bool) -> FaultRule:
        identity = str(self._next)
        self._next += 1
        return FaultRule(Place(identity, host, fault, configured, self._tally.allocate(2)), self._tally)

    def _set(self, rules: list[FaultRule]) -> None:
        self._rules = rules
        self._by_host = {
            host: tuple(rule for rule in rules if rule.host in {host, EVERYWHERE})
            for host in {EVERYWHERE, *(rule.host for rule in rules)}
        }


def drawn(spread: Spread, number: int) -> float:
    """The so many-th latency of a distribution, in seconds: it depends on nothing but the seed and the number."""
    source = random.Random(spread.seed * 1_000_003 + number)
    first, second = source.random(), source.random()
    if spread.uniform is not None:
        least, most = map(seconds, spread.uniform)
        value = least + (most - least) * first
    elif spread.normal is not None:
        mean, deviation = map(seconds, spread.normal)
        value = mean + deviation * math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)
    else:
        assert spread.exponential is not None
        value = -seconds(spread.exponential) * math.log(1 - first)
    return round(max(value, 0.0), 6)


def _listed(value: T | list[T]) -> list[T]:
    return value if isinstance(value, list) else [value]
