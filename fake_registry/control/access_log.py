"""A line of JSON for every request."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from fake_registry.core.registry import RegistryCore, Seen

STANDARD_ERROR: Final = 2


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One request. Times are those of the registry's clock; credentials are never in it."""

    time: str
    remote: str
    tls: bool
    host: str
    method: str
    target: str
    status: int
    bytes: int
    seconds: float
    kind: str
    user: str = ""
    repository: str = ""
    user_agent: str = ""
    fault: str = ""
    note: str = ""


class AccessLog:
    """Writes a line for everything that a core answers from now on, to a file descriptor (standard error)."""

    def __init__(self, core: RegistryCore, descriptor: int = STANDARD_ERROR) -> None:
        self._descriptor = descriptor
        self._encoder = msgspec.json.Encoder()
        core.watch(self.write)

    def write(self, seen: Seen) -> None:
        """Writes the line, in one piece: several processes may share the file."""
        entry = seen.entry
        line = Line(
            time=datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            remote=seen.request.remote,
            tls=seen.request.secure,
            host=entry.host,
            method=entry.method,
            target=_printable(entry.target),
            status=entry.status,
            bytes=0 if entry.method == "HEAD" else seen.response.length,
            seconds=round(seen.seconds, 6),
            kind=entry.kind,
            user=_printable(entry.user),
            repository=_printable(entry.repository),
            user_agent=_printable(entry.user_agent),
            fault=entry.fault,
            note=_printable(entry.note),
        )
        with suppress(BlockingIOError, BrokenPipeError):  # clients do not wait for whoever reads this
            os.write(self._descriptor, self._encoder.encode(line) + b"\n")


def _printable(text: str) -> str:
    """A text without lone surrogates, which JSON cannot have; whatever else is odd is escaped there."""
    return text.encode("utf-8", "replace").decode()
