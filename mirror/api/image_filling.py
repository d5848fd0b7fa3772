"""What an image's own manifest says of it: layers, metadata, sub-manifests (``imageutil/helpers.go``).

Unlike an import nobody looks at what was sent before. What cannot be read leaves the image as far as it was filled.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from fake_registry import oci
from mirror import gojson
from mirror.api.image_metadata import ConversionError, read_metadata
from mirror.gojson import GoJSONError
from mirror.importer.client import RawManifest
from mirror.importer.configs import decode_compatibility, decode_config, docker_image_metadata
from mirror.importer.convert import LAYERS_ORDER, entries_of
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import ListManifest, decode_manifest
from mirror.v1.image import Image, ImageLayer, ImageManifest

_LISTS: Final = (oci.DOCKER_LIST, oci.OCI_INDEX)
_SCHEMA1: Final = (oci.DOCKER_SCHEMA1, oci.DOCKER_SCHEMA1_SIGNED)
_SCHEMA2: Final = (oci.DOCKER_MANIFEST, oci.OCI_MANIFEST)

_DESCRIPTOR: Final = gojson.Struct(
    go="docker10.Descriptor",
    fields=[("mediaType", gojson.String), ("size", gojson.Int64), ("digest", gojson.String)],
)
_MANIFEST: Final = gojson.Struct(
    go="docker10.DockerImageManifest",
    fields=[
        ("schemaVersion", gojson.Int),
        ("mediaType", gojson.String),
        ("name", gojson.String),
        ("tag", gojson.String),
        ("architecture", gojson.String),
        ("fsLayers", gojson.List(gojson.Struct(go="docker10.DockerFSLayer", fields=[("blobSum", gojson.String)]))),
        (
            "history",
            gojson.List(gojson.Struct(go="docker10.DockerHistory", fields=[("v1Compatibility", gojson.String)])),
        ),
        ("layers", gojson.List(_DESCRIPTOR)),
        ("config", _DESCRIPTOR),
    ],
)
_SIZE: Final = gojson.Struct(go="struct { Size int64 }", fields=[("size", gojson.Int64)])


def fill(image: Image, now: str) -> None:
    """Fills in what the manifest of an image says of it; `now` is when a list is said to be created."""
    if not image.dockerImageManifest:
        return
    _reorder_layers(image)
    if image.dockerImageLayers and image.dockerImageManifestMediaType and _size_of(image) > 0:
        return
    with contextlib.suppress(GoJSONError, ClientFailure):
        manifest = gojson.decode(_bytes(image.dockerImageManifest), _MANIFEST) or {}
        if manifest.get("mediaType") in _LISTS:
            image.dockerImageMetadata = _list_metadata(image.metadata.name, now)
        elif manifest.get("schemaVersion") == 1:
            _fill_schema1(image, manifest)
        elif manifest.get("schemaVersion") == 2:
            _fill_schema2(image, manifest)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _size_of(image: Image) -> int:
    try:
        return read_metadata(image.dockerImageMetadata)[1]
    except ConversionError:
        return 0


def _list_metadata(name: str, now: str) -> msgspec.Raw:
    head = {"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0"}
    return msgspec.Raw(msgspec.json.encode({**head, "Id": name, "Created": now, "ContainerConfig": {}}))


def _fill_schema1(image: Image, manifest: dict[str, Any]) -> None:
    digests = [one.get("blobSum", "") for one in manifest.get("fsLayers") or ()]
    history = [one.get("v1Compatibility", "") for one in manifest.get("history") or ()]
    if not image.dockerImageLayers:
        if len(history) != len(digests):
            return
        layers = [
            ImageLayer(digest, _history_size(text), oci.DOCKER_SCHEMA1_LAYER)
            for digest, text in zip(digests, history, strict=True)
        ]
        _set_layers(image, layers[::-1])
    image.dockerImageManifestMediaType = oci.DOCKER_SCHEMA1
    if history:
        config = decode_compatibility(_bytes(history[0]))
        image.dockerImageMetadata = docker_image_metadata(config, config.id, _total(image, "", 0))


def _history_size(text: str) -> int:
    try:
        size: int = (gojson.decode(_bytes(text), _SIZE) or {}).get("size", 0)
    except GoJSONError:
        return 0
    return size


def _fill_schema2(image: Image, manifest: dict[str, Any]) -> None:
    if not image.dockerImageLayers:
        described = manifest.get("layers") or ()
        _set_layers(
            image,
            [ImageLayer(one.get("digest", ""), one.get("size", 0), one.get("mediaType", "")) for one in described],
        )
    media_type = manifest.get("mediaType") or image.dockerImageManifestMediaType or oci.DOCKER_MANIFEST
    image.dockerImageManifestMediaType = media_type
    if not image.dockerImageConfig:
        return
    content = _bytes(image.dockerImageConfig)
    digest = (manifest.get("config") or {}).get("digest", "")
    image.dockerImageMetadata = docker_image_metadata(
        decode_config(content), digest, _total(image, digest, len(content))
    )


def _set_layers(image: Image, layers: list[ImageLayer]) -> None:
    image.dockerImageLayers = layers or None
    image.metadata.annotations = {**(image.metadata.annotations or {}), LAYERS_ORDER: "ascending"}


def _total(image: Image, config: str, size: int) -> int:
    """The config and each distinct layer once, in bytes."""
    seen = {config} if config else set()
    for layer in image.dockerImageLayers or ():
        if layer.name not in seen:
            seen.add(layer.name)
            size += layer.size
    return size


def _reorder_layers(image: Image) -> None:
    """Layers are kept base first. Where nothing says how they lie, the media type does."""
    if not image.dockerImageLayers:
        return
    order = (image.metadata.annotations or {}).get(LAYERS_ORDER)
    if order is None:
        if image.dockerImageManifestMediaType in _SCHEMA1:
            order = "ascending"
        elif image.dockerImageManifestMediaType in _SCHEMA2:
            order = "descending"
        else:
            return
    layers = image.dockerImageLayers
    _set_layers(image, layers[::-1] if order == "descending" else layers)


def list_entries(image: Image) -> list[ImageManifest] | None:
    """The entries of the list that an image's manifest is; None if it is none."""
    if not image.dockerImageManifest or image.dockerImageManifestMediaType not in _LISTS:
        return None
    content = _bytes(image.dockerImageManifest)
    try:
        manifest = decode_manifest(RawManifest(content, image.dockerImageManifestMediaType))
    except ClientFailure:
        return None
    if not isinstance(manifest, ListManifest):
        return None
    return entries_of(manifest)
