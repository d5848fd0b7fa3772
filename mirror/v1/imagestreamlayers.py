"""``image.openshift.io/v1`` ImageStreamLayers (openshift/api ``image/v1/types.go``)."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, always, nullable


class ImageLayerData(V1):
    """A blob; its size in bytes where that is known."""

    size: int | None = nullable()
    mediaType: str = always(str)


class ImageBlobReferences(V1):
    """What an image refers to by digest. Lists have neither layers nor a config of their own."""

    imageMissing: bool = always(bool)
    layers: list[str] | None = nullable()
    config: str | None = nullable()
    manifests: list[str] | None = None


class ImageStreamLayers(ApiObject):
    """All blobs that the history of a stream leads to, and which image refers to which."""

    blobs: dict[str, ImageLayerData] = always(dict[str, ImageLayerData])
    images: dict[str, ImageBlobReferences] = always(dict[str, ImageBlobReferences])
