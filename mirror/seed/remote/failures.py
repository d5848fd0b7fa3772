"""What goes wrong with registries, and on the way to them."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from yarl import URL

from mirror.errors import IsmirrorError

_UNKNOWN_HOST: Final = frozenset(
    number for name in ("EAI_NONAME", "EAI_NODATA") if (number := getattr(socket, name, None)) is not None
)
_REFUSED: Final = frozenset({401, 403, 405, 407, 501})


class RemoteError(IsmirrorError):
    """A registry did not give or take what it was asked for.

    ``status`` is that of its answer (0: none came), ``passing`` whether it may be different the next time, ``wait`` how
    many seconds it asks to be left alone for. ``hung_up``: it took the request, and closed the connection.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        passing: bool = False,
        wait: float | None = None,
        hung_up: bool = False,
    ) -> None:
        # servers have their words in it, which go to terminals and into JSON
        super().__init__(text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text))
        self.status = status
        self.passing = passing
        self.wait = wait
        self.hung_up = hung_up


class ExchangeError(Exception):
    """What ends an exchange; those who asked get a `RemoteError` for it."""


class RequestError(ExchangeError):
    """A request that cannot be written: its headers or its URL would be read as something else."""


class ConnectingError(ExchangeError):
    """There is no connection. ``cause`` says why: an `OSError`, which failures of TLS and of names are, too."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ProxyError(ExchangeError):
    """A proxy does not lead on. ``status`` is that of its answer."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class AnswerError(ExchangeError):
    """An answer did not come, or not whole, or is none.

    ``hung_up``: the connection ended before there was one. ``unanswered``: not a byte of one had come by then.
    """

    def __init__(self, text: str, *, hung_up: bool = False, unanswered: bool = False) -> None:
        super().__init__(text)
        self.hung_up = hung_up
        self.unanswered = unanswered


def no_answer(method: str, url: URL, error: Exception) -> RemoteError:
    """The failure that an exception of a connection stands for; most of them may pass."""
    where = f"{method} {url.with_query(None)}"
    if isinstance(error, RequestError):
        return RemoteError(f"{where}: {error}")
    if isinstance(error, ConnectingError):
        return _not_connected(where, error.cause)
    if isinstance(error, ProxyError):
        return RemoteError(f"{where}: {error}", passing=error.status not in _REFUSED)
    if isinstance(error, AnswerError):
        return RemoteError(f"{where}: {error}", passing=True, hung_up=error.hung_up)
    if isinstance(error, TimeoutError):
        return RemoteError(f"{where}: nothing came for too long", passing=True)
    if isinstance(error, OSError):
        return RemoteError(f"{where}: {error}", passing=True)
    return RemoteError(f"{where}: no URL that can be asked")


def _not_connected(where: str, cause: OSError) -> RemoteError:
    """The failure that keeps a connection from being made."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        problem = str(cause.verify_message or cause).rstrip(".")
        return RemoteError(f"{where}: certificate: {problem}; --ca names an authority to trust")
    if isinstance(cause, ssl.SSLError):
        return RemoteError(f"{where}: TLS: {cause.strerror or cause}", passing=True)
    if isinstance(cause, socket.gaierror):
        unknown = cause.errno in _UNKNOWN_HOST
        text = "no such host" if unknown else cause.strerror or str(cause)
        return RemoteError(f"{where}: {text.lower()}", passing=not unknown)
    # asyncio has texts of its own in place of the system's, with addresses in the way of Python
    text = os.strerror(cause.errno) if cause.errno else str(cause)
    return RemoteError(f"{where}: {text.lower()}", passing=True)
