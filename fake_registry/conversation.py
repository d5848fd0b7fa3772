"""What all who speak with clients have in common, whatever reads their requests: nothing here takes long to load."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

from fake_registry.config import Mtls
from fake_registry.core.messages import Certified, Request, Response, Stage
from fake_registry.core.reasons import reason_phrase
from fake_registry.mtls import holder


class Core(Protocol):
    """What answers: a `fake_registry.core.registry.RegistryCore`, or anything that does the same."""

    async def handle(self, request: Request) -> Response:
        """The answer to one request."""
        ...


def remote_of(transport: asyncio.BaseTransport) -> str:
    """The address and port of the client at the other end."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return ""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def certified_by(transport: asyncio.BaseTransport, mtls: Mtls) -> Certified | None:
    """Who the client at the other end proved to be in a handshake that asked for certificates."""
    user = holder(transport)
    return Certified(user, mtls.ca) if user else None


class Pacing(Protocol):
    """How time passes for clients that are kept waiting on purpose."""

    async def wait(self, seconds: float, stage: Stage) -> bool:
        """Keeps the client of the exchange waiting, for ever if `seconds` is infinite.

        False: the client does not wait that long, and is gone or about to go.
        """
        ...


class RealTime:
    """Seconds take as long as they say."""

    async def wait(self, seconds: float, stage: Stage) -> bool:
        del stage
        if math.isinf(seconds):
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(seconds)
        return True


class AnswerLines:
    """Makes the lines that every answer has. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._status_lines: dict[tuple[int, int], bytes] = {}
        self._date = (0, b"")

    def status_line(self, minor: int, status: int) -> bytes:
        """``HTTP/1.1 200 OK`` and the end of the line."""
        line = self._status_lines.get((minor, status))
        if line is None:
            line = f"HTTP/1.{minor} {status} {reason_phrase(status)}\r\n".encode()
            self._status_lines[minor, status] = line
        return line

    def date_line(self) -> bytes:
        """The Date header of this second."""
        now = int(self._clock())
        if self._date[0] != now:
            self._date = (now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode())
        return self._date[1]
