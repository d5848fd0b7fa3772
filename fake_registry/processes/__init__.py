"""Registries as long as they run: served by one process, or by several that another one looks after."""

from __future__ import annotations

from fake_registry.processes.plan import Listening, Plan, Reading
from fake_registry.processes.serving import serving, stop_signal

__all__ = ["Listening", "Plan", "Reading", "serving", "stop_signal"]
