"""OCI image layouts, as directories and as oci-archives.

Source: OCI image specification, ``image-layout.md``. The name of an image is the annotation
``org.opencontainers.image.ref.name``: a tag, or by a widespread reading a whole reference; containerd and what is built
on it say the reference in ``io.containerd.image.name``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Final

from fake_registry.errors import TreeError
from fake_registry.fixtures import canonical_host, is_tag
from fake_registry.fixtures.layout import MAX_INDEX, parse_index
from fake_registry.oci import Descriptor, parse_digest
from mirror.errors import InputError
from mirror.reference import InvalidReference, Reference
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.archives.files import Files, read_small

CONTAINERD_NAME: Final = "io.containerd.image.name"


class OciLayout(Archive):
    """An OCI image layout."""

    form = "an OCI image layout"

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one."""
        return files.size("index.json") is not None and (
            files.size("oci-layout") is not None or "blobs" in files.children()
        )

    def images(self) -> list[ArchivedImage]:
        """What ``index.json`` names."""
        data = read_small(self._files, "index.json", MAX_INDEX)
        try:
            descriptors = parse_index(data or b"", f"{self.name}: index.json")
        except TreeError as error:
            raise InputError(str(error)) from None
        return self._images(descriptors)

    def content(self, digest: str, place: str) -> BinaryIO | None:
        """A blob of the layout."""
        del place
        algorithm, digits = parse_digest(digest)
        return self._files.open(f"blobs/{algorithm}/{digits}")

    def _images(self, descriptors: Sequence[Descriptor]) -> list[ArchivedImage]:
        return [self._image(descriptor) for descriptor in descriptors]

    def _image(self, descriptor: Descriptor) -> ArchivedImage:
        annotations = descriptor.annotations or {}
        full = annotations.get(CONTAINERD_NAME, "")
        name = descriptor.tag or ""
        if not full and name and not is_tag(name):
            full = name
        repository, tag = split_reference(full, f"{self.name}: index.json") if full else ("", name)
        return ArchivedImage(descriptor.digest, descriptor.media_type, repository, tag, size=descriptor.size)


def split_reference(text: str, where: str) -> tuple[str, str]:
    """The repository with its host, Docker Hub's where none is written, and the tag (none beside a digest) of a name.

    Raises:
        InputError: it is no reference; names `where` it stands.
    """
    try:
        reference = Reference.parse(text).docker_client_defaults()
    except InvalidReference as error:
        raise InputError(f"{where}: {text[:200]!r}: {error}") from None
    return f"{canonical_host(reference.registry)}/{reference.repository_name()}", "" if reference.id else reference.tag
