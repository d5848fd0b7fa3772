"""Resetting connections on purpose."""

from __future__ import annotations

import socket
import struct
from typing import Final

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


def reset_on_close(connection: socket.socket) -> None:
    """Lets a socket send a reset when it is closed, and drop what it has not sent yet."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
