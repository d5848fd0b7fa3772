"""``WWW-Authenticate`` as the distribution client reads it (``client/auth/challenge``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_PARAMETER: Final = re.compile(rf'[ \t]*({_TOKEN.pattern})=(?:"((?:[^"\\]|\\.)+)"|({_TOKEN.pattern}))[ \t]*', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One header line: scheme in lower case, parameters with keys in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(lines: Iterable[str]) -> list[Challenge]:
    """One challenge a line; several in one line are not told apart, and parsing stops silently where it fails."""
    challenges = []
    for line in lines:
        scheme, parameters = _value_and_parameters(line)
        if scheme:
            challenges.append(Challenge(scheme, parameters))
    return challenges


def _value_and_parameters(header: str) -> tuple[str, dict[str, str]]:
    parameters: dict[str, str] = {}
    scheme = _TOKEN.match(header)
    if scheme is None:
        return "", parameters
    found = _PARAMETER.match(header, scheme.end())
    while found is not None:
        key, quoted, token = found.groups()
        parameters[key.lower()] = token or _ESCAPED.sub(r"\1", quoted)
        found = _PARAMETER.match(header, found.end() + 1) if header.startswith(",", found.end()) else None
    return scheme[0].lower(), parameters
