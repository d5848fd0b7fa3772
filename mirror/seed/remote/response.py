"""Answers as those who asked see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from yarl import URL

from mirror.seed.remote.answer import Head
from mirror.seed.remote.connection import Connection
from mirror.seed.remote.failures import ExchangeError, RemoteError, no_answer
from mirror.seed.remote.headers import Headers
from mirror.seed.remote.request import Request


class RemoteResponse:
    """An answer, whose body may still be on its way. It holds a connection until it is released or closed."""

    def __init__(self, request: Request, head: Head, connection: Connection, done: Callable[[], None]) -> None:
        self.method = request.method
        self.url: URL = request.url
        self.status = head.status
        self.reason = head.reason
        self.headers: Headers = head.headers
        self._connection: Connection | None = connection
        self._done = done

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        stated = self.headers.get("Content-Type").partition(";")[0].strip().lower()
        return stated if stated.count("/") == 1 else "application/octet-stream"

    async def piece(self) -> bytes:
        """The next bytes of the body: all that have come. Empty if there are no more, or the answer was released.

        Raises:
            RemoteError: the body is not whole, or does not come.
        """
        if self._connection is None:
            return b""
        try:
            return await self._connection.piece()
        except (ExchangeError, OSError) as error:
            raise no_answer(self.method, self.url, error) from None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body, piece by piece (raises `RemoteError`)."""
        while piece := await self.piece():
            yield piece

    async def read(self, limit: int) -> bytes:
        """The body (raises `RemoteError` if it is not whole, or longer than `limit` bytes)."""
        data = await self.beginning(limit + 1)
        if len(data) > limit:
            raise RemoteError(f"{self.method} {self.url.with_query(None)}: more than {limit} bytes")
        return data

    async def beginning(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes (raises `RemoteError`)."""
        found, length = [], 0
        while length < limit and (piece := await self.piece()):
            found.append(piece)
            length += len(piece)
        return b"".join(found)[:limit]

    def release(self) -> None:
        """Lets go of the connection; it can be used again if all of the body has come."""
        if self._connection is not None:
            self._connection = None
            self._done()

    def close(self) -> None:
        """Lets go of the connection, which is closed."""
        if self._connection is not None:
            self._connection.abort()
            self.release()
