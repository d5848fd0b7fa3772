"""``WWW-Authenticate`` as the distribution client reads it (``client/auth/challenge``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_SEPARATORS: Final = frozenset(' \t"(),/:;<=>?@[]\\{}')


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
    value, rest = _token(header)
    if not value:
        return "", parameters
    value = value.lower()
    rest = "," + rest.lstrip(" \t")
    while rest.startswith(","):
        key, rest = _token(rest[1:].lstrip(" \t"))
        if not key or not rest.startswith("="):
            break
        text, rest = _token_or_quoted(rest[1:])
        if not text:
            break
        parameters[key.lower()] = text
        rest = rest.lstrip(" \t")
    return value, parameters


def _is_token(char: str) -> bool:
    return " " < char < "\x7f" and char not in _SEPARATORS


def _token(text: str) -> tuple[str, str]:
    end = next((i for i, char in enumerate(text) if not _is_token(char)), len(text))
    return text[:end], text[end:]


def _token_or_quoted(text: str) -> tuple[str, str]:
    if not text.startswith('"'):
        return _token(text)
    value: list[str] = []
    i = 1
    while i < len(text):
        char = text[i]
        if char == '"':
            return "".join(value), text[i + 1 :]
        if char == "\\":
            i += 1
            if i == len(text):
                break
            char = text[i]
        value.append(char)
        i += 1
    return "", ""
