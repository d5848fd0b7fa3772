"""Requests and responses of the registry core.

Whoever has a socket (``fake_registry.server``) or none at all (an importer in the same process)
builds a `Request`, gives it to the core and gets a `Response`. Nothing here knows of sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

JSON: Final = "application/json"


class Certified(NamedTuple):
    """Whom a client proved to be by a certificate, and the authority that vouches for it (`Mtls.ca`)."""

    user: str
    ca: str


class Request(msgspec.Struct):
    """One HTTP request to a registry.

    ``path`` and ``query`` are as they came, still percent-encoded, ``query`` without its ``?``.
    ``headers`` has lower-case names; lines of one name are joined by ``", "``.
    ``host`` is the Host header (``"quay.io"``, ``"127.0.0.1:5000"``), ``sni`` the server name of the
    TLS handshake, ``secure`` whether there was one. ``body`` yields the request body in pieces. ``remote`` is
    the client's address and port, if it has one, ``certified`` who it proved to be in the TLS handshake.
    """

    method: str
    path: str
    query: str = ""
    host: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    secure: bool = True
    sni: str | None = None
    body: AsyncIterator[bytes] | None = None
    remote: str = ""
    certified: Certified | None = None

    @property
    def target(self) -> str:
        """Path and query exactly as in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


class FileBody(msgspec.Struct, frozen=True):
    """A part of a file: `length` bytes from `offset`, to be read off the event loop in large chunks."""

    path: Path
    offset: int
    length: int


class PartsBody(msgspec.Struct, frozen=True):
    """Bytes and parts of files, one after the other."""

    parts: tuple[bytes | FileBody, ...]

    @property
    def length(self) -> int:
        """Bytes of all parts."""
        return sum(part.length if isinstance(part, FileBody) else len(part) for part in self.parts)


class Pieces(Protocol):
    """What comes piece by piece, once. Whoever has it closes it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, in order."""
        ...

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        ...


class StreamBody(msgspec.Struct, frozen=True):
    """A body of `length` bytes that comes from somewhere else while it is sent."""

    length: int
    pieces: Pieces


Body = bytes | FileBody | PartsBody | StreamBody


class Delivery(msgspec.Struct, frozen=True):
    """What goes wrong with an answer on its way to the client, on purpose.

    ``delay`` is in seconds, before the first byte. ``end`` is how it ends early: ``cut`` closes the connection,
    ``reset`` resets it, ``stall`` sends nothing more; after ``after`` bytes of the body, or before the first byte of
    the answer if that is None. ``corrupt`` is which byte of the body is another one than it should be.
    """

    delay: float = 0.0
    end: Literal["cut", "reset", "stall"] | None = None
    after: int | None = None
    corrupt: int | None = None

    @property
    def has_answer(self) -> bool:
        """Whether anything of the answer is sent at all."""
        return self.end is None or self.after is not None

    def sent(self, piece: bytes, offset: int) -> bytes:
        """What is sent in place of a piece of the body that begins at `offset`."""
        if self.corrupt is not None and offset <= self.corrupt < offset + len(piece):
            at = self.corrupt - offset
            piece = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
        return piece


Stage = Literal["handshake", "head", "body"]
"""What a client that is kept waiting waits for: its TLS handshake, the head of an answer, more of the body."""

FAITHFUL: Final = Delivery()
"""Nothing goes wrong."""


class Response(msgspec.Struct):
    """One HTTP answer.

    ``headers`` are name and value in the order in which they are sent, without Date and, unless the
    value differs from the body's length (answers to HEAD), without Content-Length.
    ``drop`` means: send nothing and close the connection. ``delivery`` is what goes wrong with it after that.
    """

    status: int
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    body: Body = b""
    drop: bool = False
    delivery: Delivery | None = None

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.length
