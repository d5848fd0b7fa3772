"""From a manifest to an Image object (importer ``image.go``, imageutil ``helpers.go``).

The real importer builds an image in two passes; what the second one adds is layers, media type, metadata and size. A
failure of the first leaves nothing, one of the second leaves the half-filled image: `HalfImage` carries it.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from fake_registry import oci
from mirror import gojson
from mirror.gotext import go_text, quote
from mirror.importer.client import check_content
from mirror.importer.configs import (
    SecondPassFailure,
    decode_compatibility,
    decode_config,
    docker_image_metadata,
)
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import (
    ImageManifest,
    ListManifest,
    Schema1Manifest,
    compatibility_of,
)
from mirror.importer.seen import remembered
from mirror.v1.image import Image, ImageLayer
from mirror.v1.image import ImageManifest as ListEntry
from mirror.v1.meta import ObjectMeta

LAYERS_ORDER: Final = "image.openshift.io/dockerLayersOrder"
METADATA_VERSION: Final = "1.0"

_SIZE: Final = gojson.Struct(go="struct { Size int64 }", fields=[("Size", gojson.Int64)])


class HalfImage(ClientFailure):
    """The second pass failed; ``image`` is what there is."""

    def __init__(self, text: str, image: Image) -> None:
        super().__init__(text)
        self.image = image


class BlobSizes(Protocol):
    """Where the sizes of schema 1 layers come from."""

    async def __call__(self, digest: str) -> int:
        """The size of a blob in bytes; raises ClientFailure."""
        ...


def list_image(manifest: ListManifest, created: str) -> Image:
    """The image of a manifest list or index; `created` is the time of the import."""
    metadata = {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": manifest.name,
        "Created": created,
        "ContainerConfig": {},
    }
    return Image(
        metadata=ObjectMeta(name=manifest.name),
        dockerImageMetadata=msgspec.Raw(msgspec.json.encode(metadata)),
        dockerImageMetadataVersion=METADATA_VERSION,
        dockerImageManifestMediaType=manifest.media_type or oci.OCI_INDEX,
        dockerImageManifests=entries_of(manifest) or None,
    )


def entries_of(manifest: ListManifest) -> list[ListEntry]:
    """The entries of a manifest list or index, as an image shows them."""
    return [
        ListEntry(
            digest=entry.digest,
            mediaType=entry.mediaType,
            manifestSize=entry.size,
            architecture=entry.platform.architecture,
            os=entry.platform.os,
            variant=entry.platform.variant,
        )
        for entry in manifest.entries
    ]


async def image_of(manifest: ImageManifest, config: bytes, sizes: BlobSizes) -> Image:
    """The image of a schema 2 or OCI manifest and its config blob.

    Raises:
        HalfImage: the second pass failed.
        ClientFailure: the first pass failed.
    """
    image = Image(
        metadata=ObjectMeta(name=manifest.name),
        dockerImageMetadataVersion=METADATA_VERSION,
        dockerImageManifest=go_text(manifest.content),
        dockerImageManifestMediaType=oci.OCI_MANIFEST if manifest.oci else manifest.media_type,
        dockerImageConfig=go_text(config),
    )
    try:
        if manifest.schema_version == 2 and config:
            size = _int64(len(config) + manifest.layers_size)
            image.dockerImageMetadata = _metadata(config, manifest.config_digest, size)
            _add_layers(image, manifest.layers)
            return image
        decoded, problem = decode_config(config), ""
    except SecondPassFailure as failure:
        decoded, problem = failure.first, str(failure)
    image.dockerImageMetadata = docker_image_metadata(decoded, manifest.name, 0)
    await _odd_second_pass(image, manifest, problem, sizes)
    return image


@remembered
def _metadata(config: bytes, image_id: str, size: int) -> msgspec.Raw:
    """The metadata of an image with nothing odd about it.

    Raises:
        SecondPassFailure, ClientFailure: the config cannot be decoded.
    """
    return docker_image_metadata(decode_config(config), image_id, size)


async def _odd_second_pass(image: Image, manifest: ImageManifest, problem: str, sizes: BlobSizes) -> None:
    """What the second pass makes of a schema version or a config that does not go with the media type."""
    match manifest.schema_version:
        case 1:
            layers, history = compatibility_of(manifest.content)
            await _schema1_second_pass(image, layers, history, sizes)
        case 2:
            _add_layers(image, manifest.layers)
            raise HalfImage(problem or _no_config(manifest.media_type), image)
        case version:
            raise HalfImage(_unrecognized(version, manifest.name), image)


def _no_config(media_type: str) -> str:
    return f"dockerImageConfig must not be empty for manifest type {quote(media_type)}"


def _unrecognized(version: int, name: str) -> str:
    return f"unrecognized container image manifest schema {version} for {quote(name)} ()"


def _add_layers(image: Image, layers: list[ImageLayer]) -> None:
    image.dockerImageLayers = layers or None
    image.metadata.annotations = {LAYERS_ORDER: "ascending"}


def _int64(number: int) -> int:
    """A sum as it comes out in 64 bits: manifests may claim any sizes."""
    return (number + 2**63) % 2**64 - 2**63


async def schema1_image(manifest: Schema1Manifest, sizes: BlobSizes) -> Image:
    """The image of a schema 1 manifest. Where no layer has a size, they are asked for, each distinct one once.

    Raises:
        HalfImage: layers and history do not fit, a size cannot be had, or it says to be of another schema version.
        ClientFailure: there is no usable history.
    """
    if not manifest.history:
        raise ClientFailure("image has no v1Compatibility history and cannot be used")
    config = decode_compatibility(manifest.history[0].encode("utf-8", "surrogatepass"))
    image = Image(
        metadata=ObjectMeta(name=manifest.name),
        dockerImageMetadata=docker_image_metadata(config, manifest.name, 0),
        dockerImageMetadataVersion=METADATA_VERSION,
        dockerImageManifest=go_text(manifest.content),
        dockerImageManifestMediaType=oci.DOCKER_SCHEMA1_SIGNED,
    )
    match manifest.schema_version:
        case 1:
            await _schema1_second_pass(image, manifest.layers, manifest.history, sizes)
        case 2:
            _add_layers(image, [])
            raise HalfImage(_no_config(manifest.media_type or image.dockerImageManifestMediaType), image)
        case version:
            raise HalfImage(_unrecognized(version, manifest.name), image)
    return image


async def _schema1_second_pass(image: Image, digests: list[str], history: list[str], sizes: BlobSizes) -> None:
    name = image.metadata.name
    if len(history) != len(digests):
        raise HalfImage(
            f"the image {name} () has mismatched history and fslayer cardinality ({len(history)} != {len(digests)})",
            image,
        )
    layers = [
        ImageLayer(digest, _compatibility_size(text), oci.DOCKER_SCHEMA1_LAYER)
        for digest, text in zip(reversed(digests), reversed(history), strict=True)
    ]
    _add_layers(image, layers)
    image.dockerImageManifestMediaType = oci.DOCKER_SCHEMA1
    if not history:
        raise HalfImage(f"the image {name} () has an empty history", image)
    config = decode_compatibility(history[0].encode("utf-8", "surrogatepass"))
    distinct: dict[str, int] = {}
    for layer in layers:
        distinct.setdefault(layer.name, layer.size)
    size = _int64(sum(distinct.values()))
    image.dockerImageMetadata = docker_image_metadata(config, config.id, size)
    if size == 0:
        try:
            size = await _ask_sizes(layers, sizes)
        except ClientFailure as failure:
            raise HalfImage(str(failure), image) from None
        image.dockerImageMetadata = docker_image_metadata(config, config.id, size)


async def _ask_sizes(layers: list[ImageLayer], sizes: BlobSizes) -> int:
    """Fills in the sizes of the first occurrence of each layer; later ones keep 0."""
    seen: set[str] = set()
    total = 0
    for layer in layers:
        if layer.name not in seen:
            seen.add(layer.name)
            layer.size = await sizes(layer.name)
            total += layer.size
    return _int64(total)


def _compatibility_size(history: str) -> int:
    """The ``Size`` in a history entry; 0 where there is none or the text cannot be read."""
    try:
        size: int = (gojson.decode(history.encode("utf-8", "surrogatepass"), _SIZE) or {}).get("Size", 0)
    except gojson.GoJSONError:
        return 0
    return size


def check_integrity(manifest: ImageManifest | ListManifest | Schema1Manifest, digest: str) -> None:
    """The conversion's own check of an expected digest: always by sha256, so that other algorithms never pass.

    Raises:
        ClientFailure: the digest is not the manifest's name.
    """
    if manifest.name == digest:
        return
    if isinstance(manifest, Schema1Manifest):
        check_content(manifest.payload, digest, "schema 1 manifest")
        what = "schema 1 manifest retrieved"
    else:
        what = f"manifest retrieved (media type: {_shown_media_type(manifest)})"
    raise ClientFailure(
        f"content integrity error: the {what} with digest {digest} "
        f"does not match the digest calculated from the content {manifest.name}"
    )


def _shown_media_type(manifest: ImageManifest | ListManifest) -> str:
    if isinstance(manifest, ListManifest):
        return manifest.media_type or oci.OCI_INDEX
    return oci.OCI_MANIFEST if manifest.oci else manifest.media_type
