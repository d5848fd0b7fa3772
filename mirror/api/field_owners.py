"""Who owns which fields, as ``metadata.managedFields`` tells it (apimachinery ``managedfields.go``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from mirror.api.structured import paths
from mirror.api.structured.paths import Fields
from mirror.gotext import quote
from mirror.v1.meta import ManagedFieldsEntry

APPLY: Final = "Apply"
UPDATE: Final = "Update"
_OLD_UPDATES: Final = "ancient-changes"
_MAX_UPDATERS: Final = 10


class Manager(NamedTuple):
    """Somebody who writes an object. Those who apply are the same whatever the version."""

    name: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        shown = quote(self.name)
        if self.subresource:
            shown += f" with subresource {quote(self.subresource)}"
        return f"{shown} using {self.api_version}" if self.operation == UPDATE else shown


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns, and since when."""

    fields: Fields
    time: str | None = None


Owners = dict[Manager, Owned]


def left_of(owners: Owners, taken: Iterable[paths.Path]) -> Owners:
    """What managers have left when others took fields; who has nothing left is gone."""
    gone = frozenset(taken)
    left = {manager: replace(owned, fields=owned.fields - gone) for manager, owned in owners.items()}
    return {manager: owned for manager, owned in left.items() if owned.fields}


def capped(owners: Owners, api_version: str) -> Owners:
    """At most ten updates: the oldest ones are merged into one."""
    updaters = [manager for manager in owners if manager.operation == UPDATE]
    if len(updaters) <= _MAX_UPDATERS:
        return owners
    updaters.sort(key=lambda manager: (owners[manager].time or "", manager))
    bucket = Manager(_OLD_UPDATES, UPDATE, api_version, "")
    merged = updaters[: len(updaters) - _MAX_UPDATERS + 1]
    fields = frozenset(path for manager in merged for path in owners[manager].fields)
    if bucket in owners:
        fields |= owners[bucket].fields
    left = {manager: owned for manager, owned in owners.items() if manager not in merged}
    left[bucket] = Owned(fields, owners[merged[-1]].time)
    return left


def decoded(entries: list[ManagedFieldsEntry], api_version: str) -> Owners:
    """The owners that entries tell of; those of other versions are forgotten, and of broken ones nothing is kept."""
    owners: Owners = {}
    for entry in entries:
        if entry.operation not in (APPLY, UPDATE) or not entry.apiVersion or entry.fieldsType != "FieldsV1":
            return {}
        try:
            fields = paths.decode(entry.fieldsV1)
        except ValueError:
            return {}
        if entry.apiVersion != api_version:
            continue
        version = "" if entry.operation == APPLY else entry.apiVersion
        owners[Manager(entry.manager, entry.operation, version, entry.subresource)] = Owned(fields, entry.time)
    return owners


def encoded(owners: Owners, api_version: str) -> list[ManagedFieldsEntry] | None:
    order = sorted(owners, key=lambda one: (one.operation, owners[one].time or "", one.name, one.subresource))
    entries = [
        ManagedFieldsEntry(
            manager=manager.name,
            operation=manager.operation,
            apiVersion=api_version,
            time=owners[manager].time,
            fieldsType="FieldsV1",
            fieldsV1=paths.encode(owners[manager].fields),
            subresource=manager.subresource,
        )
        for manager in order
    ]
    return entries or None


def same_but_for_times(new: list[ManagedFieldsEntry] | None, old: list[ManagedFieldsEntry] | None) -> bool:
    """Whether managed fields differ in nothing but the times at which they were taken."""
    if len(new or ()) != len(old or ()):
        return False
    return all(_timeless(one) == _timeless(other) for one, other in zip(new or (), old or (), strict=True))


def _timeless(entry: ManagedFieldsEntry) -> tuple[Any, ...]:
    return (entry.manager, entry.operation, entry.apiVersion, entry.subresource, bytes(entry.fieldsV1))
