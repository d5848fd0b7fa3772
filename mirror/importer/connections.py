"""aiohttp's connections, made and watched by us: what fails gets the text that Go has for it.

Connecting is done here, because texts depend on how far it got: name, address, handshake, certificate. Answers are read
by `mirror.importer.answer_reader`; the pool, requests and streams are aiohttp's own with their failures translated.
Source: net/http ``transport.go`` (dialConn, readLoop, mapRoundTripError).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientRequest,
    ClientResponse,
    ClientTimeout,
    HttpVersion11,
    StreamReader,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

from mirror.clock import Clock
from mirror.importer.answer_failures import BROKEN, HEAD_LIMIT, UNEXPECTED_EOF
from mirror.importer.answer_reader import AnswerHead, AnswerReader
from mirror.importer.dial import Dialer, Target, errno_text
from mirror.importer.tls_failures import certificate_failure, handshake_kind, openssl_alert, record_failure
from mirror.importer.tls_probe import probe
from mirror.importer.transport import TransportError
from mirror.importer.waiting import HANDSHAKE_LATE

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_IDLE: Final = 90.0
_BUFFER: Final = 64 * 1024
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_RESETS: Final = frozenset({errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE})


class Connector(BaseConnector):
    """aiohttp's pool of connections, which are made here."""

    def __init__(
        self,
        dialer: Dialer,
        verifying: ssl.SSLContext,
        clock: Clock,
        *,
        handshake_timeout: float,
        limit_per_host: int,
        ca: bytes = b"",
    ) -> None:
        super().__init__(limit=0, limit_per_host=limit_per_host, keepalive_timeout=_IDLE)
        self._dialer = dialer
        self._verifying = verifying
        self._ca = ca
        self._clock = clock
        self._handshake_timeout = handshake_timeout

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        assert req.server_hostname is not None
        assert req.port is not None
        target = Target(req.server_hostname, req.port)
        client = await self._dialer.dial(target)
        try:
            if req.is_ssl():
                assert isinstance(req.ssl, ssl.SSLContext)
                return await self._secured(client, target, req.ssl)
            return await self._connected(client, target)
        except BaseException:
            client.close()
            raise

    async def _connected(
        self, client: socket.socket, target: Target, context: ssl.SSLContext | None = None
    ) -> ResponseHandler:
        _, stream = await self._loop.create_connection(
            lambda: AnswerStream(self._loop, self._dialer, target),
            sock=client,
            ssl=context,
            server_hostname=None if context is None else target.host,
            # Ours comes first: asyncio's says nothing that tells it from other failures.
            ssl_handshake_timeout=None if context is None else self._handshake_timeout + 60,
        )
        return stream

    async def _secured(self, client: socket.socket, target: Target, context: ssl.SSLContext) -> ResponseHandler:
        reset = self._dialer.reset_text(target, client)
        try:
            async with asyncio.timeout(self._handshake_timeout):
                return await self._connected(client, target, context)
        except ssl.SSLError as error:
            text = openssl_alert(error) or _end_text(error) or await self._explained(target)
            raise TransportError(text, kind=handshake_kind(text)) from None
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise TransportError(HANDSHAKE_LATE, timeout=True) from None
            raise TransportError(_lost_text(error, reset), kind="lost") from None

    async def _explained(self, target: Target) -> str:
        """Why a handshake failed, found out by another one that accepts everything."""
        try:
            async with asyncio.timeout(self._handshake_timeout):
                findings = await probe(await self._dialer.dial(target), target.host)
        except TimeoutError:
            return HANDSHAKE_LATE
        except TransportError as error:
            return str(error)
        text = record_failure(findings.first_bytes)
        if text is None and findings.certificates:
            # OpenSSL lists only what may sign; Go trusts whatever is there.
            roots = list(dict.fromkeys([*_certificates(self._ca), *self._verifying.get_ca_certs(binary_form=True)]))
            text = certificate_failure(findings.certificates, roots, target.host, self._clock.now())
        return text or "remote error: tls: handshake failure"


class AnswerStream(ResponseHandler):
    """aiohttp's end of a connection, which reads answers as Go does and remembers how the connection ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dialer: Dialer, target: Target) -> None:
        super().__init__(loop)
        self._dialer = dialer
        self._target = target
        self._answer = AnswerReader()
        self._is_asked = False
        self._early = b""
        self._content: StreamReader | None = None
        self._ended: BaseException | None = None
        self._over: asyncio.Future[None] = loop.create_future()
        self._reset = ""

    @property
    def answer(self) -> AnswerReader:
        """What is being read."""
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._reset = self._dialer.reset_text(self._target, transport)
        super().connection_made(transport)

    def set_response_params(self, *, skip_payload: bool = False, **params: Any) -> None:
        """From here on there is a request. What a server says before it is asked counts as its answer."""
        del params
        self._answer = AnswerReader(with_body=not skip_payload)
        self._content = None
        self._is_asked = True
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        if not self._is_asked:
            self._early += data
            if len(self._early) > HEAD_LIMIT:
                self._give_up()
            return
        answer = self._answer
        piece = answer.feed(data)
        if self._content is None:
            if answer.head is None:
                if answer.failure:
                    self._give_up()
                    self.set_exception(TransportError(BROKEN + answer.failure))
                return
            self._begin(answer.head)
        if piece and self._content is not None:
            self._content.feed_data(piece)
        if answer.is_over:
            self._finish()

    def _begin(self, head: AnswerHead) -> None:
        """Hands out status and headers, and the body that is to come."""
        headers = CIMultiDictProxy(CIMultiDict(head.headers))
        content = self._content = self._payload = StreamReader(self, _BUFFER, loop=self._loop)
        # The version, encodings and upgrades are of no concern to whoever reads this. The reason has the code, too:
        # only so it says whether there is a blank where no reason phrase is.
        message = RawResponseMessage(
            HttpVersion11, head.status, head.status_text, headers, (), head.is_last, None, False, False
        )
        self._should_close = self._should_close or head.is_last
        self.feed_data((message, content), 0)

    def _finish(self) -> None:
        if self._answer.is_unclean:
            self._give_up()
        if self._content is not None and not self._content.is_eof():
            self._content.feed_eof()

    def _give_up(self) -> None:
        """The connection is good for nothing any more; what came over it still is."""
        self._should_close = True
        if self.transport is not None:
            self.transport.close()

    def pause_reading(self) -> None:
        """The body comes faster than it is read."""
        self._reading_paused = True
        if self.transport is not None and self.is_connected():
            self.transport.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """It has been read."""
        del resume_parser  # which there is none of
        self._reading_paused = False
        if self.transport is not None and self.is_connected():
            self.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended = EOFError() if exc is None else exc
        if not self._over.done():
            self._over.set_result(None)
        answer = self._answer
        if answer.head is not None and not answer.is_over:
            if exc is None:
                answer.end()
            else:
                text = _lost_text(exc, self._reset)
                answer.break_off(UNEXPECTED_EOF if text == "EOF" else text)
            self._finish()
        super().connection_lost(exc)

    async def head_failure(self, error: BaseException) -> TransportError:
        """Why there are no status and headers. `error` is what aiohttp made of it."""
        if self._ended is None and not self.is_connected():
            # The connection is being closed: the reason is about to be known.
            await asyncio.wait([self._over], timeout=1)
        answer = self._answer
        if not answer.has_begun:
            ended = error if self._ended is None else self._ended
            return TransportError(_lost_text(ended, self._reset), hung_up=True)
        if self._ended is None or isinstance(self._ended, EOFError):
            answer.end()
            return TransportError(BROKEN + answer.failure)
        return TransportError(BROKEN + _lost_text(self._ended, self._reset), kind="lost")


class Request(ClientRequest):
    """aiohttp's request, whose failures are ours."""

    async def send(self, conn: Connection) -> ClientResponse:
        stream = conn.protocol
        try:
            return await super().send(conn)
        except (ClientError, OSError) as error:
            assert isinstance(stream, AnswerStream)
            raise await stream.head_failure(error) from None


class Response(ClientResponse):
    """aiohttp's response, whose failures are ours."""

    answer: AnswerReader

    async def start(self, connection: Connection) -> ClientResponse:
        stream = connection.protocol
        assert isinstance(stream, AnswerStream)
        self.answer = stream.answer
        try:
            return await super().start(connection)
        except (ClientError, OSError) as error:
            raise await stream.head_failure(error) from None


def _certificates(pem: bytes) -> list[bytes]:
    """The certificates (DER) of a bundle in PEM format."""
    found = []
    for block in _PEM.findall(pem):
        with contextlib.suppress(ValueError):
            found.append(base64.b64decode(block))
    return found


def _end_text(error: BaseException) -> str | None:
    """``EOF`` where OpenSSL says that the peer is gone."""
    return "EOF" if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | EOFError) else None


def _lost_text(error: BaseException, reset: str) -> str:
    """How a connection ended: an alert, the end of the data, or a system error with the addresses of both ends."""
    alert = openssl_alert(error)
    if alert is not None:
        return alert
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno in _RESETS:
        return f"{reset}: {errno_text(error)}"
    return "EOF"
