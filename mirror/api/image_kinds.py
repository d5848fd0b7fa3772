"""The kinds of ``image.openshift.io/v1`` that clients send."""

from __future__ import annotations

from functools import partial

from mirror.api.defaults import (
    default_image_tag,
    default_import,
    default_mapping,
    default_signature,
    default_stream,
    default_stream_tag,
    default_whole_image,
)
from mirror.api.objects import IMAGE_STREAMS, IMAGES
from mirror.api.resource_kinds import ResourceKind
from mirror.v1.image import Image, ImageSignature
from mirror.v1.imagestream import ImageStream, ImageStreamTag
from mirror.v1.imagestreamimport import ImageStreamImport
from mirror.v1.imagetag import ImageStreamMapping, ImageTag


class ImageKinds:
    """The kinds as one cluster sees them: `mode` is the import mode of whoever says nothing about it."""

    def __init__(self, mode: str) -> None:
        self.imports = ResourceKind(
            "ImageStreamImport", "imagestreamimports", ImageStreamImport, partial(default_import, mode=mode)
        )
        self.streams = ResourceKind("ImageStream", IMAGE_STREAMS, ImageStream, partial(default_stream, mode=mode))
        self.stream_tags = ResourceKind(
            "ImageStreamTag", "imagestreamtags", ImageStreamTag, partial(default_stream_tag, mode=mode)
        )
        self.image_tags = ResourceKind("ImageTag", "imagetags", ImageTag, partial(default_image_tag, mode=mode))
        self.mappings = ResourceKind("ImageStreamMapping", "imagestreammappings", ImageStreamMapping, default_mapping)
        self.images = ResourceKind("Image", IMAGES, Image, default_whole_image, namespaced=False)
        self.signatures = ResourceKind(
            "ImageSignature", "imagesignatures", ImageSignature, default_signature, namespaced=False
        )
