"""An offline container registry for tests.

``from fake_registry import FakeRegistry`` is where to begin. What is named here is imported when it is first used:
importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fake_registry.config import (
        AccessRule,
        Auth,
        Fault,
        FaultAction,
        FaultMatch,
        Host,
        Limits,
        Route,
        Spread,
        TooManyRequests,
    )
    from fake_registry.core.faults import FaultAccount
    from fake_registry.core.journal import Entry, Journal
    from fake_registry.core.registry import RegistryCore
    from fake_registry.errors import (
        AuthorityError,
        ContentError,
        DigestError,
        FakeRegistryError,
        ImageError,
        TreeError,
        UsageError,
    )
    from fake_registry.fixtures import Tree
    from fake_registry.listening import Address
    from fake_registry.server import RegistryServer
    from fake_registry.testing.registry import FakeRegistry
    from fake_registry.testing.rules import FaultRules, PlacedFault
    from fake_registry.tls import CertificateAuthority

__all__ = [
    "AccessRule",
    "Address",
    "Auth",
    "AuthorityError",
    "CertificateAuthority",
    "ContentError",
    "DigestError",
    "Entry",
    "FakeRegistry",
    "FakeRegistryError",
    "Fault",
    "FaultAccount",
    "FaultAction",
    "FaultMatch",
    "FaultRules",
    "Host",
    "ImageError",
    "Journal",
    "Limits",
    "PlacedFault",
    "RegistryCore",
    "RegistryServer",
    "Route",
    "Spread",
    "TooManyRequests",
    "Tree",
    "TreeError",
    "UsageError",
]

_HOMES: Final = {
    "AccessRule": "config",
    "Address": "listening",
    "Auth": "config",
    "AuthorityError": "errors",
    "CertificateAuthority": "tls",
    "ContentError": "errors",
    "DigestError": "errors",
    "Entry": "core.journal",
    "FakeRegistry": "testing.registry",
    "FakeRegistryError": "errors",
    "Fault": "config",
    "FaultAccount": "core.faults",
    "FaultAction": "config",
    "FaultMatch": "config",
    "FaultRules": "testing.rules",
    "Host": "config",
    "ImageError": "errors",
    "Journal": "core.journal",
    "Limits": "config",
    "PlacedFault": "testing.rules",
    "RegistryCore": "core.registry",
    "RegistryServer": "server",
    "Route": "config",
    "Spread": "config",
    "TooManyRequests": "config",
    "Tree": "fixtures",
    "TreeError": "errors",
    "UsageError": "errors",
}
"""The module of each name."""


if not TYPE_CHECKING:  # type checkers know the names, and which there are not

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
