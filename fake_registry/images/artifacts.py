"""Artifacts: any files under a manifest, which may refer to another one (OCI image-spec, ``manifest.md``)."""

from __future__ import annotations

from typing import Final

import msgspec

from fake_registry.oci import OCI_EMPTY, OCI_MANIFEST, OCTET_STREAM, Descriptor, Manifest, compute_digest

TITLE: Final = "org.opencontainers.image.title"
"""The annotation by which clients name the file that a blob is."""

_EMPTY: Final = b"{}"


class ArtifactSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact to make: its type, its files by their names, and what it refers to."""

    artifact_type: str
    files: dict[str, bytes] = {}
    media_type: str = OCTET_STREAM
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class BuiltArtifact(msgspec.Struct, frozen=True):
    """An artifact: its manifest as it is stored, and all that it names."""

    media_type: str
    manifest: bytes
    digest: str
    blobs: tuple[bytes, ...]


def build_artifact(spec: ArtifactSpec) -> BuiltArtifact:
    """Makes an artifact. Its configuration is empty, and so is its only layer if it has no files."""
    empty = Descriptor(media_type=OCI_EMPTY, digest=compute_digest(_EMPTY), size=len(_EMPTY))
    layers = [
        Descriptor(media_type=spec.media_type, digest=compute_digest(data), size=len(data), annotations={TITLE: name})
        for name, data in spec.files.items()
    ]
    manifest = msgspec.json.encode(
        Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=spec.artifact_type,
            config=empty,
            layers=layers or [empty],
            subject=spec.subject,
            annotations=spec.annotations or None,
        ),
        order="deterministic",
    )
    return BuiltArtifact(OCI_MANIFEST, manifest, compute_digest(manifest), (_EMPTY, *spec.files.values()))
