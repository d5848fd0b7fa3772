"""A transport that answers from the ``routes`` of the row files and logs what it was asked as they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fake_registry.core.reasons import status_text
from mirror.importer.transport import Answer, TransportError

NOT_FOUND = {"status": 404, "headers": {"Content-Type": "text/plain; charset=utf-8"}, "body": "404 page not found\n"}


class ScriptedTransport:
    """Routes by method and URL; the answers of a route are used one by one, the last one again and again."""

    def __init__(self, routes: Sequence[dict[str, Any]] | None) -> None:
        self.concurrency = 1
        self.requests: list[str] = []
        self._routes: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._guards: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        for route in routes or ():
            key = (route["method"], route["url"])
            if key in self._routes:
                continue  # the first of equal routes answers
            self._routes[key] = list(route["responses"])
            if route.get("requireAuthorization"):
                self._guards[key] = (route["requireAuthorization"], route["unauthorizedResponse"])

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
        url = f"{scheme}://{host}{target}"
        self.requests.append(_logged(method, url, headers, insecure=insecure))
        response = self._response(method, url, headers)
        if response.get("netError"):
            raise _net_error(response["netError"], host)
        status = response.get("status", 200)
        body = response.get("body", "").encode()
        lines = [
            (name.lower(), line)
            for name, value in (response.get("headers") or {}).items()
            for line in value.split("\n")
        ]
        if method == "HEAD":
            if not any(name == "content-length" for name, _ in lines) and body:
                lines.append(("content-length", str(len(body))))
            body = b""
        return Answer(status, status_text(status), lines, body)

    def _response(self, method: str, url: str, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
        key = (method, url)
        if key not in self._routes and method == "HEAD":
            key = ("GET", url)
        answers = self._routes.get(key)
        if answers is None:
            return NOT_FOUND
        guard = self._guards.get(key)
        if guard is not None and dict(headers).get("authorization", "") != guard[0]:
            return guard[1]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def aclose(self) -> None:
        """Nothing is open."""


def _logged(method: str, url: str, headers: Sequence[tuple[str, str]], *, insecure: bool) -> str:
    text = f"{method} {url}"
    if insecure:
        text += " [insecure-transport]"
    accepted = [value for name, value in headers if name == "accept"]
    if accepted:
        text += f" [accept:{len(set(accepted))}]"
    for name, value in headers:
        if name == "authorization":
            text += f" [authorization: {value}]"
    for name, value in headers:
        if name == "accept-encoding" and value != "gzip":
            text += f" [accept-encoding: {value}]"
    return text


def _net_error(kind: str, host: str) -> TransportError:
    name = host.partition(":")[0]
    match kind:
        case "refused":
            return TransportError("dial tcp 192.0.2.10:443: connect: connection refused")
        case "reset":
            return TransportError("read tcp 192.0.2.1:40000->192.0.2.10:443: read: connection reset by peer")
        case "timeout":
            return TransportError("dial tcp 192.0.2.10:443: i/o timeout", timeout=True)
        case "nxdomain":
            return TransportError(f"dial tcp: lookup {name} on 192.0.2.53:53: no such host")
        case "eof":
            return TransportError("EOF", hung_up=True)
        case "httptohttps":
            return TransportError("http: server gave HTTP response to HTTPS client")
        case _:
            return TransportError(kind)
