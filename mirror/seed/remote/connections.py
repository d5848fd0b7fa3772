"""The connections of a run: so many to one host at most, and used again while they last."""

from __future__ import annotations

import asyncio
from typing import Final

from mirror.seed.remote.answer import Head
from mirror.seed.remote.connection import Connection
from mirror.seed.remote.dialing import Dialer, Place
from mirror.seed.remote.failures import AnswerError
from mirror.seed.remote.request import Request, body_length, request_head
from mirror.seed.remote.response import RemoteResponse

KEEP_ALIVE: Final = 15.0
"""Seconds after which a connection that is not used is closed."""

_REPEATED: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""What can be asked twice. PUT cannot: bytes that come twice spoil the upload of a blob; one that was ended is gone.
Source: net/http, ``Request.isReplayable``.
"""


class _Host:
    """Those to one place: turns, and what waits for the next request, the last one last."""

    def __init__(self, limit: int) -> None:
        self.turns = asyncio.Semaphore(limit)
        self.idle: dict[Connection, asyncio.TimerHandle] = {}

    def take(self) -> Connection | None:
        """A connection that was used before."""
        while self.idle:
            connection, timer = self.idle.popitem()
            timer.cancel()
            if connection.is_open:
                return connection
        return None


class Connections:
    """Makes exchanges; `limit` is how many are under way with one host at most."""

    def __init__(self, dialer: Dialer, limit: int) -> None:
        self._dialer = dialer
        self._limit = limit
        self._hosts: dict[Place, _Host] = {}
        self._open: set[Connection] = set()
        self._closed = False
        self._none_left = asyncio.Event()

    async def exchange(self, request: Request, place: Place) -> RemoteResponse:
        """The answer to a request, its body still to be read; the next one waits until it is released.

        A connection that was used before may have been closed meanwhile: what only reads is asked again.

        Raises:
            RequestError: it cannot be sent.
            ConnectingError, ProxyError: there is no connection.
            AnswerError: there is no answer.
            TimeoutError: it took too long.
        """
        through = place.proxy if place.origin.scheme == "http" else None
        head = request_head(request, through)
        host = self._hosts.setdefault(place, _Host(self._limit))
        await host.turns.acquire()
        try:
            connection, answer = await self._asked(host, place, request, head)
        except BaseException:
            host.turns.release()
            raise
        return RemoteResponse(request, answer, connection, lambda: self._give_back(host, connection))

    async def close(self) -> None:
        """Closes everything at once."""
        self._closed = True
        for host in self._hosts.values():
            for timer in host.idle.values():
                timer.cancel()
        for connection in list(self._open):
            connection.abort()
        self._none_left.clear()
        if self._open:
            await self._none_left.wait()

    async def _asked(self, host: _Host, place: Place, request: Request, head: bytes) -> tuple[Connection, Head]:
        connection = host.take()
        if connection is not None:
            try:
                return connection, await _answered(connection, request, head)
            except AnswerError as error:
                if not error.unanswered or request.method not in _REPEATED:
                    raise
        connection = await self._dialer.dial(place, self._lost)
        if self._closed:
            connection.abort()
        if connection.is_open:
            self._open.add(connection)
        return connection, await _answered(connection, request, head)

    def _give_back(self, host: _Host, connection: Connection) -> None:
        host.turns.release()
        if connection.finish() and not self._closed:
            host.idle[connection] = asyncio.get_running_loop().call_later(KEEP_ALIVE, connection.abort)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._none_left.set()
        for host in self._hosts.values():
            timer = host.idle.pop(connection, None)
            if timer is not None:
                timer.cancel()


async def _answered(connection: Connection, request: Request, head: bytes) -> Head:
    body = request.body() if callable(request.body) else request.body or b""
    try:
        return await connection.ask(request.method, head, body, body_length(request))
    except BaseException:
        connection.abort()
        raise
