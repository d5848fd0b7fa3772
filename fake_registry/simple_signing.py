"""Simple signing: signatures of images as registries with the signatures extension keep them, and as a tree does.

In a tree a signature is an artifact that refers to the image: one layer, which is the signature, and its name as an
annotation. Sources: containers/image, ``docs/containers-signature.5.md``; OpenShift's image registry, "Signatures API"
(``/extensions/v2/NAME/signatures/DIGEST``).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeVar

import msgspec

from fake_registry.oci import (
    OCI_EMPTY,
    OCI_MANIFEST,
    OCTET_STREAM,
    Descriptor,
    Links,
    Manifest,
    compute_digest,
)

OFFERED: Final = ("X-Registry-Supports-Signatures", "1")
"""The header by which a registry says that it has the extension."""

ARTIFACT_TYPE: Final = "application/vnd.ismirror.simple-signing"
NAME_ANNOTATION: Final = "io.ismirror.signature.name"

MAX_SIGNATURE: Final = 256 * 1024
"""Bytes of the largest signature."""

T = TypeVar("T")

_VERSION: Final = 2
_KIND: Final = "atomic"
_EMPTY: Final = b"{}"
_ID: Final = re.compile(r"[!-?A-~]{1,128}")


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as the extension speaks of it: ``name`` is the digest of the image, ``@`` and anything."""

    schema_version: int = msgspec.field(default=_VERSION, name="schemaVersion")
    name: str = ""
    type: str = _KIND
    content: bytes = b""

    def problem(self, digest: str) -> str:
        """Why this cannot be a signature of the image with that digest; empty if it can."""
        image, _, name = self.name.partition("@")
        if self.schema_version != _VERSION:
            return f"schemaVersion has to be {_VERSION}"
        if self.type != _KIND:
            return f"type has to be {_KIND}"
        if image != digest or not _ID.fullmatch(name):
            return f"name has to be {digest}@ and 1 to 128 characters without blanks"
        if not 0 < len(self.content) <= MAX_SIGNATURE:
            return f"content has to be 1 to {MAX_SIGNATURE} bytes"
        return ""


class SignatureList(msgspec.Struct, frozen=True):
    """All signatures of an image."""

    signatures: list[Signature] | None = None


class SignatureArtifact(NamedTuple):
    """A signature as it is kept: the manifest, its digest, and the blobs that it names, by their digests."""

    manifest: bytes
    digest: str
    blobs: dict[str, bytes]


def kept(signature: Signature, subject: Descriptor) -> SignatureArtifact:
    """A signature of an image, as it is kept. The same one is always kept as the same bytes."""
    empty = Descriptor(media_type=OCI_EMPTY, digest=compute_digest(_EMPTY), size=len(_EMPTY))
    content = signature.content
    layer = Descriptor(media_type=OCTET_STREAM, digest=compute_digest(content), size=len(content))
    manifest = msgspec.json.encode(
        Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=ARTIFACT_TYPE,
            config=empty,
            layers=[layer],
            subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
            annotations={NAME_ANNOTATION: signature.name},
        ),
        order="deterministic",
    )
    return SignatureArtifact(manifest, compute_digest(manifest), {empty.digest: _EMPTY, layer.digest: content})


class Kept(NamedTuple):
    """What an artifact says that keeps a signature: the image, the signature's name, and the blob that it is."""

    image: str
    name: str
    layer: str


def kept_signature(links: Links) -> Kept | None:
    """The signature that a manifest keeps; None if it is any other one."""
    name = (links.annotations or {}).get(NAME_ANNOTATION, "")
    if links.artifact_type != ARTIFACT_TYPE or links.subject is None or len(links.layers) != 1 or not name:
        return None
    layer = links.layers[0]
    return Kept(links.subject.digest, name, layer.digest) if 0 < layer.size <= MAX_SIGNATURE else None


def decode_signature(data: bytes) -> Signature:
    """Reads one signature.

    Raises:
        ValueError: it is none; the text says why.
    """
    return _decoded(data, Signature)


def decode_signatures(data: bytes) -> list[Signature]:
    """Reads all signatures of an image (raises `ValueError`)."""
    return _decoded(data, SignatureList).signatures or []


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None
