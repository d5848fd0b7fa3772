"""Where the images of an archive go: what the archive says of it, and what ``--as`` says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fake_registry.fixtures import is_tag
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.sources import parse_destination


class Placed(msgspec.Struct, frozen=True):
    """An image and where it goes; an empty tag is none."""

    image: ArchivedImage
    host: str
    repository: str
    tag: str

    def __str__(self) -> str:
        name = f"{self.host}/{self.repository}"
        return f"{name}:{self.tag}" if self.tag else f"{name}@{self.image.digest}"


def placed_images(archive: Archive, images: Sequence[ArchivedImage], name: str) -> list[Placed]:
    """Says of each image where it goes.

    `name` is ``HOST/REPOSITORY[:TAG]``, or for an archive of many repositories ``HOST[/PREFIX]``, which is put before
    theirs. It may be empty where the archive says everything itself.

    Raises:
        InputError: a place that nobody said, two images for one place, or a tag that cannot be.
    """
    found = [_placed(archive, image, name) for image in images if name or not image.optional]
    tag = parse_destination(name).tag if name and not archive.many else ""
    if tag:
        if len(images) != 1:
            raise InputError(f"--as {name}: {archive.name} holds {len(images)} images; leave the tag away")
        found = [msgspec.structs.replace(found[0], tag=tag)]
    taken: dict[tuple[str, str, str], str] = {}
    for one in found:
        digest = taken.setdefault((one.host, one.repository, one.tag), one.image.digest)
        if one.tag and digest != one.image.digest:
            raise InputError(f"{archive.name}: two images are {one}; expected one")
        if one.tag and not is_tag(one.tag):
            raise InputError(f"{archive.name}: {one.tag[:200]!r} is no tag")
    return found


def _placed(archive: Archive, image: ArchivedImage, name: str) -> Placed:
    if name and archive.many:
        host, _, prefix = name.strip("/").partition("/")
        below = image.below or image.repository
        return Placed(image, host, f"{prefix}/{below}" if prefix else below, image.tag)
    if name:
        destination = parse_destination(name)
        return Placed(image, destination.host, destination.repository, image.tag)
    head, slash, rest = image.repository.partition("/")
    if not slash or not ("." in head or ":" in head or head == "localhost"):
        shown = ":".join(filter(None, (image.repository, image.tag))) or image.digest
        example = "--as HOST" if archive.many else f"--as HOST/{image.repository or 'REPOSITORY'}"
        raise InputError(f"{archive.name}: does not say on which registry {shown} lies; say it with {example}")
    return Placed(image, head, rest, image.tag)
