"""The storage tree of distribution's ``registry``, and oc-mirror's archives, which have one.

Source: distribution, ``registry/storage/paths.go``; oc-mirror, ``docs/features/archive-management.md``. Media types are
not kept: they are read from the manifests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from fake_registry.fixtures import is_tag
from fake_registry.oci import MAX_MANIFEST, guessed_media_type, is_digest, manifest_links, parse_digest
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.archives.files import Files, read_small

_TOPS: Final = ("docker/registry/v2/", "registry/v2/", "v2/", "")
_DEEPEST: Final = 64
_LINK: Final = 256


class DistributionTree(Archive):
    """A storage tree, named by its top (``docker/registry/v2``) or by something above that."""

    form = "the storage tree of distribution's registry"
    many = True

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._top = next((top for top in _TOPS if _is_top(files, top)), "")

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one."""
        return any(_is_top(files, top) for top in _TOPS)

    def images(self) -> list[ArchivedImage]:
        """The tagged manifests of all repositories, then those that nothing else of theirs leads to."""
        directories = _repositories(self._files, f"{self._top}repositories", _DEEPEST)
        return [image for directory in directories for image in self._images(directory)]

    def content(self, digest: str, place: str) -> BinaryIO | None:
        """Any blob of the tree."""
        del place
        algorithm, digits = parse_digest(digest)
        return self._files.open(f"{self._top}blobs/{algorithm}/{digits[:2]}/{digits}/data")

    def _images(self, directory: str) -> Iterator[ArchivedImage]:
        repository = directory.removeprefix(f"{self._top}repositories/")
        tags = dict(self._tags(f"{directory}/_manifests/tags"))
        found: dict[str, str] = {}
        children: set[str] = set()
        for digest in dict.fromkeys([*tags.values(), *self._revisions(f"{directory}/_manifests/revisions")]):
            stream = self.content(digest, directory)
            if stream is None and self.partial:
                continue
            if stream is None:
                raise InputError(f"{self.name}: repository {repository}: the content of {digest} is not there")
            with stream:
                data = stream.read(MAX_MANIFEST + 1)
            links = manifest_links(data)
            found[digest] = guessed_media_type(data, links)
            children.update(child.digest for child in links.children)
        for tag, digest in tags.items():
            yield ArchivedImage(digest, found.get(digest, ""), repository, tag, directory)
        for digest in sorted(found.keys() - set(tags.values()) - children):
            yield ArchivedImage(digest, found[digest], repository, "", directory)

    def _tags(self, directory: str) -> Iterator[tuple[str, str]]:
        for tag in self._files.children(directory):
            digest = self._link(f"{directory}/{tag}/current/link")
            if digest is None:
                continue  # deleted, or a tag that was never finished
            if not is_tag(tag):
                raise InputError(f"{self.name}: {directory}/{tag}: expected a tag")
            yield tag, digest

    def _revisions(self, directory: str) -> Iterator[str]:
        for algorithm in self._files.children(directory):
            for digits in self._files.children(f"{directory}/{algorithm}"):
                digest = self._link(f"{directory}/{algorithm}/{digits}/link")
                if digest is not None:
                    yield digest

    def _link(self, name: str) -> str | None:
        data = read_small(self._files, name, _LINK)
        if data is None:
            return None
        digest = data.decode("utf-8", "replace").strip()
        if not is_digest(digest):
            raise InputError(f"{self.name}: {name}: found {digest[:200]!r}; expected a digest")
        return digest


class OcMirrorArchive(DistributionTree):
    """What ``oc-mirror`` writes to ``file://``: a storage tree beside its ``working-dir``, and of the blobs those that
    no archive before had. Its lists of tags and manifests are those of all archives."""

    form = "an archive of oc-mirror"
    partial = True

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one."""
        return bool(files.children("working-dir")) and bool(files.children("docker/registry/v2/repositories"))

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._top = _TOPS[0]


def _is_top(files: Files, top: str) -> bool:
    return "repositories" in files.children(top.rstrip("/")) and "blobs" in files.children(top.rstrip("/"))


def _repositories(files: Files, directory: str, depth: int) -> Iterator[str]:
    names = files.children(directory)
    if "_manifests" in names:
        yield directory
    if depth:
        for name in names:
            if not name.startswith("_"):
                yield from _repositories(files, f"{directory}/{name}", depth - 1)
