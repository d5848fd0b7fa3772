"""A connection to a directory: one request after the other, all of them within one time.

Source: RFC 4511, section 5 (messages on TCP) and section 4.14 (StartTLS).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from fake_registry.directory import messages
from fake_registry.directory.messages import Answer, Entry, MalformedAnswer, Result
from fake_registry.directory.settings import Server
from fake_registry.errors import DirectoryError
from fake_registry.ldap_text import Filter

SUCCESS: Final = 0
SIZE_LIMIT_EXCEEDED: Final = 4
NO_SUCH_OBJECT: Final = 32

_LARGEST: Final = 1024 * 1024
_MOST: Final = 8 * 1024 * 1024
"""Bytes of one message, and of all that come on a connection."""

_SEQUENCE: Final = 0x30
_NAMES: Final = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
}


class Connection:
    """A connection, which has `seconds` for everything. A context manager; leaving it ends the connection.

    Raises (here and by all methods):
        DirectoryError: the server does not answer, in time or at all, or not as it should.
    """

    def __init__(self, server: Server, context: ssl.SSLContext | None, seconds: float) -> None:
        self._server = server
        self._context = context
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._number = 0
        self._received = 0
        with self._explained():
            self._socket = socket.create_connection((server.host, server.port), timeout=seconds)
        if server.scheme == "ldaps":
            self._secure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._socket.settimeout(max(min(self._left(), 1.0), 0.001))
            self._socket.sendall(messages.unbind_request(self._next()))
        self._socket.close()

    def start_tls(self) -> None:
        """Goes over to TLS."""
        answer = self._ask(messages.start_tls_request(self._next()))
        if not isinstance(answer, Result) or answer.code != SUCCESS:
            raise self.refused("StartTLS", answer)
        self._secure()

    def bind(self, name: str, password: bytes) -> Result:
        """Says who is asking; how the server takes it. Neither may be empty: that would be nobody in particular."""
        if not name or not password:
            raise ValueError("an empty name or password proves nothing (RFC 4513, section 5.1.2)")
        answer = self._ask(messages.bind_request(self._next(), name, password))
        if not isinstance(answer, Result):
            raise self.refused("bind", answer)
        return answer

    def search(
        self,
        base: str,
        found: Filter,
        places: Mapping[str, bytes],
        attributes: Sequence[str],
        *,
        below: bool = True,
        most: int,
    ) -> list[Entry] | None:
        """The entries that a filter finds; None: more than `most`."""
        number = self._next()
        self._send(
            messages.search_request(
                number, base, found, places, attributes, below=below, entries=most + 1, seconds=int(self._seconds) + 1
            )
        )
        entries: list[Entry] = []
        while True:
            answer = self._answer(number)
            if isinstance(answer, Entry):
                entries.append(answer)
                if len(entries) > most:
                    return None
            elif isinstance(answer, Result):
                if answer.code == SIZE_LIMIT_EXCEEDED:
                    return None
                if answer.code == NO_SUCH_OBJECT and not below:
                    return []
                if answer.code != SUCCESS:
                    raise self.refused(f"search below {base!r}", answer)
                return entries

    def refused(self, what: str, answer: Answer) -> DirectoryError:
        """What to raise where a server has said no to what it should have done."""
        if not isinstance(answer, Result):
            return DirectoryError(f"{self._server}: {what}: another answer than to what was asked")
        name = _NAMES.get(answer.code, f"result code {answer.code}")
        text = " ".join(answer.message[:200].split())
        said = f" ({text})" if text and text.isprintable() else ""
        return DirectoryError(f"{self._server}: {what}: {name}{said}")

    def _secure(self) -> None:
        assert self._context is not None
        plain = self._socket
        with self._explained():
            plain.settimeout(self._left())
            try:
                self._socket = self._context.wrap_socket(plain, server_hostname=self._server.host)
            except BaseException:
                plain.close()
                raise

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _ask(self, request: bytes) -> Answer:
        self._send(request)
        return self._answer(self._number)

    def _send(self, request: bytes) -> None:
        with self._explained():
            self._socket.settimeout(self._left())
            self._socket.sendall(request)

    def _answer(self, number: int) -> Answer:
        with self._explained():
            found, answer = messages.read_answer(self._message())
            if found != number:
                raise MalformedAnswer("closes the connection" if found == 0 else "an answer to something else")
            return answer

    def _message(self) -> bytes:
        """The bytes of the next message: one sequence, whose length is said in its first bytes."""
        head = self._bytes(2)
        size = head[1]
        if size >= 0x80:
            octets = size - 0x80
            if not 1 <= octets <= 4:
                raise MalformedAnswer("no answer of a directory")
            more = self._bytes(octets)
            head, size = head + more, int.from_bytes(more, "big")
        self._received += size
        if head[0] != _SEQUENCE or size > _LARGEST or self._received > _MOST:
            raise MalformedAnswer("no answer of a directory" if head[0] != _SEQUENCE else "too long an answer")
        return head + self._bytes(size)

    def _bytes(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            self._socket.settimeout(self._left())
            piece = self._socket.recv(count - len(found))
            if not piece:
                raise MalformedAnswer("closed the connection")
            found += piece
        return bytes(found)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Says what is wrong in one way, whatever it is."""
        try:
            yield
        except TimeoutError:
            raise DirectoryError(f"{self._server}: no answer within {self._seconds:g}s") from None
        except ssl.SSLCertVerificationError as error:
            raise DirectoryError(f"{self._server}: its certificate is not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise DirectoryError(f"{self._server}: TLS: {error.reason or error}") from None
        except OSError as error:
            raise DirectoryError(f"{self._server}: {error.strerror or error}") from None
        except MalformedAnswer as error:
            raise DirectoryError(f"{self._server}: {error}") from None
