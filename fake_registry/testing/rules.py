"""The fault rules of a `FakeRegistry`: put in place, taken away, and asked what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fake_registry.config import Fault
from fake_registry.core.faults import EVERYWHERE, FaultAccount, Faults
from fake_registry.errors import UsageError
from fake_registry.testing.options import FaultOption, fault_of


class PlacedFault:
    """A fault rule in place. What it says of itself is true at the moment it is asked."""

    def __init__(self, faults: Faults, account: FaultAccount) -> None:
        self._faults = faults
        self._last = account

    @property
    def account(self) -> FaultAccount:
        """The rule with its counters; those of the end, if it has been taken away."""
        self._last = self._faults.get(self._last.id) or self._last
        return self._last

    @property
    def id(self) -> str:
        """The rule's name in the journal."""
        return self._last.id

    @property
    def seen(self) -> int:
        """How many requests matched."""
        return self.account.seen

    @property
    def fired(self) -> int:
        """How many of them met the fault."""
        return self.account.fired

    @property
    def met(self) -> bool:
        """Whether the fault was met as often as it was meant to be: ``times``, or at least once."""
        return self.account.met

    def remove(self) -> None:
        """Takes the rule away."""
        self._last = self.account
        self._faults.remove(self.id)

    def __repr__(self) -> str:
        return f"<{self.account}>"


class FaultRules:
    """The fault rules of a registry, in the order in which they are tried. Iterating gives their accounts."""

    def __init__(self, faults: Faults, initial: Iterable[tuple[str, Fault]]) -> None:
        self._faults = faults
        self._initial = list(initial)
        self._place_initial()

    def __len__(self) -> int:
        return len(self._faults)

    def __iter__(self) -> Iterator[FaultAccount]:
        return iter(self._faults)

    def add(self, rule: FaultOption | None = None, /, **fields: Any) -> PlacedFault:
        """Puts a rule in place, behind those that there are: a `Fault`, a dictionary, or the fields of one.

        `fields` are those of `FaultMatch` and `FaultAction`, ``name``, ``times``, and ``host`` if the rule is not for
        all hosts: ``add(host="quay.io", kind="manifest", status=503, times=2)``.

        Raises:
            UsageError: a field that there is not, or a value that it cannot have.
        """
        if isinstance(rule, Fault):
            if fields.keys() - {"host"}:
                raise UsageError(f"beside a Fault only host may be said, not {', '.join(fields)}")
            host, fault = fields.get("host", EVERYWHERE), rule
        else:
            host, fault = fault_of({**(rule or {}), **fields})
        return PlacedFault(self._faults, self._faults.add(host, fault))

    def clear(self) -> None:
        """Takes all rules away but those that belong to the configuration of a host."""
        self._faults.clear()

    def unmet(self) -> list[FaultAccount]:
        """The rules whose faults were not met, or not as often as they were meant to be."""
        return self._faults.unmet()

    def assert_met(self) -> None:
        """Checks that every fault was met as often as it was meant to be.

        Raises:
            AssertionError: some were not; it says which, and what they saw.
        """
        unmet = self.unmet()
        if unmet:
            raise AssertionError("not all faults were met:\n" + "\n".join(map(str, unmet)))

    def reset(self) -> None:
        """As it was at the start: the rules that there were then, and no requests counted."""
        self._faults.clear()
        self._faults.reset()
        self._place_initial()

    def _place_initial(self) -> None:
        for host, fault in self._initial:
            self._faults.add(host, fault)
