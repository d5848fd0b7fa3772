"""Requests and answers of the API, without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

JSON: Final = "application/json"


@dataclass(slots=True)
class ApiRequest:
    """One request; `path` and `query` are as they came, header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, or the empty string."""
        values = parse_qs(self.query, keep_blank_values=True).get(name, [""])
        return values[0]


@dataclass(slots=True)
class ApiResponse:
    """One answer: status, header lines, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header_lines(self, name: str) -> list[str]:
        """All values of a header (any case), in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]
