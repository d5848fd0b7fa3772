"""The control plane: what belongs to the fake and not to the registries that it fakes, under ``/_ismirror/``.

Like the registry's core it takes a request and returns a response, and knows no sockets: `ControlPlane.handle`. A
listener of its own serves it, never one of the registry's.
"""

from __future__ import annotations

from fake_registry.control.access_log import AccessLog
from fake_registry.control.controlled import Controlled, JournalFilter, OneProcess
from fake_registry.control.metrics import Metrics
from fake_registry.control.plane import ControlPlane

__all__ = ["AccessLog", "ControlPlane", "Controlled", "JournalFilter", "Metrics", "OneProcess"]
