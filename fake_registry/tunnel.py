"""CONNECT: a client that takes a listener for its proxy reaches every host by that host's own name.

Nothing is ever connected to. The tunnel ends where it begins: what comes through it is greeted as if the client had
connected to the host itself. Source: RFC 9110 section 9.3.6.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

_METHOD: Final = b"CONNECT "
_HEAD_END: Final = b"\r\n\r\n"
_MAX_HEAD: Final = 16 * 1024
_REQUEST_LINE: Final = re.compile(rb"CONNECT ([!-~]{1,300}) HTTP/1\.[01]\r\n")

OPEN: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
NO_WAY: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_MALFORMED: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def wants_tunnel(client: socket.socket) -> bool:
    """Whether what a client has sent begins as a CONNECT request. Nothing is consumed."""
    try:
        return client.recv(len(_METHOD), socket.MSG_PEEK) == _METHOD
    except OSError:
        return False


async def tunnel_target(client: socket.socket) -> str | None:
    """Reads a CONNECT request; the ``host:port`` that it names. It is still to be answered, unless this returns None:
    then it was no such request, and has been refused.

    Raises:
        ConnectionError: the client went away.
    """
    loop = asyncio.get_running_loop()
    head = b""
    while _HEAD_END not in head and len(head) <= _MAX_HEAD:
        piece = await loop.sock_recv(client, 4096)
        if not piece:
            raise ConnectionResetError("closed within a request")
        head += piece
    line = _REQUEST_LINE.match(head)
    # What comes behind the head would be for the other end, before it is known whether there is one.
    if line is None or not head.endswith(_HEAD_END):
        await loop.sock_sendall(client, _MALFORMED)
        return None
    return line[1].decode()
