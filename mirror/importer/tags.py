"""The order in which the tags of a repository are imported (library-go ``imageutil.PrioritizeTags``).

``latest``; then minor versions (``5.1``, ``v5.1``, ``5.1-rc1``), newest first; then strict semantic versions,
newest first; then all other tags in byte order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from mirror.importer.gosort import STABLE, go_order

__all__ = ["prioritize_tags"]

LARGEST_NUMBER = 2**64 - 1
LONGEST_TAG = 128

# A part of a pre-release: its number, or its text with 0 in front where numbers have their value; numbers sort
# before texts.
_Part: TypeAlias = tuple[bool, int, str]


class _Version(NamedTuple):
    """A semantic version, as a tuple in its order of precedence; build metadata does not count."""

    major: int
    minor: int
    patch: int
    is_release: bool  # above all of its pre-releases
    prerelease: tuple[_Part, ...]


# No number has more than 20 digits, which is what 64 bits can need.
_NUMBER = r"(?:0|[1-9][0-9]{0,19}+)"
_IDENTIFIERS = r"[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+"
_SEMANTIC_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-(?P<prerelease>{_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
# X.Y, or X.Y-word: read as X.Y.0 and X.Y.0-word.
_MINOR_VERSION = re.compile(r"(?P<minor>[0-9]++\.[0-9]++)(?P<word>(?:-\w++)?)", re.ASCII)


def _number(digits: str) -> int | None:
    """The number, or None for leading zeros and what 64 bits cannot hold."""
    if len(digits) > 20 or (digits.startswith("0") and digits != "0"):
        return None
    number = int(digits)
    return number if number <= LARGEST_NUMBER else None


def _prerelease(text: str) -> tuple[_Part, ...] | None:
    parts: list[_Part] = []
    for identifier in text.split("."):
        if not identifier.isdecimal():
            parts.append((True, 0, identifier))
            continue
        number = _number(identifier)
        if number is None:
            return None
        parts.append((False, number, ""))
    return tuple(parts)


def _semantic_version(text: str) -> _Version | None:
    """Read a strict semantic version: exactly three numbers, no leading zeros, nothing abbreviated."""
    match = _SEMANTIC_VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch = (_number(match[group]) for group in (1, 2, 3))
    if major is None or minor is None or patch is None:
        return None
    if match["prerelease"] is None:
        return _Version(major, minor, patch, is_release=True, prerelease=())
    prerelease = _prerelease(match["prerelease"])
    if prerelease is None:
        return None
    return _Version(major, minor, patch, is_release=False, prerelease=prerelease)


def _minor_version(text: str) -> _Version | None:
    match = _MINOR_VERSION.fullmatch(text)
    return _semantic_version(f"{match['minor']}.0{match['word']}") if match else None


class _Read(NamedTuple):
    """A tag that is a version: the minor ones come first."""

    is_full: bool
    version: _Version
    prefix: str


def _read(tag: str) -> _Read | None:
    """What a tag says; None if it is no version."""
    prefix = "v" if tag.startswith("v") else ""
    short = tag.removeprefix("v")
    if version := _semantic_version(short):
        return _Read(True, version, prefix)
    if version := _minor_version(short):
        return _Read(False, version, prefix)
    return None


# Repositories are imported again and again.
_remembered = lru_cache(maxsize=8192)(_read)

_Versioned: TypeAlias = tuple[_Version, str, str]  # version, prefix, tag


def _newest_first(tags: list[_Versioned]) -> None:
    """Newest first; of equal versions the one without ``v`` first, and of those the one that came first."""
    tags.sort(key=itemgetter(1))
    tags.sort(key=itemgetter(0), reverse=True)


def prioritize_tags(tags: Iterable[str]) -> list[str]:
    """Order tags by priority.

    Tags that are equal in version and prefix (they differ in build metadata, which no valid tag has) come in the order
    that the sort of Go leaves them in.
    """
    tags = list(tags)
    latest: list[str] = []
    minor: list[_Versioned] = []
    full: list[_Versioned] = []
    other: list[str] = []
    for tag in tags:
        if tag == "latest":
            latest.append(tag)
        elif read := (_remembered if len(tag) <= LONGEST_TAG else _read)(tag):
            (full if read.is_full else minor).append((read.version, read.prefix, tag))
        else:
            other.append(tag)
    _newest_first(minor)
    _newest_first(full)
    ordered = [*latest, *(tag for _, _, tag in minor), *(tag for _, _, tag in full), *sorted(other)]
    if len(tags) <= STABLE or not any(_has_equals(group) for group in (minor, full)):
        return ordered
    ranks = dict.fromkeys(latest, 0)
    for equal in (*_equals(minor), *_equals(full), *([tag] for tag in sorted(set(other)))):
        ranks |= dict.fromkeys(equal, len(ranks) + 1)
    return [tags[place] for place in go_order([ranks[tag] for tag in tags])]


def _has_equals(tags: list[_Versioned]) -> bool:
    return any(before[:2] == tag[:2] and before[2] != tag[2] for before, tag in pairwise(tags))


def _equals(tags: list[_Versioned]) -> Iterator[list[str]]:
    for _, group in groupby(tags, key=itemgetter(0, 1)):
        yield [tag for _, _, tag in group]
