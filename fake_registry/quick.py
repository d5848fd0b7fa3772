"""The short way for what registries are asked most: a GET without a body, alone in its piece of data.

A connection begins here. As long as it brings nothing but such requests, each is answered at once, in one call from
socket to socket: no task, no queue, no parser for what HTTP can be besides. With the first request that is anything
else the connection goes over to aiohttp's protocol, for good, and that request with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from fake_registry.config import Mtls
from fake_registry.conversation import AnswerLines, Core, certified_by, remote_of
from fake_registry.core.messages import Certified, Request, Response

_METHODS: Final = (b"GET /", b"HEAD /")
_END: Final = b"\r\n\r\n"
_VERSION: Final = b" HTTP/1.1"
_MAX_HEAD: Final = 16 * 1024
_MAX_BODY: Final = 64 * 1024
_MAX_WAITING: Final = 1024 * 1024
_NOT_SIMPLE: Final = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
)
_NO_BODY: Final = frozenset({204, 304})
_OTHER_SHAPE: Final = frozenset({"content-length", "connection", "date", "transfer-encoding"})
_NOTHING: Final[dict[str, str]] = {}


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
        "_fields",
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
        self._fields = (b"", _NOTHING)

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
        request = self._simple_request(data)
        if request is None or transport.get_write_buffer_size() > _MAX_WAITING:
            self._give_away(data, None)
            return
        self._last = self._loop.time()
        answered: Response | Awaitable[Response] | None
        try:
            answered = begin(self._core.handle(request))
        except Exception:  # noqa: BLE001 - aiohttp's protocol asks again, and says what is wrong
            answered = None
        written = self._written(request.method, answered) if isinstance(answered, Response) else None
        if written is None:
            self._give_away(data, answered)
        else:
            transport.write(written)

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

    def _simple_request(self, data: bytes) -> Request | None:
        """The request in a piece of data, if it is one whole simple request and nothing else."""
        if not data.startswith(_METHODS) or not data.endswith(_END) or len(data) > _MAX_HEAD:
            return None
        line, _, block = data.partition(b"\r\n")
        if self._fields[0] != block:  # clients send the same with each request
            self._fields = (block, _simple_fields(block))
        headers = self._fields[1]
        if not headers or not line.endswith(_VERSION) or not line.isascii():
            return None
        method, _, target = line[: -len(_VERSION)].decode().partition(" ")
        if not target.isprintable() or " " in target:
            return None
        path, _, query = target.partition("?")
        return Request(
            method, path, query, headers["host"], headers, self._secure, self._sni, None, self._remote, self._certified
        )

    def _written(self, method: str, response: Response) -> bytes | None:
        """An answer as it is sent, if it can be sent in one piece and leaves the connection as it was."""
        status, body = response.status, response.body
        if not isinstance(body, bytes) or len(body) > _MAX_BODY or response.drop or response.delivery is not None:
            return None
        head = _simple_head(tuple(response.headers))
        if head is None or status < 200:
            return None
        start = self._lines.status_line(1, status) + head + self._lines.date_line()
        if status in _NO_BODY:
            return start + b"\r\n"
        return b"%sContent-Length: %d\r\n\r\n%s" % (start, len(body), body if method == "GET" else b"")


def _simple_fields(block: bytes) -> dict[str, str]:
    """The header fields of a request, lower-case names; none at all if anything about them is not simple."""
    try:
        fields = block.removesuffix(_END).decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return _NOTHING
    headers: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        lower = name.lower()
        # what is odd in any way is for the whole parser: names with blanks, folded lines, a second request, controls
        if not colon or lower in headers or lower in _NOT_SIMPLE or not _is_name(name) or not value.isprintable():
            return _NOTHING
        headers[lower] = value.strip(" \t")
    return headers if "host" in headers else _NOTHING


def _is_name(name: str) -> bool:
    return name.replace("-", "").isalnum()


@lru_cache(maxsize=1024)
def _simple_head(headers: tuple[tuple[str, str], ...]) -> bytes | None:
    """The header lines of an answer; None if any of them is not simple."""
    for name, value in headers:
        if name.lower() in _OTHER_SHAPE or not _is_name(name) or not value.isprintable():
            return None
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("utf-8", "surrogateescape")


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
