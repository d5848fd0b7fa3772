"""The short way for what clients ask most: a request whose head comes whole, with a body of a known length or none.

A connection begins here. As long as it brings nothing but such requests, one after the other, no more is done than they
take: one task for each, no queue, no parser for what HTTP can be besides. With the first request that is anything else
the connection goes over to aiohttp's protocol, for good, and that request with it; so it does, with the answer, where
that is a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, cast

from mirror.api.answering import BODY_SECONDS, NO_BODY, Handle, answered, certificate_of, closes, head_of
from mirror.api.decoding import MAX_BODY
from mirror.api.messages import ApiRequest, ApiResponse, Certificate

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_END: Final = b"\r\n\r\n"
_MAX_HEAD: Final = 16 * 1024
_COPIED: Final = 64 * 1024
"""Bytes of a body that go out with the head, in one piece."""
_NOT_SIMPLE: Final = frozenset({"transfer-encoding", "upgrade", "expect", "te", "trailer", "proxy-connection"})


class Successor(Protocol):
    """Takes a connection over, with what came, and the answer to the first request if there is one."""

    answer: ApiResponse | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with the connection."""
        ...

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent."""
        ...


class Cuttable(Protocol):
    """A connection that can be closed at once."""

    def cut(self) -> None:
        """Closes the connection, whatever is under way."""
        ...


class OpenConnections:
    """The connections of a server that are open. Once it is `closed` none begins any more: one that was still shaking
    hands by then is cut."""

    def __init__(self) -> None:
        self.closed = False
        self._open: set[Cuttable] = set()

    def __iter__(self) -> Iterator[Cuttable]:
        return iter(list(self._open))

    def add(self, connection: Cuttable) -> None:
        """A connection has been made."""
        if self.closed:
            connection.cut()
        else:
            self._open.add(connection)

    def discard(self, connection: Cuttable) -> None:
        """A connection is gone, or has gone over to another protocol."""
        self._open.discard(connection)


class Head(NamedTuple):
    """What the head of a simple request says; `length` is that of its body."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int


class QuickConnection(asyncio.Protocol):
    """A connection that has brought only simple requests so far. `hand_over` makes the protocol for all others.

    Seconds: `greeting` is how long the client may take to begin with its first request, `idle` with the next one.
    """

    __slots__ = (
        "_certificate",
        "_certificates",
        "_changed",
        "_ending",
        "_greeting",
        "_hand_over",
        "_handle",
        "_head",
        "_head_bytes",
        "_idle",
        "_last",
        "_loop",
        "_needed",
        "_open",
        "_paused",
        "_received",
        "_task",
        "_timer",
        "_transport",
        "_writable",
    )

    def __init__(
        self,
        handle: Handle,
        hand_over: Callable[[], Successor],
        open_ones: OpenConnections,
        *,
        certificates: bool,
        greeting: float,
        idle: float,
    ) -> None:
        self._handle = handle
        self._hand_over = hand_over
        self._open = open_ones
        self._certificates = certificates
        self._certificate: Certificate | None = None
        self._greeting: float | None = greeting
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(greeting, self._close_if_idle)
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()  # what nobody has looked at yet
        self._needed = 0  # bytes of a request whose head is there; 0 if none has begun
        self._head_bytes = b""  # clients send the same head over and over
        self._head: Head | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = True
        self._paused = False
        self._ending = False
        self._changed: asyncio.Future[None] | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        if self._certificates:
            self._certificate = certificate_of(transport)
        self._open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self._let_go()

    def _let_go(self) -> None:
        self._timer.cancel()
        self._transport = None
        self._open.discard(self)
        self._notify()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._notify()
        if self._task is None:
            self._go_on()

    def cut(self) -> None:
        """Closes the connection at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Takes no further request: see `finish`."""
        self._ending = True

    async def finish(self) -> None:
        """Closes the connection when no answer is under way any more."""
        while self._transport is not None and (self._task is not None or not self._writable):
            self._changed = self._loop.create_future()
            await self._changed
        if self._transport is not None:
            self._transport.close()

    def _notify(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _close_if_idle(self) -> None:
        rest = self._idle if self._task is not None else self._last + self._patience - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._close_if_idle)
        else:
            self.cut()

    @property
    def _patience(self) -> float:
        if self._needed:
            return BODY_SECONDS
        return self._idle if self._greeting is None else self._greeting

    # Requests

    def data_received(self, data: bytes) -> None:
        if self._task is not None or not self._writable or self._received:
            self._received += data
            self._go_on()
        else:
            self._begin(data)

    def _go_on(self) -> None:
        """Looks at what has been received, once the answer to the request before it is out."""
        transport = self._transport
        if transport is None:
            return
        if self._task is not None or not self._writable:
            if not self._paused:
                self._paused = True
                transport.pause_reading()
            return
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if self._received and len(self._received) >= self._needed:
            data = bytes(self._received)
            self._received.clear()
            self._begin(data)

    def _begin(self, data: bytes) -> None:
        """Answers the request at the beginning of what came, as soon as it is whole."""
        if self._ending:
            return
        end = data.find(_END, 0, _MAX_HEAD)
        head_bytes = data[: max(end, 0)]
        if head_bytes != self._head_bytes:
            self._head, self._head_bytes = simple_head(head_bytes), head_bytes
        head = self._head
        if head is None:
            self._give_away(data, None)
            return
        start = end + len(_END)
        stop = start + head.length
        if len(data) < stop:
            if not self._needed:
                self._wait_for_body(stop)
            self._received += data
            return
        self._needed = 0
        if self._greeting is not None:
            self._greeting = None
            self._arm(self._idle)
        request = ApiRequest(
            head.method,
            head.path,
            head.query,
            head.headers,
            data[start:stop],
            self._certificate,
            head.headers["host"],
        )
        if len(data) > stop:
            self._received += data[stop:]
            data = data[:stop]
        self._task = self._loop.create_task(self._answer(request, data))

    def _wait_for_body(self, needed: int) -> None:
        self._needed = needed
        self._last = self._loop.time()
        self._arm(BODY_SECONDS)

    def _arm(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._close_if_idle)

    async def _answer(self, request: ApiRequest, data: bytes) -> None:
        """Answers a request, which came as `data`."""
        try:
            response = await answered(self._handle, request)
        except ConnectionError:
            self._task = None
            self.cut()
            return
        self._task = None
        self._last = self._loop.time()
        transport = self._transport
        if transport is None:
            return
        if response.stream is not None and not self._ending:
            self._give_away(data, response)
            return
        kept = not self._ending and not closes(response) and response.stream is None
        self._write(transport, request.method, response, kept=kept)
        self._notify()
        if not kept:
            transport.close()
        elif self._received or self._paused:
            self._go_on()

    def _write(self, transport: asyncio.Transport, method: str, response: ApiResponse, *, kept: bool) -> None:
        body = response.body
        if response.status in NO_BODY:
            transport.write(head_of(response, kept=kept))
            return
        head = head_of(response, length=len(body), kept=kept)
        if method == "HEAD":
            transport.write(head)
        elif len(body) < _COPIED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    def _give_away(self, data: bytes, answer: ApiResponse | None) -> None:
        """Lets aiohttp's protocol go on, with the answer to the first request if there is one."""
        transport = self._transport
        assert transport is not None
        rest = bytes(self._received)
        self._received.clear()
        self._let_go()
        connection = self._hand_over()
        connection.answer = answer
        transport.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(transport)
        connection.data_received(data + rest)
        if self._paused:
            transport.resume_reading()


def simple_head(data: bytes) -> Head | None:
    """The head of a request, without its last two line ends, if it is a simple one."""
    try:
        line, *fields = data.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return None
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if method not in _METHODS or version != "HTTP/1.1" or not target.startswith("/") or not target.isprintable():
        return None
    headers: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        lower = name.lower()
        value = value.strip(" \t")
        # what is odd in any way is for the whole parser: names with blanks, folded lines, repeated fields, controls
        if not colon or lower in headers or lower in _NOT_SIMPLE or not _is_name(name) or not value.isprintable():
            return None
        headers[lower] = value
    if "host" not in headers or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = _length(headers.get("content-length", "0"))
    if length is None:
        return None
    path, _, query = target.partition("?")
    return Head(method, path, query, headers, length)


def _length(text: str) -> int | None:
    """The length of a body; None if it is none, or more than is read at all."""
    if not text.isdecimal() or len(text) > len(str(MAX_BODY)):
        return None
    length = int(text)
    return length if length <= MAX_BODY else None


def _is_name(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum()
