"""The ``v2/`` tree that ``oc image mirror`` and ``oc adm release mirror`` write to ``file://``.

``v2/<repository>/manifests/`` has a file a digest, and a link (or a copy) a tag; ``v2/<repository>/blobs/`` a file a
digest. Where a file name cannot have a colon, digests are written ``sha256-<hex>``. No media types are kept. Archives
of the first oc-mirror have one, with the blobs of all repositories in ``blobs/`` beside it.
Source: openshift/oc, ``pkg/cli/image/manifest`` and ``workqueue``, and library-go's file driver; oc-mirror,
``v1/pkg/archive``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from fake_registry.fixtures import is_tag
from fake_registry.oci import MAX_MANIFEST, guessed_media_type, is_digest, manifest_digest, manifest_links
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.archives.files import Files, read_small

_DEEPEST: Final = 64


class MirrorTree(Archive):
    """A ``v2/`` tree."""

    form = "the v2/ tree of oc image mirror"
    many = True

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one."""
        return next(_repositories(files, "v2", _DEEPEST), None) is not None

    def images(self) -> list[ArchivedImage]:
        """The tagged manifests, then those that nothing else of their repository leads to."""
        return [image for directory in _repositories(self._files, "v2", _DEEPEST) for image in self._images(directory)]

    def content(self, digest: str, place: str) -> BinaryIO | None:
        """A manifest or blob of one repository, or a blob that is kept for all."""
        for directory in (f"{place}/manifests", f"{place}/blobs", "blobs"):
            for name in (digest, digest.replace(":", "-", 1)):
                stream = self._files.open(f"{directory}/{name}")
                if stream is not None:
                    return stream
        return None

    def _images(self, directory: str) -> Iterator[ArchivedImage]:
        tagged: dict[str, str] = {}
        found: dict[str, str] = {}
        children: set[str] = set()
        for name in self._files.children(f"{directory}/manifests"):
            data = read_small(self._files, f"{directory}/manifests/{name}", MAX_MANIFEST)
            if data is None:
                raise InputError(f"{self.name}: {directory}/manifests/{name} leads to no file")
            links = manifest_links(data)
            media_type = guessed_media_type(data, links)
            stated = name if is_digest(name) else name.replace("-", ":", 1)
            digest = stated if is_digest(stated) else manifest_digest(data, media_type)
            found[digest] = media_type
            children.update(child.digest for child in links.children)
            if digest != stated:
                if not is_tag(name):
                    raise InputError(f"{self.name}: {directory}/manifests/{name} is neither a digest nor a tag")
                tagged[name] = digest
        repository = directory.removeprefix("v2/")
        for tag, digest in tagged.items():
            yield ArchivedImage(digest, found[digest], repository, tag, directory)
        for digest in sorted(found.keys() - set(tagged.values()) - children):
            yield ArchivedImage(digest, found[digest], repository, "", directory)


def _repositories(files: Files, directory: str, depth: int) -> Iterator[str]:
    names = files.children(directory)
    if directory != "v2" and "manifests" in names:
        yield directory
    if depth:
        for name in names:
            if name not in {"manifests", "blobs"}:
                yield from _repositories(files, f"{directory}/{name}", depth - 1)
