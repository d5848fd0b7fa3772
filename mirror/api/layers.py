"""The subresource ``imagestreams/layers``, and the virtual resource ``imagestreamimages`` which rests on it.

Source: openshift-apiserver ``registry/imagestream/etcd``, ``registry/imagestreamimage``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from fake_registry import oci
from mirror.api import failures
from mirror.api.cluster import Cluster
from mirror.api.decoding import API_VERSION
from mirror.api.image_metadata import ConversionError, read_metadata
from mirror.api.reading import check_version
from mirror.api.routing import Call, Reply
from mirror.api.tag_events import is_image
from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, ImageStreamImage
from mirror.v1.imagestreamlayers import ImageBlobReferences, ImageLayerData, ImageStreamLayers
from mirror.v1.meta import ObjectMeta

STREAM_IMAGES: Final = "imagestreamimages"
_CONFIGS: Final = {oci.DOCKER_MANIFEST: oci.DOCKER_CONFIG, oci.OCI_MANIFEST: oci.OCI_CONFIG}


class LayersResource:
    """Reads what the history of a stream consists of."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """All blobs and images of a stream."""
        await check_version(self._cluster.store, call.request)
        stream = await self._cluster.streams.get(call.namespace, call.name)
        return Reply(await layers_of(self._cluster, stream))


async def layers_of(cluster: Cluster, stream: ImageStream) -> ImageStreamLayers:
    """The blobs and images that the history of a stream leads to, by digest."""
    layers = ImageStreamLayers("ImageStreamLayers", API_VERSION, stream.metadata)
    waiting = [event.image for tag in stream.status.tags or () for event in tag.items or () if event.image]
    while waiting:
        name = waiting.pop()
        if name in layers.images:
            continue
        image = await cluster.images.find("", name)
        if image is None:
            layers.images[name] = ImageBlobReferences(imageMissing=True)
            continue
        references = _references(image)
        layers.images[name] = references
        _add_blobs(layers, image, references.config)
        waiting += references.manifests or ()
    layers.blobs = dict(sorted(layers.blobs.items()))
    layers.images = dict(sorted(layers.images.items()))
    return layers


def _references(image: Image) -> ImageBlobReferences:
    return ImageBlobReferences(
        layers=[layer.name for layer in image.dockerImageLayers or ()] or None,
        config=_config(image),
        manifests=[entry.digest for entry in image.dockerImageManifests or ()] or None,
    )


def _config(image: Image) -> str | None:
    """The digest of the config; images older than schema 2 have none."""
    if image.dockerImageManifestMediaType not in _CONFIGS:
        return None
    try:
        return read_metadata(image.dockerImageMetadata)[0].id
    except ConversionError:
        return None


def _add_blobs(layers: ImageStreamLayers, image: Image, config: str | None) -> None:
    for layer in image.dockerImageLayers or ():
        layers.blobs.setdefault(layer.name, ImageLayerData(layer.size, layer.mediaType))
    media_type = image.dockerImageManifestMediaType or oci.DOCKER_MANIFEST
    if config is not None:
        layers.blobs.setdefault(config, ImageLayerData(mediaType=_CONFIGS[media_type]))
    layers.blobs.setdefault(image.metadata.name, ImageLayerData(mediaType=media_type))


class StreamImageResource:
    """Reads image stream images: any image that the history of a stream leads to, by the beginning of its digest."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, call: Call) -> Reply:
        """One image. Where a beginning fits several, the first in byte order is taken."""
        name, at, image_id = call.name.partition("@")
        if not (name and at and image_id) or "@" in image_id:
            raise failures.bad_request("ImageStreamImages must be retrieved with <name>@<id>")
        await check_version(self._cluster.store, call.request)
        stream = await self._cluster.streams.get(call.namespace, name, called=STREAM_IMAGES)
        layers = await layers_of(self._cluster, stream)
        found = next((digest for digest in layers.images if is_image(digest, image_id)), None)
        if found is None:
            raise failures.not_found("imagestreamimage", call.name)
        image = await self._cluster.images.get("", found, called=STREAM_IMAGES)
        meta = ObjectMeta(
            name=call.name,
            namespace=call.namespace,
            creationTimestamp=image.metadata.creationTimestamp,
            annotations=stream.metadata.annotations,
        )
        shown = msgspec.structs.replace(image, dockerImageManifest="", dockerImageConfig="")
        return Reply(ImageStreamImage("ImageStreamImage", API_VERSION, meta, shown))
