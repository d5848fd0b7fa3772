"""What changes a registry that runs, as data: made in one process, it can be made in others in the same way.

Cores that began as one and to which the same changes are made in the same order name their fault rules alike and count
in the same counters.
"""

from __future__ import annotations

import msgspec

from fake_registry.config import Certificates, Fault, Hosts
from fake_registry.core.faults import FaultAccount
from fake_registry.core.registry import RegistryCore


class Configure(msgspec.Struct, frozen=True, tag=True):
    """Another configuration of the hosts; see `RegistryCore.configure`."""

    hosts: Hosts | None
    require_references: bool
    certificates: Certificates | None = None


class AddFault(msgspec.Struct, frozen=True, tag=True):
    """One more fault rule, behind those that there are."""

    host: str
    fault: Fault


class RemoveFault(msgspec.Struct, frozen=True, tag=True):
    """A fault rule is taken away."""

    identity: str


class ClearFaults(msgspec.Struct, frozen=True, tag=True):
    """All fault rules that were added are taken away."""


class Forget(msgspec.Struct, frozen=True, tag=True):
    """The journal is forgotten."""


class Reset(msgspec.Struct, frozen=True, tag=True):
    """As it was at the start: no journal, no fault rules that were added, and all counters at 0."""


Change = Configure | AddFault | RemoveFault | ClearFaults | Forget | Reset


class Made(msgspec.Struct, frozen=True):
    """What came of a change: whether there was anything to be changed, and the rule that was added."""

    found: bool = True
    added: FaultAccount | None = None


def make(core: RegistryCore, change: Change) -> Made:
    """Changes a core.

    Raises:
        TallyFull: no counters are left for what is to be counted.
    """
    match change:
        case Configure(hosts, require_references, certificates):
            core.configure(hosts, require_references=require_references, certificates=certificates)
        case AddFault(host, fault):
            return Made(added=core.faults.add(host, fault))
        case RemoveFault(identity):
            return Made(found=core.faults.remove(identity))
        case ClearFaults():
            core.faults.clear()
        case Forget():
            core.journal.clear()
        case Reset():
            core.journal.clear()
            core.faults.clear()
            core.reset()
    return Made()
