"""How images are copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from mirror.seed.platforms import WantedPlatform
from mirror.seed.sources import Source

WantedReferrers = Literal["auto", "all", "none"]


class CopyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to copy.

    ``metadata_only``: no layers, but what signatures and attestations say. ``referrers``: signatures, attestations and
    whatever else refers to an image or to one of its platforms; ``auto`` asks for those of the platforms only where the
    registry lists some for the index, ``all`` always. With ``refresh`` those of images that have not changed are asked
    for, too. All images go to the repository of ``destination``, by default each to that of its own name; one
    image may get a tag there, too. ``dry_run`` writes nothing. ``concurrency`` is the number of images at once. Without
    ``list_images`` the summary names only those that failed, and memory does not grow with the others.
    """

    platforms: Sequence[WantedPlatform] = ()
    metadata_only: bool = False
    referrers: WantedReferrers = "auto"
    refresh: bool = False
    destination: Source | None = None
    dry_run: bool = False
    concurrency: int = 8
    list_images: bool = True
