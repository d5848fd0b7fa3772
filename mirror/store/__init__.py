"""Where objects live: one interface, and a store in memory."""

from __future__ import annotations

from mirror.store.interface import AlreadyExists, Conflict, Missing, Record, Store
from mirror.store.memory import MemoryStore

__all__ = ["AlreadyExists", "Conflict", "MemoryStore", "Missing", "Record", "Store"]
