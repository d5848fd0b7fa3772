"""What a write makes of an image (openshift-apiserver ``registry/image/strategy.go``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fake_registry import oci
from mirror.api.fields import FieldError
from mirror.api.image_filling import fill, list_entries
from mirror.api.image_validation import image_errors
from mirror.api.metadata import own_update_errors
from mirror.importer.client import RawManifest
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import ImageManifest, content_digest, decode_manifest
from mirror.v1.image import Image

BLOB_STORED: Final = "image.openshift.io/manifestBlobStored"
_MANAGED_SIGNATURE: Final = "image.openshift.io/managed-signature"
_IMAGE_TYPES: Final = (oci.DOCKER_MANIFEST, oci.OCI_MANIFEST)
_SCHEMA1_TYPES: Final = (oci.DOCKER_SCHEMA1, "")


class ImageStrategy:
    """Images say of themselves what they are; hardly anything of them can be changed."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now

    async def create(self, image: Image) -> list[FieldError]:
        """Prepares a new image."""
        fill(image, self._now())
        entries = list_entries(image)
        if entries is not None:
            image.dockerImageManifests = entries or None
        _drop(image)
        return image_errors(image)

    async def update(self, image: Image, old: Image) -> list[FieldError]:
        """Prepares a changed image to replace `old`."""
        image.dockerImageMetadata = old.dockerImageMetadata
        image.dockerImageMetadataVersion = old.dockerImageMetadataVersion
        image.dockerImageLayers = old.dockerImageLayers
        if old.dockerImageSignatures:
            image.dockerImageSignatures = old.dockerImageSignatures
        manifest, config = image.dockerImageManifest, image.dockerImageConfig
        if manifest not in ("", old.dockerImageManifest) and not _is_manifest_of(old, manifest):
            image.dockerImageManifest = old.dockerImageManifest
        if config not in ("", old.dockerImageConfig) and not _is_config_of(image, config):
            image.dockerImageConfig = old.dockerImageConfig
        fill(image, self._now())
        _drop(image)
        return [*own_update_errors(image.metadata, old.metadata), *image_errors(image)]


def _drop(image: Image) -> None:
    """Manifests that are kept elsewhere are not kept here; signatures have no annotations."""
    if (image.metadata.annotations or {}).get(BLOB_STORED) == "true":
        image.dockerImageManifest = image.dockerImageConfig = ""
    for signature in image.signatures or ():
        annotations = signature.metadata.annotations or {}
        annotations.pop(_MANAGED_SIGNATURE, None)
        signature.metadata.annotations = annotations or None


def _is_manifest_of(image: Image, text: str) -> bool:
    """Whether a manifest is the one that an image is named after."""
    media_type = image.dockerImageManifestMediaType
    if media_type not in (*_IMAGE_TYPES, *_SCHEMA1_TYPES):
        return False
    algorithm = image.metadata.name.partition(":")[0]
    if algorithm not in ("sha256", "sha512"):
        return False
    try:
        manifest = decode_manifest(RawManifest(text.encode("utf-8", "surrogatepass"), media_type))
    except ClientFailure:
        return False
    return content_digest(manifest, algorithm) == image.metadata.name


def _is_config_of(image: Image, text: str) -> bool:
    """Whether a config is the one that the manifest of an image names."""
    media_type = image.dockerImageManifestMediaType
    if media_type not in _IMAGE_TYPES:
        return False
    content = image.dockerImageManifest.encode("utf-8", "surrogatepass")
    try:
        manifest = decode_manifest(RawManifest(content, media_type))
    except ClientFailure:
        return False
    if not isinstance(manifest, ImageManifest):
        return False
    algorithm = manifest.config_digest.partition(":")[0]
    if algorithm not in ("sha256", "sha512"):
        return False
    return oci.compute_digest(text.encode("utf-8", "surrogatepass"), algorithm) == manifest.config_digest
