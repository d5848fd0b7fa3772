"""Looking into a bundle: its beginning says everything but whether the rest is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fake_registry.errors import TreeError
from fake_registry.fixtures.layout import INDEX, parse_index
from mirror.errors import InputError
from mirror.seed.bundles.parts import Part, found_files, read_part
from mirror.seed.bundles.reading import BundleReader
from mirror.seed.bundles.records import REMOVALS, Entry, Header, Removal, decode_removals, place_of


class RepositorySummary(msgspec.Struct, frozen=True, kw_only=True):
    """A repository in a bundle: its tags, and the manifests that its index names."""

    repository: str
    tags: int
    manifests: int


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is gone, by its name."""

    name: str
    what: str


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself."""

    bundle: str
    signed: bool
    parts: int
    header: Header
    repositories: list[RepositorySummary]
    removals: list[Removal]

    def removed(self) -> Iterator[Removed]:
        """The removals, with names as people write them."""
        for one in self.removals:
            if one.tag:
                yield Removed(name=f"{one.repository}:{one.tag}", what="tag")
            elif one.manifest:
                yield Removed(name=f"{one.repository}@{one.manifest}", what="manifest")
            else:
                yield Removed(name=one.repository, what="repository")


def beginning(path: Path) -> list[Part]:
    """The part in which a bundle says what it is, and those beside it that follow.

    The first is enough unless lists of tags are longer than a part.

    Raises:
        InputError: the file is another part, or none.
    """
    parts = [read_part(found_files([path])[0])]
    first = parts[0].trailer
    if first.part != 1:
        raise InputError(f"{path}: part {first.part} of {first.parts}; expected the first one")
    stem, _, digits = parts[0].path.name.rpartition(".")
    for number in range(2, first.parts + 1):
        beside = parts[0].path.with_name(f"{stem}.{number:0{len(digits)}}")
        if not beside.is_file():
            break
        try:
            part = read_part(beside)
        except InputError:
            break
        if (part.trailer.bundle, part.trailer.part) != (first.bundle, number):
            break
        parts.append(part)
    return parts


def inspected(path: Path) -> Inspected:
    """What a bundle has in it (raises `InputError` if its beginning is not sound)."""
    with BundleReader(beginning(path)) as reader:
        repositories: list[RepositorySummary] = []
        removals: list[Removal] = []
        for content in reader.contents():
            entry = content.entry
            if entry.is_blob:
                break
            place = place_of(entry.path)
            if entry.path == REMOVALS:
                removals = decode_removals(content.data(), reader.name)
            elif place is not None and place.file == INDEX:
                repositories.append(_summary(f"{place.host}/{place.name}", content.data(), reader.name))
        return Inspected(
            bundle=reader.id,
            signed=bool(reader.signature),
            parts=reader.parts[0].trailer.parts,
            header=reader.header,
            repositories=repositories,
            removals=removals,
        )


def listed(path: Path) -> Iterator[Entry]:
    """The lines of the manifest of a bundle (raises `InputError` if its beginning is not sound)."""
    with BundleReader(beginning(path)) as reader:
        yield from reader.entries()


def _summary(repository: str, data: bytes, name: str) -> RepositorySummary:
    try:
        descriptors = parse_index(data, repository)
    except TreeError as error:
        raise InputError(f"{name}: {error}") from None
    return RepositorySummary(
        repository=repository,
        tags=len({descriptor.tag for descriptor in descriptors} - {None}),
        manifests=len({descriptor.digest for descriptor in descriptors}),
    )
