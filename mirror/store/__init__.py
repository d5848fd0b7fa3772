"""Where objects live: one interface, a store in memory, and one in a database."""

from __future__ import annotations

from mirror.store.interface import (
    FIRST_VERSION,
    AlreadyExists,
    Change,
    ChangeType,
    Conflict,
    Expired,
    Missing,
    Page,
    Record,
    Store,
    StoreClosed,
    StoreFailure,
    Watch,
)
from mirror.store.memory import MemoryStore
from mirror.store.opening import open_state

__all__ = [
    "FIRST_VERSION",
    "AlreadyExists",
    "Change",
    "ChangeType",
    "Conflict",
    "Expired",
    "MemoryStore",
    "Missing",
    "Page",
    "Record",
    "Store",
    "StoreClosed",
    "StoreFailure",
    "Watch",
    "open_state",
]
