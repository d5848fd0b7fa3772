"""HTTP/1.1 on the side of the sockets: aiohttp's request becomes the core's, the core's response becomes bytes.

Answers look like those of Go's net/http server, which real registries are: its status lines, its ``Date`` and
``Content-Length``, no ``Server``. Source: RFC 9112; net/http ``server.go``, ``transfer.go``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, cast

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from fake_registry.config import Mtls
from fake_registry.conversation import AnswerLines, Core, Pacing, RealTime, certified_by, remote_of
from fake_registry.core.messages import FAITHFUL, JSON, Certified, Delivery, Request, Response, Stage, StreamBody
from fake_registry.core.reasons import reason_phrase
from fake_registry.files import CHUNK, SMALL, Content, File, opened
from fake_registry.resets import reset_on_close

_NO_BODY: Final = frozenset({204, 304})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CR: Final = "\r"
_NL: Final = "\n"
_INTERNAL_ERROR_BODY: Final = b'{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}'
_INTERNAL_ERROR: Final = Response(500, [("Content-Type", JSON)], _INTERNAL_ERROR_BODY)

log = logging.getLogger(__name__)


class Stalled(ConnectionError):
    """A client stopped in the middle of a body for longer than it may."""


class Connection(RequestHandler):
    """A client's connection: aiohttp's, which knows by what name and over what the client came."""

    __slots__ = (
        "_first_request",
        "_mtls",
        "_open",
        "_over",
        "_socket_transport",
        "answered",
        "asked",
        "certified",
        "remote",
        "secure",
        "sni",
    )

    def __init__(
        self,
        manager: Server,
        open_ones: set[Any],
        *,
        secure: bool,
        sni: str | None,
        mtls: Mtls | None = None,
        keepalive_timeout: float,
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=keepalive_timeout,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            max_line_size=SMALL,
            max_field_size=SMALL,
        )
        self.secure = secure
        self.sni = sni
        self.remote = ""
        self._mtls = mtls
        self.certified: Certified | None = None
        self.asked = False
        self.answered: Response | Awaitable[Response] | None = None
        """The answer to the first request, where that was asked before the connection came here."""
        # aiohttp has a time limit for every request but the first, up to version 3.13.
        self._first_request = asyncio.get_running_loop().call_later(keepalive_timeout, self._expect_request)
        self._open = open_ones
        self._over: asyncio.Future[None] | None = None
        self._socket_transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket_transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self.remote = remote_of(transport)
        if self._mtls is not None:
            self.certified = certified_by(transport, self._mtls)
        self._open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket_transport = None
        self._first_request.cancel()
        self._open.discard(self)
        self.give_up()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if not self.asked:
            self.cut()

    def force_close(self) -> None:
        """As aiohttp does it, but not a second time: asyncio's TLS could not be aborted any more, which a client that
        goes on holding its end takes."""
        if self.transport is not None and self.transport.is_closing():
            self.transport = None
        super().force_close()

    def cut(self) -> None:
        """Closes the connection at once, whatever is under way; a TLS peer is not waited for."""
        if self._socket_transport is not None:
            self._socket_transport.abort()

    async def flushed(self) -> None:
        """Waits until everything that was written is with the system."""
        if self._socket_transport is not None:
            self._socket_transport.set_write_buffer_limits(high=1, low=0)  # 0 as high: asyncio's TLS waits for ever
            await self._drain_helper()

    async def reset(self) -> None:
        """Resets the connection once everything that was written is with the system."""
        await self.flushed()
        if self._socket_transport is not None:
            reset_on_close(self._socket_transport.get_extra_info("socket"))
            self.cut()

    def give_up(self) -> None:
        """Ends all waiting on purpose: nobody is there any more, or the server wants to stop."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def kept_waiting(self, waiting: Awaitable[bool]) -> bool:
        """Waits as `waiting` says, and no longer than there is a client; whether it still is there."""
        self._over = over = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(waiting)
        if self._socket_transport is not None:
            either: set[asyncio.Future[Any]] = {task, over}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result() and not over.done()
        task.cancel()
        await asyncio.wait([task])
        return False

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """What is no HTTP gets the answer of Go's server, and the connection is closed."""
        log.debug("%s: bad request: %s", request.remote, message or exc)
        if isinstance(exc, LineTooLong):
            status = 431
        return Verbatim(status, reason_phrase(status))


class Verbatim(StreamResponse):
    """An error of the HTTP layer itself, as net/http writes it, and the end of the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status=status)
        self._text = f"{status} {text}"
        self._to: BaseRequest | None = None

    @property
    def keep_alive(self) -> bool:
        """Never."""
        return False

    async def prepare(self, request: BaseRequest) -> None:
        self._to = request

    async def write_eof(self, data: bytes = b"") -> None:
        assert self._to is not None
        head = f"HTTP/1.1 {self._text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        await self._to.writer.write(f"{head}{self._text}".encode())


class Exchanges:
    """Handles aiohttp's requests with a registry core.

    `stall` is for how many seconds a client that sends a body may send nothing.
    """

    def __init__(
        self, core: Core, pacing: Pacing | None = None, *, stall: float = 60.0, lines: AnswerLines | None = None
    ) -> None:
        self._core = core
        self._stall = stall
        self.pacing: Pacing = RealTime() if pacing is None else pacing
        self.lines = AnswerLines() if lines is None else lines

    async def __call__(self, request: BaseRequest) -> StreamResponse:
        if request.version >= (1, 1) and "Host" not in request.headers:
            return Verbatim(400, "Bad Request: missing required Host header")
        asked = _Asked(request, self._stall)
        try:
            response = await self._response(asked)
            content = await opened(request.method, response)
        except (ConnectionError, RequestPayloadError) as error:
            # The client went away, or its body is no HTTP: there is nobody to answer.
            if isinstance(error, Stalled):
                asked.connection.cut()
            raise ConnectionResetError(str(error)) from None
        except Exception:
            log.exception("%s %s", request.method, request.raw_path)
            response, content = _INTERNAL_ERROR, _INTERNAL_ERROR_BODY
        return _Reply(self, asked, response, content)

    async def _response(self, asked: _Asked) -> Response:
        connection = asked.connection
        answered, connection.answered = connection.answered, None
        if answered is None:
            return await self._core.handle(asked.request)
        return answered if isinstance(answered, Response) else await answered


class _Asked:
    """aiohttp's request as the core's, and whether its body is still to be asked for."""

    __slots__ = ("_source", "_stall", "awaits_continue", "connection", "request")

    def __init__(self, source: BaseRequest, stall: float) -> None:
        self._source = source
        self._stall = stall
        connection = source.protocol
        assert isinstance(connection, Connection)
        connection.asked = True
        self.connection = connection
        headers: dict[str, str] = {}
        for name, value in source.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        self.awaits_continue = source.version >= (1, 1) and headers.get("expect", "").lower() == "100-continue"
        host, path, query = _target(source.raw_path)
        self.request = Request(
            method=source.method,
            path=path,
            query=query,
            host=headers.get("host", "") if host is None else host,
            headers=headers,
            secure=connection.secure,
            sni=connection.sni,
            body=self._body() if source.body_exists else None,
            remote=connection.remote,
            certified=connection.certified,
        )

    async def _body(self) -> AsyncIterator[bytes]:
        if self.awaits_continue:
            self.awaits_continue = False
            await self._source.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while piece := await self._piece():
            yield piece

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall):
                return await self._source.content.readany()
        except TimeoutError:
            raise Stalled("the client sends nothing any more") from None


def _target(raw: str) -> tuple[str | None, str, str]:
    """Host (if the target names one), path and query of a request target; a proxy's client sends whole URLs."""
    host = None
    if not raw.startswith("/") and "://" in raw:
        rest = raw.partition("://")[2]
        end = min((i for i in map(rest.find, "/?") if i >= 0), default=len(rest))
        host, raw = rest[:end].rpartition("@")[2], rest[end:]
        if not raw.startswith("/"):
            raw = f"/{raw}"
    path, _, query = raw.partition("?")
    return host, path, query


class _Reply(StreamResponse):
    """The core's response, written as it is: aiohttp's own would add headers of its own."""

    def __init__(self, exchanges: Exchanges, asked: _Asked, response: Response, content: Content) -> None:
        super().__init__()
        self._exchanges = exchanges
        self._asked = asked
        self._response = response
        self._content = content
        self._to: BaseRequest | None = None
        self._open = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may be used for another request."""
        return self._open

    async def prepare(self, request: BaseRequest) -> None:
        self._to = request

    async def write_eof(self, data: bytes = b"") -> None:
        request, response = self._to, self._response
        assert request is not None
        if response.drop:
            if request.transport is not None:
                request.transport.abort()
            return
        head, length = self._head(request)
        if self._asked.awaits_continue:
            request.content.feed_eof()  # a body that was not asked for does not come, and is not waited for
        try:
            if response.delivery is None:
                await self._send(request, head, length)
            else:
                await self._misdeliver(request, response.delivery, head, length)
        finally:
            if isinstance(self._content, StreamBody):
                await self._content.pieces.aclose()

    async def _send(self, request: BaseRequest, head: bytes, length: int, delivery: Delivery = FAITHFUL) -> None:
        """Status line, headers, and so many bytes of the content."""
        content, writer = self._content, request.writer
        if isinstance(content, bytes):
            if length < len(content) or delivery.corrupt is not None:
                content = delivery.sent(content[:length], 0)
            if length <= SMALL:
                await writer.write(head + content)
            else:
                await writer.write(head)
                await writer.write(content)
            return
        await writer.write(head)
        if isinstance(content, StreamBody):
            await self._stream(request, content, length, delivery)
            return
        if delivery is FAITHFUL and (wire := self._wire(request)) is not None:
            try:
                await content.send(wire, length)
            except EOFError:
                raise self._shorter(content) from None
            return
        sent = 0
        while sent < length:
            piece = await asyncio.get_running_loop().run_in_executor(None, content.read, min(CHUNK, length - sent))
            if not piece:
                raise self._shorter(content)
            await writer.write(delivery.sent(piece, sent))
            sent += len(piece)

    async def _stream(self, request: BaseRequest, content: StreamBody, length: int, delivery: Delivery) -> None:
        """Sends what comes from somewhere else. What ends early there ends early here."""
        sent = 0
        stays_open, self._open = self._open, False
        async for piece in content.pieces:
            await request.writer.write(delivery.sent(piece[: length - sent], sent))
            sent += len(piece)
            if sent > length:
                break
        if sent < length:
            raise ConnectionResetError("the answer ended early where it came from")
        self._open = stays_open

    def _wire(self, request: BaseRequest) -> asyncio.WriteTransport | None:
        """The transport, if what the socket is given is what the client gets: with TLS it is not."""
        return None if self._asked.connection.secure or not hasattr(os, "sendfile") else request.transport

    def _shorter(self, content: File) -> ConnectionResetError:
        log.error("%s: shorter than announced", content.path)
        self._open = False
        return ConnectionResetError("file shorter than announced")

    async def _misdeliver(self, request: BaseRequest, delivery: Delivery, head: bytes, length: int) -> None:
        """Sends an answer with all that is to go wrong on its way."""
        connection, pacing = request.protocol, self._exchanges.pacing
        assert isinstance(connection, Connection)
        if delivery.delay and not await connection.kept_waiting(pacing.wait(delivery.delay, "head")):
            connection.cut()
            return
        if not delivery.has_answer:
            await self._end(connection, delivery, "head")
            return
        after = length if delivery.after is None else min(delivery.after, length)
        await self._send(request, head, after, delivery)
        if delivery.end is not None and (after < length or delivery.end != "stall"):
            self._open = False
            await self._end(connection, delivery, "body")

    async def _end(self, connection: Connection, delivery: Delivery, stage: Stage) -> None:
        """Ends an answer before it is complete; a connection that is only to be closed after what was sent is closed
        by aiohttp."""
        if delivery.end == "reset":
            await connection.reset()
        elif delivery.end == "stall":
            await connection.flushed()
            await connection.kept_waiting(self._exchanges.pacing.wait(math.inf, stage))
            connection.cut()
        elif stage == "head":
            connection.cut()

    def _head(self, request: BaseRequest) -> tuple[bytes, int]:
        """Status line and headers, and how many bytes of content follow; decides what becomes of the connection."""
        response = self._response
        minor = 1 if request.version >= (1, 1) else 0
        body = response.body
        length = len(body) if isinstance(body, bytes) else body.length
        bodyless = request.method == "HEAD" or response.status < 200 or response.status in _NO_BODY
        stays_open = request.keep_alive and not self._asked.awaits_continue
        parts = [self._exchanges.lines.status_line(minor, response.status)]
        announced: int | None = None
        for name, value in response.headers:
            field = name.lower()
            if field == "content-length":
                announced = int(value) if value.isascii() and value.isdigit() else None
                continue
            if field == "connection":
                stays_open = stays_open and value.lower() != "close"
                continue
            # How a body is delimited is the server's affair; what is no field name is left out, as Go does.
            if field in {"date", "transfer-encoding"} or not _is_field_name(name):
                continue
            line = f"{name}: {value.replace(_NL, ' ').replace(_CR, ' ')}\r\n"
            parts.append(line.encode("utf-8", "surrogateescape"))
        parts.append(self._exchanges.lines.date_line())
        if response.status >= 200 and response.status not in _NO_BODY:
            parts.append(b"Content-Length: %d\r\n" % (length if announced is None else announced))
        if announced is not None and announced != length and not bodyless:
            stays_open = stays_open and announced < length
            length = min(announced, length)
        if minor and not stays_open:
            parts.append(b"Connection: close\r\n")
        elif stays_open and not minor:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n")
        self._open = stays_open
        return b"".join(parts), 0 if bodyless else length


@functools.lru_cache(256)
def _is_field_name(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None
