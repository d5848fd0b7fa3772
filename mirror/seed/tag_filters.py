"""Which tags of a repository are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from mirror.seed.versions import VersionRange, parse_version

_ATTACHED: Final = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(?:\.[A-Za-z0-9_.-]+)?")


class TagFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Patterns of the shell that tags match (``include``: one of them; ``exclude``: none), and versions.

    With ``versions`` only tags that are versions of that range; with ``latest`` only so many, the highest versions.
    Alone it counts prereleases; ranges leave them out, unless they name one, so that the range ``*`` is all the others.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    versions: VersionRange | None = None
    latest: int | None = None

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.include and not self.exclude and self.versions is None and self.latest is None

    def chosen(self, tags: Iterable[str]) -> list[str]:
        """The tags that are wanted, sorted. Those of signatures and attestations are wanted by name only."""
        found = sorted(set(tags))
        if self.takes_all:
            return found
        if self.include:
            found = [tag for tag in found if _matches(tag, self.include)]
        else:
            found = [tag for tag in found if attached_to(tag) is None]
        found = [tag for tag in found if not _matches(tag, self.exclude)]
        if self.versions is None and self.latest is None:
            return found
        versions = [(version, tag) for tag in found if (version := parse_version(tag)) is not None]
        if self.versions is not None:
            versions = [one for one in versions if one[0] in self.versions]
        if self.latest is not None:
            versions = sorted(versions, key=lambda one: (one[0].rank, one[1]), reverse=True)[: self.latest]
        return sorted(tag for _, tag in versions)


def attached_to(tag: str) -> str | None:
    """The digest of the image that a tag such as ``sha256-….sig`` belongs to, or None.

    Source: cosign's tag scheme (``.sig``, ``.att``, ``.sbom``), and the referrers tag of the OCI distribution
    specification, which has no ending.
    """
    found = _ATTACHED.fullmatch(tag)
    if found is None or len(found[2]) != {"sha256": 64, "sha512": 128}[found[1]]:
        return None
    return f"{found[1]}:{found[2]}"


def _matches(tag: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(tag, pattern) for pattern in patterns)
