"""What an archive holds, whatever its format: the images that it names, and their content by digest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import BinaryIO, ClassVar

import msgspec

from mirror.seed.archives.files import Files


class ArchivedImage(msgspec.Struct, frozen=True):
    """A manifest that an archive names.

    ``media_type`` is empty, and ``size`` -1, where the archive does not say it. ``repository`` is what the archive says
    of where the image belongs, with a host (``quay.io/app``) or without, or nothing; ``tag`` likewise. ``place`` tells
    apart content that formats keep for each repository. ``below`` is what follows ``HOST[/PREFIX]`` where somebody says
    that, if that is not all of ``repository``. What is ``optional`` is left out where nobody says where it goes.
    """

    digest: str
    media_type: str = ""
    repository: str = ""
    tag: str = ""
    place: str = ""
    size: int = -1
    below: str = ""
    optional: bool = False


class Archive(ABC):
    """An archive that was opened."""

    form: ClassVar[str]
    """What it is, in words: ``an OCI image layout``."""
    many: ClassVar[bool] = False
    """Whether it holds repositories with names of their own, below which an image's place follows."""
    partial: ClassVar[bool] = False
    """Whether it may lack what an archive before it has brought."""
    new_digests: ClassVar[bool] = False
    """Whether its images have no registry manifest, so that new ones are made."""

    def __init__(self, files: Files) -> None:
        """Opens files that are such an archive."""
        self.name = files.name
        self._files = files

    @staticmethod
    @abstractmethod
    def recognizes(files: Files) -> bool:
        """Whether files are such an archive."""

    @abstractmethod
    def images(self) -> list[ArchivedImage]:
        """The images that it names (raises `InputError` if it is broken)."""

    @abstractmethod
    def content(self, digest: str, place: str) -> BinaryIO | None:
        """The content of a manifest or blob from its start, or None if the archive does not have it."""
