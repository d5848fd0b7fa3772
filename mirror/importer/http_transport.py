"""The transport over real sockets: aiohttp's client, with Go's manner of connecting and Go's words for what fails.

aiohttp pools connections and reads answers. Connecting is done here, because texts depend on how far it got: name,
address, handshake, certificate. aiohttp's own conveniences (retries, redirects, cookies, decompression, proxies,
default headers) are all off: one call of `HttpTransport.send` is one exchange.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import BaseConnector, ClientError, ClientRequest, ClientResponse, ClientSession, ClientTimeout
from aiohttp import DummyCookieJar as NoCookies
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from mirror.clock import Clock, SystemClock
from mirror.errors import InputError
from mirror.importer.answer_failures import BROKEN, LONG_HEAD, UNEXPECTED_EOF, head_failure
from mirror.importer.dial import Addresses, Dialer, Endpoint, HostList, Target, errno_text, no_such_host, parse_target
from mirror.importer.tls_failures import certificate_failure, openssl_alert, record_failure
from mirror.importer.tls_probe import probe
from mirror.importer.transport import Answer, TransportError

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of the longest body that is read."""

_MAX_LINE: Final = 1024 * 1024
_NO_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IDLE: Final = 90.0
_NO_DEFAULTS: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
_HANDSHAKE_TIMEOUT: Final = "net/http: TLS handshake timeout"
_LATE_HEADERS: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
_LATE_BODY: Final = "net/http: request canceled (Client.Timeout or context cancellation while reading body)"


class HttpTransport:
    """One HTTP/1.1 exchange at a time over sockets; a `mirror.importer.transport.Transport`.

    Where hosts are: `resolve` lists those that exist (``quay.io``, ``plain.example.com:5000``) with the address at
    which each is found, or `Refused`; with `connect` every other host is at that address; with neither, the system is
    asked. `addresses` says whether texts show the addresses that were dialled or a fixed one. `ca` are the trusted
    authorities (PEM), the system's if None. Timeouts are in seconds; `concurrency` is also the number of connections to
    a host.

    Raises:
        InputError: `ca` holds no certificates.
    """

    def __init__(
        self,
        *,
        connect: tuple[str, int] | None = None,
        resolve: Mapping[str, Endpoint] | None = None,
        ca: bytes | None = None,
        addresses: Addresses = "real",
        concurrency: int = 8,
        clock: Clock | None = None,
        dial_timeout: float = 30.0,
        handshake_timeout: float = 10.0,
    ) -> None:
        self.concurrency = concurrency
        hosts = None if resolve is None else HostList(resolve)
        self._dialer = Dialer(hosts=hosts, via=connect, addresses=addresses, timeout=dial_timeout)
        self._verifying = _client_context(ca)
        self._trusting: ssl.SSLContext | None = None
        self._clock = clock or SystemClock()
        self._handshake_timeout = handshake_timeout
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def send(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
        timeout: float | None = None,
    ) -> Answer:
        """Makes one exchange; see `mirror.importer.transport.Transport`."""
        response: ClientResponse | None = None
        try:
            async with asyncio.timeout(timeout):
                response = await self._request(method, scheme, host, target, headers, insecure=insecure)
                body = await _body(response)
        except BaseException as error:
            if response is not None:
                response.close()
            if not isinstance(error, TimeoutError):
                raise
            if response is None:
                raise TransportError(_LATE_HEADERS, timeout=True) from None
            raise TransportError(_LATE_BODY, timeout=True, in_body=True) from None
        lines = [(name.lower(), value) for name, value in response.headers.items()]
        return Answer(response.status, response.reason or "", lines, body)

    async def aclose(self) -> None:
        """Gives all connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self,
        method: str,
        scheme: str,
        host: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        *,
        insecure: bool,
    ) -> ClientResponse:
        where = parse_target(scheme, host)
        authority = host.rpartition("@")[2]
        for name, value in headers:
            if _NO_VALUE.search(value):
                raise TransportError(f'net/http: invalid header field value for "{name.title()}"')
        lines = CIMultiDict(headers)
        lines.setdefault("Host", authority.removesuffix(":"))
        try:
            url = URL(f"{scheme}://{authority}{target}", encoded=True)
        except ValueError:
            raise no_such_host(where.host) from None
        return await self._ready().request(
            method,
            url,
            headers=lines,
            allow_redirects=False,
            ssl=self._context(insecure=insecure) if scheme == "https" else True,
            server_hostname=where.host,
        )

    def _ready(self) -> ClientSession:
        if self._session is None:
            connector = _Connector(
                self._dialer,
                self._verifying,
                self._clock,
                handshake_timeout=self._handshake_timeout,
                limit_per_host=self.concurrency,
            )
            self._session = ClientSession(
                connector=connector,
                cookie_jar=NoCookies(),
                timeout=ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=_NO_DEFAULTS,
                request_class=_Request,
                response_class=_Response,
                max_line_size=_MAX_LINE,
                max_field_size=_MAX_LINE,
            )
            # aiohttp repeats what a used connection hung up on; here the caller decides that.
            self._session._retry_connection = False
        return self._session

    def _context(self, *, insecure: bool) -> ssl.SSLContext:
        if not insecure:
            return self._verifying
        if self._trusting is None:
            self._trusting = _client_context(None, verify=False)
        return self._trusting


def _client_context(ca: bytes | None, *, verify: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.hostname_checks_common_name = False
    # In Go whatever is in the pool of roots is trusted, self-signed or not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        raise InputError("the trusted authorities are no certificates in PEM format") from None
    return context


class _Connector(BaseConnector):
    """aiohttp's pool of connections, which are made here."""

    def __init__(
        self,
        dialer: Dialer,
        verifying: ssl.SSLContext,
        clock: Clock,
        *,
        handshake_timeout: float,
        limit_per_host: int,
    ) -> None:
        super().__init__(limit=0, limit_per_host=limit_per_host, keepalive_timeout=_IDLE)
        self._dialer = dialer
        self._verifying = verifying
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
            lambda: _AnswerStream(self._loop, self._dialer, target),
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
            raise TransportError(text) from None
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise TransportError(_HANDSHAKE_TIMEOUT, timeout=True) from None
            raise TransportError(_lost_text(error, reset)) from None

    async def _explained(self, target: Target) -> str:
        """Why a handshake failed, found out by another one that accepts everything."""
        try:
            async with asyncio.timeout(self._handshake_timeout):
                findings = await probe(await self._dialer.dial(target), target.host)
        except TimeoutError:
            return _HANDSHAKE_TIMEOUT
        except TransportError as error:
            return str(error)
        text = record_failure(findings.first_bytes)
        if text is None and findings.certificates:
            roots = self._verifying.get_ca_certs(binary_form=True)
            text = certificate_failure(findings.certificates, roots, target.host, self._clock.now())
        return text or "remote error: tls: handshake failure"


class _AnswerStream(ResponseHandler):
    """aiohttp's reader of answers, which also remembers how an answer began and how the connection ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dialer: Dialer, target: Target) -> None:
        super().__init__(loop)
        self._dialer = dialer
        self._target = target
        self._head = b""
        self._ended: BaseException | None = None
        self._over: asyncio.Future[None] = loop.create_future()
        self._reset = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._reset = self._dialer.reset_text(self._target, transport)
        super().connection_made(transport)

    def set_response_params(self, **params: Any) -> None:
        self._head = b""
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if len(self._head) < LONG_HEAD:
            self._head = self._head + data if self._head else data
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended = EOFError() if exc is None else exc
        if not self._over.done():
            self._over.set_result(None)
        super().connection_lost(exc)

    async def head_failure(self, error: BaseException) -> TransportError:
        """Why there are no status and headers. `error` is what aiohttp made of it."""
        if self._ended is None and not self.is_connected():
            # The connection is being closed: the reason is about to be known.
            await asyncio.wait([self._over], timeout=1)
        if not self._head:
            ended = error if self._ended is None else self._ended
            return TransportError(_lost_text(ended, self._reset), hung_up=True)
        if self._ended is None or isinstance(self._ended, EOFError):
            return TransportError(BROKEN + head_failure(self._head))
        return TransportError(BROKEN + _lost_text(self._ended, self._reset))

    def body_failure(self, error: BaseException) -> TransportError:
        """Why the body is not complete."""
        if self._ended is None and "chunk" in str(error).lower():
            text = "invalid byte in chunk length" if "chunk size" in str(error) else "malformed chunked encoding"
        elif self._ended is None or isinstance(self._ended, EOFError):
            text = UNEXPECTED_EOF
        else:
            text = _lost_text(self._ended, self._reset).replace("EOF", UNEXPECTED_EOF)
        return TransportError(text, in_body=True)


class _Request(ClientRequest):
    """aiohttp's request, whose failures are ours."""

    async def send(self, conn: Connection) -> ClientResponse:
        stream = conn.protocol
        try:
            return await super().send(conn)
        except (ClientError, OSError) as error:
            assert isinstance(stream, _AnswerStream)
            raise await stream.head_failure(error) from None


class _Response(ClientResponse):
    """aiohttp's response, whose failures are ours."""

    stream: _AnswerStream

    async def start(self, connection: Connection) -> ClientResponse:
        stream = connection.protocol
        assert isinstance(stream, _AnswerStream)
        self.stream = stream
        try:
            return await super().start(connection)
        except (ClientError, OSError) as error:
            raise await stream.head_failure(error) from None


async def _body(response: ClientResponse) -> bytes:
    """The whole body.

    Raises:
        TransportError: it is cut short, or longer than it may be.
    """
    assert isinstance(response, _Response)
    try:
        if (response.content_length or 0) <= MAX_BODY and "content-length" in response.headers:
            return await response.read()
        pieces: list[bytes] = []
        length = 0
        while length <= MAX_BODY:
            piece = await response.content.readany()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            length += len(piece)
    except (ClientError, OSError) as error:
        if isinstance(error, TimeoutError) and error.errno is None:
            raise
        raise response.stream.body_failure(error) from None
    raise TransportError(f"body of more than {MAX_BODY} bytes", in_body=True)


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


_RESETS: Final = frozenset({errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE})
