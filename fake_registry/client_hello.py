"""Reading a TLS ClientHello for its server name, before anything of it is consumed.

The reader is given what the socket's buffer holds so far, from its beginning, as often as that grows. It looks at
each byte once, whatever the sender does: records of one byte, lengths that lie, a hello that never ends.
Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3.
"""

from __future__ import annotations

import re
from typing import Final

from fake_registry.addresses import is_address

MAX_HELLO: Final = 32 * 1024
"""Bytes of a hello, record headers included, after which it is taken for hostile."""

HANDSHAKE: Final = 0x16
_CLIENT_HELLO: Final = 1
_RECORD_HEADER: Final = 5
_MAX_FRAGMENT: Final = 16 * 1024
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")


class HelloError(ValueError):
    """The bytes are no ClientHello, or one that is too long. What answers them is the TLS library's business."""


class HelloReader:
    """Finds the server name in a ClientHello that arrives piece by piece."""

    __slots__ = ("_message", "_offset", "needed", "server_name")

    def __init__(self) -> None:
        self._message = bytearray()
        self._offset = 0
        self.needed = _RECORD_HEADER
        """How many bytes of the connection, from its first, have to be there before reading on makes sense."""
        self.server_name: str | None = None
        """The name, in lower case and without a dot at the end; None if there is none or it is not a host name."""

    def read(self, data: bytes) -> bool:
        """Whether the hello in `data`, the connection's bytes from the first on, is complete.

        Raises:
            HelloError: it never will be.
        """
        while len(data) >= self.needed:
            header = data[self._offset : self._offset + _RECORD_HEADER]
            length = int.from_bytes(header[3:5])
            if header[0] != HANDSHAKE or header[1] != 3 or not 0 < length <= _MAX_FRAGMENT:
                raise HelloError("no handshake record")
            end = self._offset + _RECORD_HEADER + length
            if end > MAX_HELLO:
                raise HelloError("too long")
            if len(data) < end:
                self.needed = end
                return False
            self._message += data[self._offset + _RECORD_HEADER : end]
            self._offset = end
            self.needed = end + _RECORD_HEADER
            if self._complete():
                length = int.from_bytes(self._message[1:4])
                self.server_name = host_name(_server_name(bytes(self._message[4 : 4 + length])))
                return True
        return False

    def _complete(self) -> bool:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            raise HelloError("no ClientHello")
        if len(message) < 4:
            return False
        length = int.from_bytes(message[1:4])
        if length > MAX_HELLO:
            raise HelloError("too long")
        return len(message) >= 4 + length


def host_name(name: bytes | None) -> str | None:
    """The host name that `name` is, in lower case; None for an IP address (RFC 6066 allows none) and for junk."""
    if name is None or len(name) > 254 or not name.isascii():
        return None
    text = name.decode("ascii").lower()
    if _NAME.fullmatch(text) is None or is_address(text):
        return None
    return text.removesuffix(".")


class _Fields:
    """The length-prefixed fields of a TLS structure, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise HelloError("a field is longer than what holds it")
        field = self._data[self._at : end]
        self._at = end
        return field

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """A field whose length is the number of `size` bytes before it."""
        return self.take(self.number(size))


def _server_name(hello: bytes) -> bytes | None:
    fields = _Fields(hello)
    fields.take(2 + 32)  # version, random
    fields.vector(1)  # session
    fields.vector(2)  # cipher suites
    fields.vector(1)  # compression methods
    if not fields:
        return None
    extensions = _Fields(fields.vector(2))
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            names = _Fields(_Fields(content).vector(2))
            while names:
                name_kind, name = names.number(1), names.vector(2)
                if name_kind == _HOST_NAME:
                    return name
            return None
    return None
