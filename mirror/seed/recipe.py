"""Recipe files: which synthetic images lie in which repositories.

A recipe is YAML::

    repositories:
      - image: quay.io/example/web
        tags: [[latest, "2.1"], "2.0", "1.0"]
        platforms: [linux/amd64, linux/arm64]

Each entry of ``tags`` is an image of its own, the newest first; an entry with several tags is one image that has
them all. ``count: 1000`` makes as many further, older images, tagged ``v1000`` down to ``v1``, or as ``count_tag`` says
(``"1.0.{}"``). The other fields are those of `fake_registry.images.Template`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import msgspec

from fake_registry.images import ImageSpec, Template
from mirror.config import decode_document, read_file
from mirror.errors import InputError

_AGE_STEP: Final = timedelta(days=1)


class Repository(Template, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The images of one repository.

    ``image`` is ``HOST/REPOSITORY``; ``also`` names others that hold the same images, byte for byte.
    ``created`` is the time of the first image; each further one is a day older.
    """

    image: str
    tags: list[str | list[str]]
    count: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    count_tag: str = "v{}"
    also: tuple[str, ...] = ()

    def length(self) -> int:
        """How many images these are."""
        return len(self.tags) + self.count

    def specs(self) -> Iterator[tuple[ImageSpec, list[str]]]:
        """The images, each with its tags. An image's version is its last tag, as in ``[latest, "2.1"]``."""
        template = {name: getattr(self, name) for name in Template.__struct_fields__}
        numbered = (self.count_tag.replace("{}", str(number)) for number in range(self.count, 0, -1))
        for age, entry in enumerate(chain(self.tags, numbered)):
            tags = [entry] if isinstance(entry, str) else entry
            if not tags:
                raise InputError(f"tags of {self.image}: an image without a tag; take the empty list away")
            try:
                template["created"] = self.created - age * _AGE_STEP
            except OverflowError:
                raise InputError(
                    f"created of {self.image}: {self.created.date()} is too early for {age} older images"
                ) from None
            yield ImageSpec(name=self.image, version=tags[-1], **template), tags


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recipe file says."""

    repositories: list[Repository]


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe file.

    Raises:
        InputError: a file that cannot be read, or that is not a recipe.
    """
    return decode_document(read_file(path), Recipe, str(path))
