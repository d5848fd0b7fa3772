"""Versions in tags, and ranges of them.

Source: semver.org 2.0.0 for what is smaller than what; the ranges are those of Masterminds/semver, which skopeo and
regclient have, too. Tags may leave out the patch level or the minor version, and begin with a ``v``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from mirror.errors import InputError

_VERSION: Final = re.compile(
    r"v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:[+_]([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_PART: Final = r"(?:\d{1,18}|[xX*])"
_TERM: Final = re.compile(
    rf"(=|!=|>=|=>|<=|=<|>|<|~>?|\^)?\s*v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-([0-9A-Za-z.-]+))?"
)
_HYPHEN: Final = re.compile(r"(\S+)\s+-\s+(\S+)")
_BETWEEN: Final = re.compile(r"\s*(?:,|\s)\s*")


class Version(msgspec.Struct, frozen=True):
    """A version. One with a ``prerelease`` comes before the one without."""

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[object, ...]:
        """What versions are ordered by."""
        identifiers = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in self.prerelease)
        return self.major, self.minor, self.patch, not self.prerelease, identifiers

    def __lt__(self, other: Version) -> bool:
        return self.rank < other.rank


def parse_version(tag: str) -> Version | None:
    """The version that a tag is, or None. Build metadata (``1.2_3``: tags have no ``+``) does not count."""
    found = _VERSION.fullmatch(tag) if tag.isascii() else None
    if found is None:
        return None
    major, minor, patch = (int(part or 0) for part in found.groups()[:3])
    return Version(major, minor, patch, tuple(found[4].split(".")) if found[4] else ())


Test = Callable[[Version], bool]


class VersionRange:
    """Such as ``>=1.2 <2``, ``~1.4``, ``^2.1 || 1.9.x``, ``1.2 - 1.5``; blanks and commas mean "and".

    Prereleases are in it only if the comparison that admits them names one (``>=1.0-0``).
    """

    def __init__(self, text: str) -> None:
        """Raises `InputError` if it is none."""
        self._alternatives = [self._all_of(part.strip(), text) for part in text.split("||")]

    def __contains__(self, version: Version) -> bool:
        return any(all(test(version) for test in tests) for tests in self._alternatives)

    def _all_of(self, text: str, whole: str) -> list[Test]:
        text = _HYPHEN.sub(r">=\1 <=\2", text)
        text = re.sub(r"([=!<>~^])\s+", r"\1", text)
        terms = [term for term in _BETWEEN.split(text) if term]
        found = [_TERM.fullmatch(term) for term in terms]
        if not terms or not all(found):
            raise InputError(
                f"--semver: {whole!r} is no range of versions such as '>=1.2 <2', '~1.4' or '^2.1 || 1.9.x'"
            )
        return [_test(one) for one in found if one is not None]


def _test(found: re.Match[str]) -> Test:
    operator = (found[1] or "=").replace("=>", ">=").replace("=<", "<=").replace("~>", "~")
    numbers: list[int] = []
    for part in found.groups()[1:4]:
        if part is None or not part.isdigit():
            break
        numbers.append(int(part))
    low = _padded(numbers, tuple(found[5].split(".")) if found[5] and len(numbers) == 3 else ())
    test = _comparison(operator, numbers, low)
    prereleases = bool(found[5])
    return lambda version: (prereleases or not version.prerelease) and test(version)


def _comparison(operator: str, numbers: list[int], low: Version) -> Test:
    """What an operator says; the version after it stands for all that begin with the `numbers` it has."""
    if not numbers:  # * or x
        return lambda version: operator not in {"<", ">", "!="}
    above = _next(numbers, len(numbers) - 1)
    short = len(numbers) < 3
    if operator in {"~", "^"}:
        top = _next(numbers, _kept(operator, numbers))
        return lambda version: not version < low and version < top
    inside: Test = (
        (lambda version: not version < low and version < above) if short else (lambda version: version.rank == low.rank)
    )
    tests: dict[str, Test] = {
        "=": inside,
        "!=": lambda version: not inside(version),
        "<": lambda version: version < low,
        "<=": lambda version: version < low or inside(version),
        ">": lambda version: not version < low and not inside(version),
        ">=": lambda version: not version < low,
    }
    return tests[operator]


def _kept(operator: str, numbers: list[int]) -> int:
    """Which number goes up first beyond the range: ``~1.2.3`` keeps the minor version, ``^`` the first that is no 0."""
    if operator == "~":
        return min(len(numbers) - 1, 1)
    return next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)


def _next(numbers: list[int], place: int) -> Version:
    """The first version after all that have the same numbers up to `place`: prereleases of it are not in between."""
    return _padded([*numbers[:place], numbers[place] + 1], ("0",))


def _padded(numbers: list[int], prerelease: tuple[str, ...]) -> Version:
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return Version(major, minor, patch, prerelease)
