"""The short way for what registries are asked most: a GET without a body, alone in its piece of data.

A connection begins here. As long as it brings nothing but such requests, each is answered at once, in one call from
socket to socket: no task, no queue, no parser for what HTTP can be besides. With the first request that is anything
else the connection goes over to aiohttp's protocol, for good, and that request with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, Protocol, cast

from fake_registry.config import Mtls
from fake_registry.conversation import AnswerLines, Core, certified_by, remote_of
from fake_registry.core.messages import Certified, Request, Response

_METHODS: Final = (b"GET /", b"HEAD /")
_END: Final = b"\r\n\r\n"
_MAX_HEAD: Final = 16 * 1024
_MAX_BODY: Final = 64 * 1024
_MAX_WAITING: Final = 1024 * 1024
_NOT_SIMPLE: Final = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
)
_NO_BODY: Final = frozenset({204, 304})
_OTHER_SHAPE: Final = frozenset({"content-length", "connection", "date", "transfer-encoding"})


class Successor(Protocol):
    """Takes a connection over, with what came, and the answer to the first request if that has been begun."""

    answered: Response | Awaitable[Response] | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with the connection."""
        ...

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent."""
        ...


class QuickConnection(asyncio.Protocol):
    """A connection that has brought only simple requests so far. `hand_over` makes the protocol for all others."""

    __slots__ = (
        "_certified",
        "_core",
        "_hand_over",
        "_idle",
        "_last",
        "_lines",
        "_loop",
        "_mtls",
        "_open",
        "_remote",
        "_secure",
        "_sni",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        core: Core,
        lines: AnswerLines,
        hand_over: Callable[[], Successor],
        open_ones: set[Any],
        *,
        secure: bool,
        sni: str | None,
        mtls: Mtls | None,
        idle: float,
    ) -> None:
        self._core = core
        self._lines = lines
        self._hand_over = hand_over
        self._open = open_ones
        self._secure = secure
        self._sni = sni
        self._mtls = mtls
        self._certified: Certified | None = None
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(idle, self._close_if_idle)
        self._transport: asyncio.Transport | None = None
        self._remote = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._remote = remote_of(transport)
        if self._mtls is not None:
            self._certified = certified_by(transport, self._mtls)
        self._open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self._timer.cancel()
        self._transport = None
        self._open.discard(self)

    def cut(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        """Ends all waiting on purpose; there is none here."""

    def _close_if_idle(self) -> None:
        rest = self._last + self._idle - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._close_if_idle)
        else:
            self.cut()

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        request = simple_request(data, self._secure, self._sni)
        if request is None or transport.get_write_buffer_size() > _MAX_WAITING:
            self._give_away(data, None)
            return
        self._last = self._loop.time()
        request.remote = self._remote
        request.certified = self._certified
        answered: Response | Awaitable[Response] | None
        try:
            answered = begin(self._core.handle(request))
        except Exception:  # noqa: BLE001 - aiohttp's protocol asks again, and says what is wrong
            answered = None
        if isinstance(answered, Response) and is_simple(answered):
            transport.write(self._written(request.method, answered))
        else:
            self._give_away(data, answered)

    def _give_away(self, data: bytes, answered: Response | Awaitable[Response] | None) -> None:
        """Lets aiohttp's protocol go on, with the answer to its first request if that has been begun."""
        transport = self._transport
        assert transport is not None
        self.connection_lost(None)
        connection = self._hand_over()
        connection.answered = answered
        transport.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(transport)
        connection.data_received(data)

    def _written(self, method: str, response: Response) -> bytes:
        body = cast("bytes", response.body)
        head = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        parts = [self._lines.status_line(1, response.status), head.encode("utf-8", "surrogateescape")]
        parts.append(self._lines.date_line())
        if response.status in _NO_BODY:
            parts.append(b"\r\n")
        else:
            parts.append(b"Content-Length: %d\r\n\r\n" % len(body))
            if method == "GET":
                parts.append(body)
        return b"".join(parts)


def simple_request(data: bytes, secure: bool, sni: str | None) -> Request | None:
    """The request in a piece of data, if it is one whole simple request and nothing else."""
    if not data.startswith(_METHODS) or not data.endswith(_END) or len(data) > _MAX_HEAD:
        return None
    try:
        line, *fields = data[:-4].decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return None
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or not target.isprintable():
        return None
    headers: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        lower = name.lower()
        # what is odd in any way is for the whole parser: names with blanks, folded lines, a second request, controls
        if not colon or lower in headers or lower in _NOT_SIMPLE or not _is_name(name) or not _is_value(value):
            return None
        headers[lower] = value.strip(" \t")
    host = headers.get("host")
    if host is None:
        return None
    path, _, query = target.partition("?")
    return Request(method, path, query, host, headers, secure, sni)


def _is_name(name: str) -> bool:
    return name.replace("-", "").isalnum()


def _is_value(value: str) -> bool:
    return value.isprintable()


def is_simple(response: Response) -> bool:
    """Whether an answer is written in one piece and leaves the connection as it was."""
    body = response.body
    if not isinstance(body, bytes) or len(body) > _MAX_BODY or response.drop or response.delivery is not None:
        return False
    if response.status < 200:
        return False
    for name, value in response.headers:
        if name.lower() in _OTHER_SHAPE or not _is_name(name) or not value.isprintable():
            return False
    return True


def begin(work: Coroutine[Any, Any, Response]) -> Response | Awaitable[Response]:
    """Runs a coroutine up to where it has to wait: its result, or what waits for it."""
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        return cast("Response", end.value)
    return _Begun(work, waits_for)


class _Begun:
    """A coroutine that has been begun without a task, to be awaited to its end in one."""

    def __init__(self, work: Coroutine[Any, Any, Response], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Response]:
        waits_for = self._waits_for
        while True:
            failure: BaseException | None = None
            sent: Any = None
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - whatever comes is the coroutine's to deal with
                failure = error
            try:
                waits_for = self._work.send(sent) if failure is None else self._work.throw(failure)
            except StopIteration as end:
                return cast("Response", end.value)
