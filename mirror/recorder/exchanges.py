"""What was asked and what was answered, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fake_registry.core.messages import Request
from mirror.recorder.keeping import is_steady

_CREDENTIALS: Final = "recorded"
_PASSING: Final = frozenset({401, 403, 407, 408, 425, 429})


class Question(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """What tells one request from another: ``authorization`` is its scheme only, ``part`` a Range header, ``known``
    an If-None-Match header; empty where there is none. ``accept`` is told apart for manifests only."""

    host: str
    target: str
    method: str
    authorization: str = ""
    accept: str = ""
    part: str = ""
    known: str = ""

    @classmethod
    def of(cls, request: Request, host: str, *, negotiable: bool) -> Question:
        """What a request asks of a host; `negotiable` says whether its Accept header may make a difference."""
        headers = request.headers
        return cls(
            host=host,
            target=request.target,
            method=request.method,
            authorization=_scheme(headers.get("authorization", "")),
            accept=headers.get("accept", "") if negotiable else "",
            part=headers.get("range", ""),
            known=headers.get("if-none-match", ""),
        )

    def request(self) -> Request:
        """A request that asks this."""
        headers = {
            "authorization": f"{self.authorization} {_CREDENTIALS}".strip("* ") if self.authorization else "",
            "accept": self.accept,
            "range": self.part,
            "if-none-match": self.known,
        }
        path, _, query = self.target.partition("?")
        given = {name: value for name, value in headers.items() if value}
        return Request(self.method, path, query, host=self.host, headers=given, sni=self.host)

    def meets(self, when: Mapping[str, str | None]) -> bool:
        """Whether the conditions of a route are those for this, as `conditions` writes them."""
        mine = self.conditions(everything=True)
        return all(mine.get(name) == pattern for name, pattern in when.items())

    def conditions(
        self, *, everything: bool = False, authorization: bool = False, accept: bool = False, part: bool = False
    ) -> dict[str, str | None]:
        """What a route has to say of the headers of a request to be for this: what is said is what is asked for."""
        found: dict[str, str | None] = {}
        if everything or authorization or self.authorization:
            found["authorization"] = f"{self.authorization} *".removeprefix("* ") if self.authorization else None
        if everything or accept:
            found["accept"] = literal(self.accept) if self.accept else None
        if everything or part or self.part:
            found["range"] = literal(self.part) if self.part else None
        if everything or part or self.known:
            found["if-none-match"] = literal(self.known) if self.known else None
        return found


def _scheme(authorization: str) -> str:
    """The scheme of an Authorization header; ``*`` for one that has none and may be nothing but a secret."""
    scheme, space, _ = authorization.partition(" ")
    if not authorization:
        return ""
    return scheme.capitalize() if space and scheme.isascii() and scheme.isalpha() and len(scheme) <= 20 else "*"


def is_lasting(status: int) -> bool:
    """Whether an answer with that status may be given again: no refusal, no failure, nothing that passes."""
    return 200 <= status < 500 and status not in _PASSING


def literal(text: str) -> str:
    """A pattern for nothing but this text."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


class Given(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer. Its body is in ``body``, or in the tree under the digest ``content``; ``partial``: it is a part of
    that blob, which is not kept with the answer. ``close``: none came, the connection was closed."""

    status: int = 0
    headers: list[tuple[str, str]] = []
    body: str = ""
    content: str = ""
    partial: bool = False
    close: bool = False

    def header(self, name: str) -> str:
        """The values of a header, or an empty text."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def is_like(self, other: Given) -> bool:
        """Whether another answer says the same, but for what changes from answer to answer."""
        mine, theirs = self._steady(), other._steady()
        return mine == theirs

    def _steady(self) -> Given:
        return msgspec.structs.replace(self, headers=[line for line in self.headers if is_steady(line[0])])
