"""How the processes of a registry speak with each other: messages over a pair of sockets, each with its length."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

import msgspec

from fake_registry.control import JournalFilter
from fake_registry.core.changes import Change

_HEAD: Final = struct.Struct(">Q")


class AskJournal(msgspec.Struct, frozen=True, tag=True):
    """What was asked of you?"""

    wanted: JournalFilter


class AskMetrics(msgspec.Struct, frozen=True, tag=True):
    """What did you count?"""


class AskHealth(msgspec.Struct, frozen=True, tag=True):
    """Are you there?"""


class Ask(msgspec.Struct, frozen=True, tag=True):
    """A question, or a change to be made."""

    number: int
    about: Change | AskJournal | AskMetrics | AskHealth


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The answer to the question of that number: a value of each process that gave one, by its name, encoded."""

    number: int
    values: dict[str, bytes] = {}
    problem: str = ""


Message = Ask | Answer

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Ask | Answer)


class Channel:
    """An end of a pair, for a process that does one thing after the other.

    Whoever does not take or send a message within `patience` seconds raises `TimeoutError`, whoever has gone
    `EOFError`.
    """

    def __init__(self, end: socket.socket, patience: float) -> None:
        self._socket = end
        self._socket.settimeout(patience)

    def fileno(self) -> int:
        """To wait for it."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Sends a message."""
        data = _ENCODER.encode(message)
        try:
            self._socket.sendall(_HEAD.pack(len(data)) + data)
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def receive(self) -> Message:
        """The next message."""
        (length,) = _HEAD.unpack(self._exactly(_HEAD.size))
        message: Message = _DECODER.decode(self._exactly(length))
        return message

    def close(self) -> None:
        """Closes the end."""
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < count:
            try:
                piece = self._socket.recv(min(count - len(pieces), 1 << 20))
            except ConnectionResetError:
                raise EOFError from None
            if not piece:
                raise EOFError
            pieces += piece
        return bytes(pieces)


class LoopChannel:
    """An end of a pair, for a process with an event loop; made in it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> LoopChannel:
        """The channel of one end."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def send(self, message: Message) -> None:
        """Sends a message (raises `ConnectionError` if nobody is there any more)."""
        data = _ENCODER.encode(message)
        self._writer.write(_HEAD.pack(len(data)) + data)
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """The next message; None if there are no more."""
        try:
            (length,) = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
            message: Message = _DECODER.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return message

    async def close(self) -> None:
        """Closes the end."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
