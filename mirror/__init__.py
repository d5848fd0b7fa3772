"""OpenShift image imports, without a cluster.

``from mirror import ImageApi`` is where tests begin. What is named here is imported when it is first used: importing
the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mirror.errors import InputError, IsmirrorError
    from mirror.testing.image_api import ImageApi
    from mirror.testing.recorded import record_from
    from mirror.testing.requests import ApiRequests, AskedOfApi

__all__ = ["ApiRequests", "AskedOfApi", "ImageApi", "InputError", "IsmirrorError", "record_from"]

_HOMES: Final = {
    "ApiRequests": "testing.requests",
    "AskedOfApi": "testing.requests",
    "ImageApi": "testing.image_api",
    "InputError": "errors",
    "IsmirrorError": "errors",
    "record_from": "testing.recorded",
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
