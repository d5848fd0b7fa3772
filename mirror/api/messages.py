"""Requests and answers of the API, without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import parse_qs

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

ADMIN_GROUP: Final = "system:masters"
"""Whoever is in it may do everything."""

AUTHENTICATED_GROUP: Final = "system:authenticated"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who asks, as far as that is known."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


ADMIN: Final = User("system:admin", groups=(ADMIN_GROUP, AUTHENTICATED_GROUP))
"""Who asks where nobody has to say who they are."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a client certificate that was verified says of its holder."""

    common_name: str
    organizations: tuple[str, ...] = ()


@dataclass
class ApiRequest:
    """One request; `path` and `query` are as they came, header names are in lower case.

    `address` is what the client reached the server under, ``host:port``.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    certificate: Certificate | None = None
    address: str = ""
    user: User = ADMIN

    @cached_property
    def _parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True) if self.query else {}

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, or the empty string."""
        values = self._parameters.get(name)
        return values[0] if values else ""

    def parameters(self, name: str) -> list[str]:
        """All values of a query parameter, in order."""
        return self._parameters.get(name, [])

    def flag(self, name: str) -> bool:
        """A boolean query parameter: absent, ``0`` and ``false`` (in any case) are false, all else is true.

        Source: apimachinery ``Convert_Slice_string_To_bool``.
        """
        values = self._parameters.get(name)
        return values is not None and values[0] != "0" and values[0].lower() != "false"


@dataclass(slots=True)
class ApiResponse:
    """One answer: status, header lines, and a body or a stream of pieces that are sent as they come."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    def header_lines(self, name: str) -> list[str]:
        """All values of a header (any case), in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]
