"""What the importer needs of a network: one HTTP exchange at a time.

A transport makes a single exchange: no redirects, no retries, no decompression, no authentication.
All of that lies above it and is the same code whatever carries the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from mirror.errors import IsmirrorError
from mirror.importer.failures import ClientFailure, FailureKind


class TransportError(IsmirrorError):
    """An exchange that brought no answer. The text is that of Go's net/http, without ``Get "URL": ``.

    ``timeout`` is true for what Go calls a timeout or temporary error (dial and read timeouts): those are retried.
    ``hung_up`` is true when the connection was closed before the first byte of an answer: Go repeats such a request
    once if the connection had been used before. ``in_body`` is true when status and headers had come and reading the
    body failed (``unexpected EOF``): such a text is not put behind the URL. ``took`` is how many seconds passed that
    nobody waited for (see `mirror.importer.waiting`). ``kind`` is what went wrong, in a word.
    """

    def __init__(
        self,
        text: str,
        *,
        timeout: bool = False,
        hung_up: bool = False,
        in_body: bool = False,
        took: float = 0.0,
        kind: FailureKind = "",
    ) -> None:
        super().__init__(text)
        self.kind: FailureKind = kind or ("timeout" if timeout else "lost" if hung_up or in_body else "")
        self.timeout = timeout
        self.hung_up = hung_up
        self.in_body = in_body
        self.took = took


class Answer(msgspec.Struct):
    """An HTTP answer: status, header lines (names in lower case) and the whole body as sent.

    ``status_text`` is what the status line has after the version: the code, and as a rule a blank and a reason phrase.
    With ``broken`` the body did not come whole, but failed that way after ``partial``; who reads it meets the failure,
    and who does not is not concerned. ``took`` is how many seconds it took to come that nobody waited for. ``values``
    is `first_values` of the headers, where that is known already.
    """

    status: int
    status_text: str
    headers: Sequence[tuple[str, str]]
    partial: bytes
    broken: TransportError | None = None
    took: float = 0.0
    values: dict[str, str] | None = None

    @property
    def body(self) -> bytes:
        """The whole body.

        Raises:
            ClientFailure: it did not come whole.
        """
        if self.broken is not None:
            raise ClientFailure(str(self.broken)).about(self.broken.kind)
        return self.partial

    def header(self, name: str) -> str:
        """The first value of a header (lower-case name), or the empty string."""
        if self.values is None:
            self.values = first_values(self.headers)
        return self.values.get(name, "")

    def header_lines(self, name: str) -> list[str]:
        """All values of a header (lower-case name), in order."""
        return [value for key, value in self.headers if key == name]


def first_values(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The first value of each header."""
    return dict(reversed(headers))


class Transport(Protocol):
    """One HTTP exchange: `EmbeddedTransport` calls a registry core, `HttpTransport` uses sockets."""

    concurrency: int
    """How many exchanges may be under way at once (1: strictly one after the other)."""

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
        """Makes one exchange with ``scheme://host`` (host may carry a port) for `target` (path and query).

        `insecure` switches certificate verification off. `timeout` bounds the whole exchange, in seconds.

        Raises:
            TransportError: no answer came.
        """
        ...

    async def aclose(self) -> None:
        """Gives all connections back."""
        ...
