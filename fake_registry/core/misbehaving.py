"""What a fault does to an answer: an error in its place, other headers or bytes, and how it gets lost on its way.

Sources: distribution, "Error Codes"; Docker Hub, "Pull usage and limits" (``ratelimit-*`` headers).
"""

from __future__ import annotations

from typing import Final, Literal

from fake_registry.config import FaultAction, Place, TooManyRequests
from fake_registry.core import errors
from fake_registry.core.errors import API_VERSION
from fake_registry.core.faults import Met
from fake_registry.core.messages import Delivery, Response

_TEXT: Final = "text/plain; charset=utf-8"


def instead(action: FaultAction, kind: str) -> Response | None:
    """The answer that comes in place of the registry's own, to a request of some kind; None: its own comes.

    Raises:
        RegistryError: that answer is an error.
    """
    if "before" in (action.cut, action.reset, action.stall):
        return Response(0)  # nothing of it is sent
    if action.too_many_requests is not None:
        raise errors.rate_limited(action.message, action.code, _limit_headers(action.too_many_requests))
    if action.status is None:
        return None
    if action.body is not None:
        return Response(action.status, [("Content-Type", _TEXT), API_VERSION])
    if action.status < 400:
        return Response(action.status, [API_VERSION])
    raise errors.of_status(action.status, kind, action.code, action.message)


def altered(action: FaultAction, response: Response) -> Response:
    """The answer with other headers or another body."""
    changes = {name.lower(): (name, value) for name, value in action.headers.items()}
    if action.content_type is not None:
        changes["content-type"] = ("Content-Type", action.content_type)
    body = response.body
    if action.body is not None:
        body = action.body.encode()
        changes.setdefault("content-length", ("Content-Length", ""))
    kept = [header for header in response.headers if header[0].lower() not in changes]
    headers = [*kept, *(header for header in changes.values() if header[1])]
    return Response(response.status, headers, body, response.drop)


def delivered(met: Met, response: Response, method: str) -> Response:
    """The answer to a request with this method, with what happens to it on its way."""
    action = met.action
    if action.content_length is not None:
        kept = [header for header in response.headers if header[0].lower() != "content-length"]
        response.headers = [*kept, ("Content-Length", str(action.content_length))]
    delivery = Delivery(met.latency, *_end(action), None if method == "HEAD" else _corrupted(action, response))
    if delivery != Delivery():
        response.delivery = delivery
    if not delivery.has_answer:
        response.status = 0
    return response


def _end(action: FaultAction) -> tuple[Literal["cut", "reset", "stall"] | None, int | None]:
    """How and after how many bytes the answer ends."""
    if action.cut is not None:
        return "cut", _after(action.cut)
    if action.reset is not None:
        return "reset", _after(action.reset)
    if action.stall is not None:
        return "stall", _after(action.stall)
    return None, None


def _after(place: Place) -> int | None:
    return place if isinstance(place, int) else None


def _corrupted(action: FaultAction, response: Response) -> int | None:
    """Which byte of the body is changed: one that is there, if there is any."""
    length = response.length
    if action.corrupt is None or not length:
        return None
    at = action.corrupt if action.corrupt >= 0 else length + action.corrupt
    return min(max(at, 0), length - 1)


def _limit_headers(limit: TooManyRequests) -> tuple[tuple[str, str], ...]:
    headers = [
        ("ratelimit-limit", f"{limit.limit};w={limit.window}"),
        ("ratelimit-remaining", f"{limit.remaining};w={limit.window}"),
    ]
    if limit.source:
        headers.append(("docker-ratelimit-source", limit.source))
    if limit.retry_after is not None:
        headers.append(("Retry-After", str(limit.retry_after)))
    return tuple(headers)
