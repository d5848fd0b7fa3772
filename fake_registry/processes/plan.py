"""What is to be served, and where."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fake_registry.core.changes import Configure
from fake_registry.core.registry import RegistryCore
from fake_registry.tls import CertificateAuthority


class Listening(NamedTuple):
    """Sockets that listen, and the host that they belong to; without one they are for all hosts."""

    sockets: Sequence[socket.socket]
    serving: str | None = None


class Reading(NamedTuple):
    """A configuration that was read again, and who is to be told when it is in force."""

    configuration: Configure
    confirm: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A registry to be served.

    `control` are the sockets of its control plane, `token` is what that asks for. `reload` reads the configuration
    again (None: there is none, or it cannot be used, and somebody has been told so).
    """

    core: RegistryCore
    authority: CertificateAuthority
    listening: Sequence[Listening]
    control: Sequence[socket.socket] = ()
    token: str = ""
    access_log: bool = False
    reload: Callable[[], Reading | None] | None = None

    def port_of(self, host: str) -> int | None:
        """The port that belongs to a host (by its canonical name) alone, if it has one."""
        sockets = next((one.sockets for one in self.listening if one.serving == host), None)
        return int(sockets[0].getsockname()[1]) if sockets else None

    def close(self) -> None:
        """Closes all sockets."""
        for one in (*self.control, *(one for listening in self.listening for one in listening.sockets)):
            one.close()
