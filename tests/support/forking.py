"""How a process of ``ismirror`` is asked for; see ``command_server.py``.

As a program, ``forking.py SOCKET ARGUMENT...``, it is ``ismirror`` itself, but for what signals do. It imports little,
since it starts for each command of a shell.
"""

from __future__ import annotations

import json
import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def begin(
    path: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: str, streams: Sequence[int]
) -> tuple[socket.socket, int]:
    """Has a process forked with these standard streams. The connection tells how it ended; closed before, it kills."""
    request = json.dumps({"arguments": list(arguments), "environment": dict(environment), "cwd": cwd}).encode()
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        socket.send_fds(connection, [len(request).to_bytes(4)], streams)
        connection.sendall(request)
        return connection, int(line(connection))
    except BaseException:
        connection.close()
        raise


def line(connection: socket.socket) -> bytes:
    """The next line."""
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(1)
        assert piece, "the process that others are forked from has ended"
        data += piece
    return data


if __name__ == "__main__":
    connection, _ = begin(sys.argv[1], sys.argv[2:], os.environ, os.getcwd(), (0, 1, 2))  # noqa: PTH109
    code = int(line(connection))
    sys.exit(code if code >= 0 else 128 - code)
