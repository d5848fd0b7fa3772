"""One connection to a server: requests are written, and answers read as fast as somebody takes them."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
from collections.abc import AsyncIterable, Callable
from typing import Final, cast

from mirror.seed.remote.answer import Answer, Head
from mirror.seed.remote.failures import AnswerError, RequestError

READ_TIMEOUT: Final = 60.0
"""Seconds after which nobody waits any longer for the head of an answer, or for a byte of its body."""

WRITE_TIMEOUT: Final = 300.0
"""Seconds after which nobody waits any longer for a server that takes nothing of a request."""

_ENOUGH: Final = 1 << 20
_TURNS: Final = 3  # of the loop, within which what has come is read


class Connection(asyncio.Protocol):
    """A connection, one exchange after the other. `lost` is told when it is gone.

    Of a body that nobody reads, no more than about a megabyte is taken.
    """

    def __init__(self, lost: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = lost
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._paused = False
        self._failure: Exception | None = None
        self._arriving: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._writable: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._sending = False
        self._unsent = 0

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or self._failure is not None:
            self.abort()  # nobody asked
            return
        try:
            piece = answer.feed(data)
        except AnswerError as error:
            self._fail(error)
            self.abort()
            return
        if piece:
            self._pieces.append(piece)
            self._held += len(piece)
            if self._held >= _ENOUGH and not self._paused and self.is_open:
                self._paused = True
                self.transport.pause_reading()
        if answer.head is not None:  # a head that comes byte by byte buys no time
            self._last = self._loop.time()
            self._wake()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        answer = self._answer
        if answer is not None and not answer.complete and self._failure is None:
            self._failure = _ending(answer, exc)
        self._wake()
        self.resume_writing()
        self._told(self)

    # One exchange

    async def ask(
        self, method: str, head: bytes, body: bytes | AsyncIterable[bytes] = b"", length: int | None = None
    ) -> Head:
        """Sends a request; gives how the answer to it begins.

        Of a body that comes in pieces `length` bytes are sent, or all of it, in chunks, if that is None. An answer that
        comes before all is sent is an answer, too.

        Raises:
            AnswerError: there is none.
            RequestError: the body is not as long as it should be.
            TimeoutError: nothing comes.
            Exception: what the body raises.
        """
        if not self.is_open:
            raise AnswerError("hung up without an answer", hung_up=True, unanswered=True)
        answer = self._answer = Answer(method)
        if isinstance(body, bytes):
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self._sending = True
            self._writing = self._loop.create_task(self._write(body, length))
            self._writing.add_done_callback(self._written)
        while answer.head is None:
            await self._arrival()
        return answer.head

    async def piece(self) -> bytes:
        """The next bytes of the body: all that have come. Empty if there are no more.

        Raises:
            AnswerError: the body is not whole.
            TimeoutError: nothing comes.
        """
        answer = self._answer
        assert answer is not None
        while not self._pieces:
            if answer.complete:
                return b""
            await self._arrival()
        found = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            if self.is_open:
                self.transport.resume_reading()
        return found

    def finish(self) -> bool:
        """Ends an exchange; whether there can be another one. If not, the connection is closed."""
        answer, self._answer = self._answer, None
        self._pieces.clear()
        self._held = 0
        reusable = answer is not None and answer.complete and answer.persistent and not self._sending
        if not reusable or self._paused or self._failure is not None or not self.is_open:
            self.abort()
            return False
        return True

    # The rest

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """What carries the bytes while the connection is not lost."""
        assert self._transport is not None
        return self._transport

    def carry_on(self, transport: asyncio.Transport) -> None:
        """From now on a transport carries the bytes that lies on the one that there was."""
        self._transport = transport

    def abort(self) -> None:
        """Closes the connection at once, and stops sending."""
        if self._writing is not None:
            self._writing.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _write(self, body: AsyncIterable[bytes], length: int | None) -> None:
        pieces = aiter(body)
        try:
            if length is None:
                await self._write_chunks(pieces)
            else:
                await self._write_pieces(pieces, length)
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    async def _write_chunks(self, pieces: AsyncIterable[bytes]) -> None:
        async for piece in pieces:
            if piece and not await self._write_piece(b"%x\r\n%b\r\n" % (len(piece), piece)):
                return
        await self._write_piece(b"0\r\n\r\n", last=True)

    async def _write_pieces(self, pieces: AsyncIterable[bytes], left: int) -> None:
        if left:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    raise RequestError("a body that is longer than it should be")
                if not await self._write_piece(piece, last=not left) or not left:
                    return
            raise RequestError(f"a body with {left} bytes less than it should have")
        self._sending = False

    async def _write_piece(self, data: bytes, *, last: bool = False) -> bool:
        """Writes; whether more can be written. Why not, others say."""
        await self._until_read()
        if self.is_open:
            self._sending = not last
            self.transport.write(data)
            if self._writable is not None and self._sending:
                await self._writable
        return self.is_open

    async def _until_read(self) -> None:
        """Lets what has come be read first. A server that has said no may be gone: to write would lose its answer."""
        await asyncio.sleep(0)
        for _ in range(_TURNS):
            if not self.is_open or (self._answer is not None and self._answer.head is not None):
                return
            if not _has_come(self.transport.get_extra_info("socket")):
                return
            await asyncio.sleep(0)

    def _written(self, task: asyncio.Task[None]) -> None:
        if self._writing is not task:
            return
        self._writing = None
        self._last = self._loop.time()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._fail(error)
        if error is not None:
            self.abort()

    async def _arrival(self) -> None:
        """Waits for something to come, and raises why nothing does."""
        if self._failure is not None:
            raise self._failure
        self._last = self._loop.time()
        self._arriving = self._loop.create_future()
        self._timer = self._loop.call_later(READ_TIMEOUT, self._look)
        try:
            await self._arriving
        finally:
            self._arriving = None
            self._timer.cancel()

    def _look(self) -> None:
        """Ends the waiting if nothing has come for too long, and everything was sent, or nothing can be."""
        unsent = self.transport.get_write_buffer_size() if self.is_open else 0
        limit = WRITE_TIMEOUT if self._sending or unsent else READ_TIMEOUT
        if unsent != self._unsent or (self._sending and self._writable is None):
            self._unsent, self._last = unsent, self._loop.time()
        late = self._loop.time() - self._last
        if late < limit:
            self._timer = self._loop.call_later(min(limit - late, READ_TIMEOUT), self._look)
        else:
            self._fail(TimeoutError("nothing came for too long"))

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._wake()

    def _wake(self) -> None:
        if self._arriving is not None and not self._arriving.done():
            self._arriving.set_result(None)


def _has_come(sock: socket.socket | None) -> bool:
    """Whether there is something to read, or the connection has ended."""
    if sock is None or sock.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _ending(answer: Answer, exc: Exception | None) -> AnswerError | None:
    """What an answer lacks when its connection is lost."""
    if isinstance(exc, ssl.SSLError):
        return AnswerError(f"TLS: {exc.strerror or exc}")
    if isinstance(exc, OSError):
        text = os.strerror(exc.errno).lower() if exc.errno else str(exc)
        text = "connection reset" if isinstance(exc, ConnectionResetError) else text
        hung_up = answer.head is None and isinstance(exc, ConnectionError)
        return AnswerError(text, hung_up=hung_up, unanswered=hung_up and answer.is_untouched)
    try:
        answer.end()
    except AnswerError as error:
        return error
    return None
