"""skopeo's ``dir:``: one image a directory, blobs named by their digests without the algorithm.

Source: containers/image, ``directory/directory_transport.go`` (paths) and ``directory_dest.go`` (the file ``version``).
What ``skopeo sync --dest dir`` writes is a directory of such directories, named after the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from fake_registry.oci import MAX_MANIFEST, guessed_media_type, is_digest, manifest_digest, manifest_links, parse_digest
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.archives.files import Files, read_small
from mirror.seed.archives.layout import split_reference

_DEEPEST: Final = 24


class SkopeoDirectories(Archive):
    """One ``dir:``, or a directory with many of them."""

    form = "skopeo's dir:"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._digests: dict[tuple[str, str], str] = {}

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one, or holds some."""
        return next(_images(files, "", _DEEPEST), None) is not None

    def images(self) -> list[ArchivedImage]:
        """The image of each directory; its name, where there are many, is the directory's path."""
        return [self._image(directory) for directory in _images(self._files, "", _DEEPEST)]

    def content(self, digest: str, place: str) -> BinaryIO | None:
        """A blob, or a manifest of an index; the image's own manifest under its digest."""
        algorithm, digits = parse_digest(digest)
        prefix = f"{place}/" if place else ""
        if digest == self._digest(place, algorithm):
            return self._files.open(f"{prefix}manifest.json")
        stems = [f"{algorithm}-{digits}", f"{algorithm}:{digits}"]
        for stem in [digits, *stems] if algorithm == "sha256" else [*stems, digits]:
            for name in (stem, f"{stem}.manifest.json"):
                stream = self._files.open(prefix + name)
                if stream is not None:
                    return stream
        return None

    def _digest(self, place: str, algorithm: str) -> str:
        """The digest of an image's own manifest. All its content is asked for, one by one."""
        found = self._digests.get((place, algorithm))
        if found is None:
            data = self._manifest(place)
            found = manifest_digest(data, guessed_media_type(data, manifest_links(data)), algorithm)
            self._digests[place, algorithm] = found
        return found

    def _manifest(self, directory: str) -> bytes:
        name = f"{directory}/manifest.json" if directory else "manifest.json"
        return read_small(self._files, name, MAX_MANIFEST) or b""

    def _image(self, directory: str) -> ArchivedImage:
        data = self._manifest(directory)
        media_type = guessed_media_type(data, manifest_links(data))
        if not media_type:
            raise InputError(f"{self.name}: {directory or '.'}/manifest.json is no image manifest")
        repository, tag = _name(directory)
        return ArchivedImage(manifest_digest(data, media_type), media_type, repository, tag, directory)


def _images(files: Files, directory: str, depth: int) -> Iterator[str]:
    names = files.children(directory)
    if "manifest.json" in names and "version" in names:
        yield directory
        return
    if depth and not {"blobs", "index.json", "registries"} & set(names):
        for name in names:
            yield from _images(files, f"{directory}/{name}" if directory else name, depth - 1)


def _name(directory: str) -> tuple[str, str]:
    """Repository and tag of a directory that skopeo sync named: ``quay.io/app:v1``, or ``app:v1`` without --scoped."""
    if not directory:
        return "", ""
    name, at, digest = directory.partition("@")
    if at and is_digest(digest):
        directory = name
    head, slash, _ = directory.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        return split_reference(directory if not at else f"{name}@{digest}", f"directory {directory}")
    path, _, tag = directory.partition(":")
    return path, tag
