"""What is to be copied: images by tag and digest, and whole repositories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from fake_registry.fixtures import canonical_host, is_host, is_repository, is_tag
from fake_registry.oci import NOT_JSON, is_digest
from mirror.config import read_file
from mirror.errors import InputError
from mirror.seed.selection import parsed


class Source(msgspec.Struct, frozen=True):
    """An image, or with neither tag nor digest all of a repository."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def is_repository(self) -> bool:
        return not self.tag and not self.digest

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_source(text: str) -> Source:
    """A source as people write it: ``quay.io/app:1``, ``quay.io/app@sha256:…``, ``nginx`` (all of a repository).

    Raises:
        InputError: it is none, or a tree can have no such repository.
    """
    reference = parsed(text.removeprefix("docker://"))
    source = Source(canonical_host(reference.registry), reference.repository_name(), reference.tag, reference.id)
    if not is_host(source.host) or not is_repository(source.repository):
        raise InputError(f"{text}: a fixture tree can have no such repository")
    if (source.tag and not is_tag(source.tag)) or (source.digest and not is_digest(source.digest)):
        raise InputError(f"{text}: expected a tag, a digest, or neither behind the repository")
    return source


def parse_destination(text: str) -> Source:
    """Where images go, as ``--as`` says it: ``mirror.example.com/app``, or with the tag of an only image.

    Raises:
        InputError: it is no repository of a tree, or has a digest.
    """
    try:
        destination = parse_source(text)
    except InputError as error:
        raise InputError(f"--as {error}") from None
    if destination.digest:
        raise InputError(f"--as {text}: expected HOST/REPOSITORY[:TAG]")
    return destination


def require_one_repository(sources: Sequence[Source], destination: Source) -> None:
    """Refuses a destination that is not one for all of these sources (raises `InputError`)."""
    names = sorted({f"{one.host}/{one.repository}" for one in sources})
    if len(names) > 1:
        raise InputError(f"--as {destination}: takes images of one repository, but there are {', '.join(names)}")
    if destination.tag and (len(set(sources)) > 1 or sources[0].is_repository):
        many = "all tags of a repository" if sources[0].is_repository else f"{len(set(sources))} images"
        raise InputError(f"--as {destination}: there are {many}; leave the tag away")


class _Image(msgspec.Struct):
    image: str
    digest: str = ""


class _Summary(msgspec.Struct):
    images: list[_Image]


def read_digest_list(path: Path) -> list[Source]:
    """Images by digest from a file: one ``REPOSITORY[:TAG]@DIGEST`` a line, or what ``-o json`` said of earlier copies.

    Raises:
        InputError: it cannot be read, or a line is no such image; names it.
    """
    data = read_file(path)
    if data.lstrip()[:1] == b"{":
        try:
            images = msgspec.json.decode(data, type=_Summary).images
        except NOT_JSON as error:
            raise InputError(f"{path}: {error}; expected the summary of an earlier copy") from None
        texts = {
            f"images[{place}]": image.image if "@" in image.image else f"{image.image}@{image.digest}"
            for place, image in enumerate(images)
            if image.digest
        }
    else:
        texts = _lines(data, path)
    return _by_digest(texts, path)


def _by_digest(texts: Mapping[str, str], path: Path) -> list[Source]:
    found = []
    for name, text in texts.items():
        try:
            source = parse_source(text)
        except InputError as error:
            raise InputError(f"{path}: {name}: {error}") from None
        if not source.digest:
            raise InputError(f"{path}: {name}: {text}: expected a digest behind the image")
        found.append(source)
    return found


def _lines(data: bytes, path: Path) -> dict[str, str]:
    """The lines of a list by their numbers, without empty ones and what stands behind ``#`` (raises `InputError`)."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: neither text nor a document") from None
    bare = {f"line {number}": line.partition("#")[0].strip() for number, line in enumerate(lines, 1)}
    return {name: line for name, line in bare.items() if line}


def distinct(sources: Iterable[Source], *, whole: bool = True) -> list[Source]:
    """Each source once; if repositories are copied `whole`, without the tags of one that is among the sources."""
    found = list(dict.fromkeys(sources))
    covered = {(one.host, one.repository) for one in found if one.is_repository and whole}
    return [one for one in found if one.is_repository or one.digest or (one.host, one.repository) not in covered]
