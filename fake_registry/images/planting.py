"""Putting synthetic images into a fixture tree."""

from __future__ import annotations

from collections.abc import Iterable

from fake_registry.fixtures import Batch, Tree
from fake_registry.images.artifacts import BuiltArtifact
from fake_registry.images.building import BuiltImage, BuiltIndex


def plant(
    tree: Tree | Batch, host: str, repository: str, built: BuiltImage | BuiltIndex | BuiltArtifact, tags: Iterable[str]
) -> None:
    """Writes an image, an index with its images, or an artifact, into a repository and points the tags at it.

    Many of them go faster into a batch.

    The images of an index get no descriptor of their own: the index leads to them.

    Raises:
        TreeError: a name that a tree cannot have, or a tree that cannot be written.
    """
    if isinstance(built, BuiltArtifact):
        for blob in built.blobs:
            tree.put_blob(blob)
    else:
        _put_content(tree, built)
    tree.put_manifest(host, repository, built.manifest, built.media_type, tags)


def _put_content(tree: Tree | Batch, built: BuiltImage | BuiltIndex) -> None:
    """Puts what the manifest of an image or an index leads to."""
    for image in built.images if isinstance(built, BuiltIndex) else (built,):
        tree.put_blob(image.config)
        for layer in image.layers:
            if layer.content is not None:
                tree.put_blob(layer.content)
        if image is not built:
            tree.put_blob(image.manifest)
