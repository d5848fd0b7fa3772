"""What lies in the tree of a `FakeRegistry`: what tests put there, and what their code did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fake_registry.errors import UsageError
from fake_registry.fixtures import Tree
from fake_registry.images import BuiltArtifact, BuiltImage, BuiltIndex, plant
from fake_registry.oci import Descriptor
from fake_registry.testing.names import ImageName

Files = Mapping[str, bytes | str]
"""Files by their paths; text is UTF-8."""

Layers = int | Sequence[bytes | Files]
"""How many layers to make up; or what is in each: its files, or the bytes of a layer as they are to be stored."""


class Content:
    """The content of a tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def put(self, name: ImageName, built: BuiltImage | BuiltIndex | BuiltArtifact, tags: Iterable[str]) -> str:
        """Puts what was built into a repository; returns its digest."""
        plant(self._tree, name.host, name.repository, built, tags)
        return built.digest

    def tags(self, name: ImageName) -> list[str]:
        """The tags of a repository, in byte order."""
        snapshot = self._tree.snapshot(name.host, name.repository)
        return [] if snapshot is None else list(snapshot.tag_names)

    def find(self, name: ImageName, reference: str) -> Descriptor | None:
        """The descriptor of a tag or digest of a repository, or None."""
        snapshot = self._tree.snapshot(name.host, name.repository)
        return None if snapshot is None else snapshot.resolve(reference)

    def manifest(self, name: ImageName) -> bytes | None:
        """The manifest of that name, or None."""
        snapshot = self._tree.snapshot(name.host, name.repository)
        found = None if snapshot is None else snapshot.resolve(name.reference)
        return None if snapshot is None or found is None else snapshot.read_manifest(found)

    def subject(self, name: ImageName, reference: str) -> Descriptor:
        """The descriptor of a manifest that another one refers to.

        Raises:
            UsageError: the repository has no such manifest.
        """
        found = self.find(name, reference)
        if found is None:
            raise UsageError(f"{name.host}/{name.repository} has no {reference} to refer to")
        return Descriptor(media_type=found.media_type, digest=found.digest, size=found.size)


def wanted_tags(name: ImageName, tags: str | Iterable[str] | None) -> list[str]:
    """The tags of an image that is put: those that are said, in its name first; ``latest`` if nothing is said."""
    said = [] if name.tag is None else [name.tag]
    if tags is None:
        return said or ["latest"]
    return list(dict.fromkeys([*said, *([tags] if isinstance(tags, str) else tags)]))


def given_layers(layers: Layers) -> tuple[dict[str, bytes] | bytes, ...]:
    """The layers whose content is given."""
    if isinstance(layers, int):
        return ()
    return tuple(layer if isinstance(layer, bytes) else file_contents(layer) for layer in layers)


def file_contents(files: Files) -> dict[str, bytes]:
    """The bytes of files."""
    return {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
