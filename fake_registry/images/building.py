"""Manifests and indexes of synthetic images.

Nothing here asks a clock, a random number or the machine's compressor: the same `ImageSpec` gives the same digests
everywhere.
"""

from __future__ import annotations

import msgspec

from fake_registry.errors import ImageError
from fake_registry.images.configs import config_of
from fake_registry.images.layers import Layer, layers_of
from fake_registry.images.specs import MEDIA_TYPES, ImageSpec, Kind
from fake_registry.oci import Descriptor, Index, Manifest, Platform, compute_digest


class BuiltImage(msgspec.Struct, frozen=True):
    """The image of one platform: manifest and config as they are stored, and its layers, the base first."""

    platform: str
    media_type: str
    manifest: bytes
    digest: str
    config: bytes
    config_digest: str
    layers: tuple[Layer, ...]


class BuiltIndex(msgspec.Struct, frozen=True):
    """An index or manifest list, and its images in the order of the platforms."""

    media_type: str
    manifest: bytes
    digest: str
    images: tuple[BuiltImage, ...]


def build(spec: ImageSpec) -> BuiltImage | BuiltIndex:
    """Makes an image, or an index where the spec asks for one.

    Raises:
        ImageError: platforms or annotations that cannot be.
    """
    if spec.index or len(spec.platforms) != 1:
        return build_index(spec)
    return build_image(spec, spec.platforms[0])


def build_index(spec: ImageSpec) -> BuiltIndex:
    """Makes the images of all platforms, and the index (OCI) or manifest list (Docker) that leads to them.

    Raises:
        ImageError: no platform, or the same one twice; and what `build_image` raises.
    """
    if not spec.platforms or len(set(spec.platforms)) != len(spec.platforms):
        raise ImageError(f"platforms of {spec.name}: {list(spec.platforms)} has to name at least one, and none twice")
    images = tuple(build_image(spec, platform) for platform in spec.platforms)
    media_type = MEDIA_TYPES[spec.kind].index
    entries = [
        Descriptor(
            media_type=image.media_type,
            digest=image.digest,
            size=len(image.manifest),
            platform=_platform(image.platform),
        )
        for image in images
    ]
    manifest = _encode(spec.kind, Index(schema_version=2, media_type=media_type, manifests=entries))
    return BuiltIndex(media_type, manifest, compute_digest(manifest), images)


def build_image(spec: ImageSpec, platform: str) -> BuiltImage:
    """Makes the image of one platform.

    Raises:
        ImageError: a platform that is not ``os/architecture[/variant]``, annotations on a Docker image, which has
            none.
    """
    if spec.annotations and spec.kind == "docker":
        raise ImageError(f"annotations of {spec.name}: Docker manifests have none; use labels, or kind: oci")
    layers = tuple(layers_of(spec, platform))
    config = config_of(spec, _platform(platform), [layer.diff_id for layer in layers])
    media_types = MEDIA_TYPES[spec.kind]
    config_digest = compute_digest(config)
    manifest = _encode(
        spec.kind,
        Manifest(
            schema_version=2,
            media_type=media_types.manifest,
            config=Descriptor(media_type=media_types.config, digest=config_digest, size=len(config)),
            layers=[Descriptor(media_type=media_types.layer, digest=one.digest, size=one.size) for one in layers],
            annotations=spec.annotations or None,
        ),
    )
    digest = compute_digest(manifest)
    return BuiltImage(platform, media_types.manifest, manifest, digest, config, config_digest, layers)


def _encode(kind: Kind, document: Manifest | Index) -> bytes:
    """A manifest as its tools write it: Docker's indented by three, others compact."""
    encoded = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(encoded, indent=3) if kind == "docker" else encoded


def _platform(text: str) -> Platform:
    os, slash, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    if not (os and slash and architecture) or "/" in variant:
        raise ImageError(f"platform {text!r}: has to be os/architecture or os/architecture/variant")
    return Platform(architecture=architecture, os=os, variant=variant)
