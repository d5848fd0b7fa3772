"""TLS handshakes that come to nothing: what went wrong, in words, told once.

Source: RFC 8446, section 6.2 (alerts); OpenSSL's names for them.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

_ALERT: Final = re.compile(r"(?:TLSV1|TLSV13|SSLV3)_ALERT_(\w+)")
_GONE: Final = "the client hung up"


class Handshake:
    """A handshake under way. `tell` is told of its first problem."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell: Callable[[str], None] | None = tell

    def failed(self, problem: str) -> None:
        """It came to nothing."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(problem)


CURRENT: Final[ContextVar[Handshake]] = ContextVar("handshake")
"""The handshake of the connection that is being made, for what event loops are not shown."""


def problem_of(error: OSError) -> str:
    """What went wrong, in a few words that are the same on all event loops."""
    if isinstance(error, TimeoutError):
        return "the client did not complete it in time"
    reason = getattr(error, "reason", None)  # only those that OpenSSL found have one
    if not reason or reason == "UNEXPECTED_EOF_WHILE_READING":
        return _GONE
    alert = _ALERT.fullmatch(reason)
    if alert is not None:
        return f"the client refused it: {_words(alert[1])}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{_words(reason)}: {error.verify_message}"
    return _words(reason)


def _words(name: str) -> str:
    return name.lower().replace("_", " ")
