"""``image.openshift.io/v1`` Image and what belongs to it (openshift/api ``image/v1/types.go``)."""

from __future__ import annotations

from typing import Final

import msgspec

from mirror.v1.meta import V1, ApiObject, ListMeta, Time, always, nullable

EMPTY_METADATA: Final = msgspec.Raw(
    b'{"kind":"DockerImage","apiVersion":"image.openshift.io/1.0","Id":"","Created":null,"ContainerConfig":{}}'
)
"""``dockerImageMetadata`` of an image of which nothing is known."""


def _empty_metadata() -> msgspec.Raw:
    return EMPTY_METADATA


class ImageLayer(V1):
    """A layer: digest, size in bytes, media type. Base layer first in lists."""

    name: str = always(str)
    size: int = always(int)
    mediaType: str = always(str)


class ImageManifest(V1):
    """An entry of a manifest list or index."""

    digest: str = always(str)
    mediaType: str = always(str)
    manifestSize: int = always(int)
    architecture: str = always(str)
    os: str = always(str)
    variant: str = ""


class SignatureCondition(V1):
    type: str = always(str)
    status: str = always(str)
    lastProbeTime: Time | None = nullable()
    lastTransitionTime: Time | None = nullable()
    reason: str = ""
    message: str = ""


class SignatureIssuer(V1):
    organization: str = ""
    commonName: str = ""


class SignatureSubject(V1):
    organization: str = ""
    commonName: str = ""
    publicKeyID: str = always(str)


class ImageSignature(ApiObject):
    type: str = always(str)
    content: bytes | None = nullable()
    conditions: list[SignatureCondition] | None = None
    imageIdentity: str = ""
    signedClaims: dict[str, str] | None = None
    created: Time | None = None
    issuedBy: SignatureIssuer | None = None
    issuedTo: SignatureSubject | None = None


class Image(ApiObject):
    """A container image, cluster scoped, named by the digest of its manifest.

    ``dockerImageMetadata`` is ready JSON: it is made once, when the manifest is converted, and copied afterwards.
    """

    dockerImageReference: str = ""
    dockerImageMetadata: msgspec.Raw = always(_empty_metadata)
    dockerImageMetadataVersion: str = ""
    dockerImageManifest: str = ""
    dockerImageLayers: list[ImageLayer] | None = None
    signatures: list[ImageSignature] | None = None
    dockerImageSignatures: list[bytes] | None = None
    dockerImageManifestMediaType: str = ""
    dockerImageConfig: str = ""
    dockerImageManifests: list[ImageManifest] | None = None


class ImageList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Image] = always(list[Image])
