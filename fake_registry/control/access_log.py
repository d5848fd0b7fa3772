"""A line of JSON for every request."""

from __future__ import annotations

import os
import stat
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
    lost: int = 0


class AccessLog:
    """Writes a line for everything that a core answers from now on, to a file descriptor (standard error).

    Clients do not wait for whoever reads this: lines for which a pipe or a disk has no room are left out, and the next
    one says how many (``lost``). One that was cut short ends where it was cut.
    """

    def __init__(self, core: RegistryCore, descriptor: int = STANDARD_ERROR) -> None:
        self._descriptor = _not_waiting(descriptor)
        self._encoder = msgspec.json.Encoder()
        self._lost = 0
        self._is_torn = False
        core.watch(self.write)

    def close(self) -> None:
        """Writes nothing more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def write(self, seen: Seen) -> None:
        """Writes the line, in one piece: several processes may share the file."""
        if self._descriptor < 0:
            return
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
            lost=self._lost,
        )
        data = (b"\n" if self._is_torn else b"") + self._encoder.encode(line) + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except BrokenPipeError:
            self.close()
        except OSError:  # no room, for now
            self._lost += 1
        else:
            self._is_torn = written < len(data)
            self._lost = self._lost + 1 if self._is_torn else 0


def _not_waiting(descriptor: int) -> int:
    """The same file; if it is a pipe, so opened that writing to it does not wait, for us and nobody else."""
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.dup(descriptor)


def _printable(text: str) -> str:
    """A text without lone surrogates, which JSON cannot have; whatever else is odd is escaped there."""
    return text.encode("utf-8", "replace").decode()
