"""HTTP/1.1 for all that is not simple (see `mirror.api.quick`): aiohttp's request becomes the API's, its answer bytes.

What is streamed is sent piece by piece, each at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from fake_registry.core.reasons import reason_phrase
from mirror.api.answering import BODY_SECONDS, NO_BODY, Handle, answered, certificate_of, closes, head_of
from mirror.api.decoding import MAX_BODY
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.quick import OpenConnections

_HEADER_BYTES: Final = 64 * 1024
_COPIED: Final = 64 * 1024
"""Bytes of a body that go out with the head, in one piece."""

log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """A client's connection: aiohttp's, which is closed if no request comes, and ends its stream when the client goes.

    `streaming` is the task that streams, `ended` whether it was told to end. `answer` is that to the first request, if
    there is one already.
    """

    __slots__ = ("_greeting", "_open", "_socket_transport", "answer", "ended", "streaming")

    def __init__(self, manager: Server, open_ones: OpenConnections, *, greeting: float, idle: float) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=idle,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        self.streaming: asyncio.Task[object] | None = None
        self.ended = False
        self.answer: ApiResponse | None = None
        self._open = open_ones
        self._socket_transport: asyncio.Transport | None = None
        self._greeting: asyncio.TimerHandle | None = loop.call_later(greeting, self.force_close)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket_transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._open.add(self)

    def force_close(self) -> None:
        """As aiohttp does it, but not a second time: asyncio's TLS could not be aborted any more, which a client that
        goes on holding its end takes."""
        if self.transport is not None and self.transport.is_closing():
            self.transport = None
        super().force_close()

    def cut(self) -> None:
        """Closes the connection at once, also where aiohttp has let go of it and waits for the other side."""
        if self._socket_transport is not None:
            self._socket_transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket_transport = None
        self._open.discard(self)
        self.greeted()
        self.end_stream()
        super().connection_lost(exc)

    def greeted(self) -> None:
        """A request has come."""
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None

    def end_stream(self) -> None:
        """Ends what is being streamed, if anything is."""
        if self.streaming is not None and not self.ended:
            self.ended = True
            self.streaming.cancel()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """What is no HTTP gets the answer of Go's server, and the connection is closed."""
        log.debug("%s: bad request: %s", request.remote, message or exc)
        status = 431 if isinstance(exc, LineTooLong) else status
        text = f"{status} {reason_phrase(status)}".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        return Answer(ApiResponse(status, headers, text), minor=1)


class Exchanges:
    """Handles aiohttp's requests. With `certificates` those of clients are looked at."""

    def __init__(self, handle: Handle, *, certificates: bool) -> None:
        self._handle = handle
        self._certificates = certificates

    async def __call__(self, source: BaseRequest) -> StreamResponse:
        answer = None
        if isinstance(source.protocol, Connection):
            source.protocol.greeted()
            answer, source.protocol.answer = source.protocol.answer, None
        try:
            request = await self._request(source)
        except (ConnectionError, RequestPayloadError, TimeoutError) as error:
            # The client went away, fell asleep, or its body is no HTTP: there is nobody to answer.
            raise ConnectionResetError(str(error)) from None
        return Answer(await answered(self._handle, request) if answer is None else answer)

    async def _request(self, source: BaseRequest) -> ApiRequest:
        headers: dict[str, str] = {}
        for name, value in source.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        path, _, query = _target(source.raw_path).partition("?")
        body = await _body(source, headers) if source.body_exists else b""
        certificate = certificate_of(source.transport) if self._certificates else None
        return ApiRequest(source.method, path, query, headers, body, certificate, headers.get("host", ""))


def _target(raw: str) -> str:
    """Path and query of a request target; a proxy's client sends whole URLs."""
    if raw.startswith("/") or "://" not in raw:
        return raw
    rest = raw.partition("://")[2]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


async def _body(source: BaseRequest, headers: dict[str, str]) -> bytes:
    """The body, as far as it may be read: one byte more than the limit shows that it is too long."""
    if source.version >= (1, 1) and headers.get("expect", "").lower() == "100-continue":
        await source.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces, length = [], 0
    async with asyncio.timeout(BODY_SECONDS):
        while length <= MAX_BODY and (piece := await source.content.readany()):
            pieces.append(piece)
            length += len(piece)
    return b"".join(pieces)


class Answer(StreamResponse):
    """An answer, written as it is: aiohttp's own would add headers of its own."""

    def __init__(self, response: ApiResponse, *, minor: int | None = None) -> None:
        super().__init__(status=response.status)
        self._minor = minor
        self._response = response
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
        if response.stream is not None and request.method != "HEAD":
            await self._stream(request)
            return
        has_body = request.method != "HEAD" and response.status not in NO_BODY
        length = None if response.status in NO_BODY else len(response.body)
        body = response.body if has_body else b""
        head = self._head(request, length)
        if len(body) < _COPIED:
            await request.writer.write(head + body)
        else:
            await request.writer.write(head)
            await request.writer.write(body)

    async def _stream(self, request: BaseRequest) -> None:
        """Sends pieces until there are no more or the client has gone."""
        stream = self._response.stream
        assert stream is not None
        connection = request.protocol if isinstance(request.protocol, Connection) else None
        if connection is not None:
            connection.streaming = asyncio.current_task()
        chunked = request.version >= (1, 1)
        try:
            await request.writer.write(self._head(request, None, chunked=chunked))
            async for piece in stream:
                await request.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if connection is None or not connection.ended or task is None:
                raise
            task.uncancel()
            self._open = False
            if request.transport is None:
                raise ConnectionResetError("the client has gone") from None
        finally:
            if connection is not None:
                connection.streaming = None
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        if chunked:
            await request.writer.write(b"0\r\n\r\n")

    def _head(self, request: BaseRequest, length: int | None, *, chunked: bool = False) -> bytes:
        response = self._response
        minor = self._minor if self._minor is not None else int(request.version >= (1, 1))
        unread = request.body_exists and not request.content.at_eof()
        streaming = length is None and response.status not in NO_BODY
        self._open = request.keep_alive and not closes(response) and not unread and (chunked or not streaming)
        return head_of(response, minor=minor, length=length, chunked=chunked, kept=self._open)
