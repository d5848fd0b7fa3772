"""Which manifests of an index are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from fake_registry.oci import NOT_JSON, Descriptor, Index, Links, Platform
from mirror.errors import InputError

_SUBJECT: Final = "vnd.docker.reference.digest"
_VARIANTS: Final = {("arm64", "v8"): "", ("amd64", "v1"): ""}


class WantedPlatform(msgspec.Struct, frozen=True):
    """``os/architecture[/variant]``; without a variant any will do."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def fits(self, platform: Platform | None) -> bool:
        """Whether a manifest of an index is for this platform."""
        if platform is None or (platform.os, platform.architecture) != (self.os, self.architecture):
            return False
        return not self.variant or _variant(self.architecture, self.variant) == _variant(
            platform.architecture, platform.variant
        )


def parse_platforms(texts: Sequence[str]) -> list[WantedPlatform]:
    """Platforms as ``--platform`` has them, several in one text with commas between (raises `InputError`)."""
    found = []
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        parts = text.split("/")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise InputError(f"--platform: {text!r}: expected OS/ARCHITECTURE such as linux/amd64 or linux/arm/v7")
        found.append(WantedPlatform(*parts))
    return found


def wanted_children(data: bytes, links: Links, platforms: Sequence[WantedPlatform]) -> list[Descriptor]:
    """The manifests of an index that are for one of the platforms, and what BuildKit attests of them.

    All of them where no platforms are named, and where the index does not say what they are for. Each is there once,
    however often the index names it.
    """
    named: dict[str, Descriptor] = {}
    for child in links.manifests():
        named.setdefault(child.digest, child)
    children = list(named.values())
    if not platforms or not children:
        return children
    try:
        entries = msgspec.json.decode(data, type=Index).manifests
    except NOT_JSON:
        return children
    if all(entry.platform is None for entry in entries):
        return children
    chosen = {entry.digest for entry in entries if any(one.fits(entry.platform) for one in platforms)}
    chosen |= {entry.digest for entry in entries if (entry.annotations or {}).get(_SUBJECT) in chosen}
    return [child for child in children if child.digest in chosen]


def platforms_of(data: bytes) -> list[str]:
    """What an index has manifests for."""
    try:
        entries = msgspec.json.decode(data, type=Index).manifests
    except NOT_JSON:
        return []
    return [str(entry.platform) for entry in entries if entry.platform is not None]


def _variant(architecture: str, variant: str) -> str:
    return _VARIANTS.get((architecture, variant), variant)
