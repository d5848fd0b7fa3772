"""Time that passes without anybody waiting for it.

A registry in the same process can say how long it would keep its client waiting. The client then goes on, or gives up,
as if it had waited, and whoever asked lets that time pass on its clock: on a clock that stands still it costs nothing.
"""

from __future__ import annotations

import math
from typing import Final

from fake_registry.core.messages import Stage
from mirror.importer.transport import TransportError

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds that a TLS handshake may take."""

HANDSHAKE_LATE: Final = "net/http: TLS handshake timeout"
HEADERS_LATE: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
BODY_LATE: Final = "net/http: request canceled (Client.Timeout or context cancellation while reading body)"


class Waits:
    """How long one exchange at a time would take; a `fake_registry.exchange.Pacing`.

    ``head`` and ``body`` are how many seconds status and headers, and then the body, were waited for; ``gave_up`` is
    what the client waited for when it gave up, if it did.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.begin(timeout)

    def begin(self, timeout: float | None) -> None:
        """Another exchange, which may take so many seconds in all (None: any number)."""
        self._limit = math.inf if timeout is None else timeout
        self.head = 0.0
        self.body = 0.0
        self.gave_up: Stage | None = None

    async def wait(self, seconds: float, stage: Stage) -> bool:
        """Lets the client wait; False if it gives up."""
        return self.spend(seconds, stage)

    def spend(self, seconds: float, stage: Stage) -> bool:
        """As `wait`."""
        left = self._limit - self.head
        if stage == "handshake":
            left = min(left, HANDSHAKE_TIMEOUT)
        if seconds > left or math.isinf(seconds):
            self.gave_up = stage
            seconds = left
        if stage == "body":
            self.body = seconds
        else:
            self.head += seconds
        return self.gave_up is None

    def failure(self) -> TransportError:
        """How the exchange failed for a client that gave up before status and headers were there."""
        text = HANDSHAKE_LATE if self.gave_up == "handshake" else HEADERS_LATE
        return TransportError(text, timeout=True, took=self.head)

    def body_failure(self) -> TransportError:
        """How the exchange failed for a client that gave up before all of the body was there."""
        return TransportError(BODY_LATE, timeout=True, in_body=True, took=self.body)
