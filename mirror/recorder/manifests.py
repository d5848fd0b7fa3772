"""Manifests of real registries on their way into a tree."""

from __future__ import annotations

from collections.abc import Sequence

from fake_registry.fixtures import Tree, is_tag
from fake_registry.oci import (
    MANIFEST_TYPES,
    compute_digest,
    guessed_media_type,
    is_digest,
    manifest_digest,
    manifest_links,
    parse_digest,
)


def kept_manifest(
    tree: Tree, host: str, name: str, reference: str, headers: Sequence[tuple[str, str]], data: bytes
) -> str:
    """Puts a manifest into a repository as a registry served it; its digest there.

    An empty text if it cannot be kept as content: it is no manifest, or not the one that was asked for.

    Raises:
        TreeError: the tree cannot have it, or cannot be written.
    """
    found = {key.lower(): value for key, value in headers}
    stated = found.get("content-type", "").partition(";")[0].strip()
    named = reference if ":" in reference else found.get("docker-content-digest", "")
    algorithm = parse_digest(named)[0] if is_digest(named) else "sha256"
    media_type = stated if stated in MANIFEST_TYPES else guessed_media_type(data, manifest_links(data))
    if not media_type:
        media_type = stated if stated.endswith("+json") else ""
    if not media_type or (":" not in reference and not is_tag(reference)):
        return ""
    digest = manifest_digest(data, media_type, algorithm)
    if ":" in reference and digest != reference:
        return ""
    if stated not in MANIFEST_TYPES and compute_digest(data, algorithm) != digest:
        return ""
    tree.put_manifest(host, name, data, media_type, None if ":" in reference else reference, algorithm=algorithm)
    return digest
