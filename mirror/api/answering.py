"""Answers on the wire, whoever reads the requests: what the API's answer is, and its head as Go's net/http writes it.

No ``Server`` header, a ``Date``, a ``Content-Length`` or chunks. Source: RFC 9112; net/http ``server.go``.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Final

from fake_registry.core.reasons import reason_phrase
from mirror.api.messages import ApiRequest, ApiResponse, Certificate
from mirror.api.writing import failure_response, internal_error

Handle = Callable[[ApiRequest], Awaitable[ApiResponse]]

NO_BODY: Final = frozenset({204, 304})
BODY_SECONDS: Final = 60.0
"""How long a body may take to come."""

_LINE_END: Final = re.compile(r"[\r\n]")

log = logging.getLogger(__name__)


async def answered(handle: Handle, request: ApiRequest) -> ApiResponse:
    """The answer to a request, whatever happens meanwhile.

    Raises:
        ConnectionError: there is nobody to answer.
    """
    try:
        return await handle(request)
    except ConnectionError:
        raise
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return failure_response(request, internal_error())


def certificate_of(transport: BaseTransport | None) -> Certificate | None:
    """The certificate of a client, which the TLS layer has verified."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    found = tls.getpeercert() if tls is not None else None
    if not found:
        return None
    names = [pair for part in found.get("subject", ()) for pair in part]
    common = next((value for key, value in names if key == "commonName"), "")
    return Certificate(common, tuple(value for key, value in names if key == "organizationName"))


def closes(response: ApiResponse) -> bool:
    """Whether an answer is to be the last one on its connection."""
    return any(name == "Connection" and value.lower() == "close" for name, value in response.headers)


def head_of(
    response: ApiResponse, *, minor: int = 1, length: int | None = None, chunked: bool = False, kept: bool = True
) -> bytes:
    """The head of an answer: `length` is that of its body, if it has one that is announced; `kept` says whether the
    connection is open for another request."""
    lines = [status_line(minor, response.status)]
    for name, value in response.headers:
        if name != "Connection":
            lines.append(f"{name}: {value if value.isprintable() else _LINE_END.sub(' ', value)}")
    lines.append(_date_line(int(time.time())))
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif length is not None:
        lines.append(f"Content-Length: {length}")
    if not kept:
        lines.append("Connection: close")
    elif not minor:
        lines.append("Connection: keep-alive")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


@functools.lru_cache(128)
def status_line(minor: int, status: int) -> str:
    """``HTTP/1.1 200 OK``."""
    return f"HTTP/1.{minor} {status} {reason_phrase(status)}"


@functools.lru_cache(4)
def _date_line(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
