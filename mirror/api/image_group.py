"""The group ``image.openshift.io/v1``: what its resources are called and how they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from mirror.api import printers
from mirror.api.cluster import Cluster
from mirror.api.groups import ApiGroup, Resource
from mirror.api.routes import image_routes
from mirror.v1.image import Image, ImageList, ImageSignature
from mirror.v1.imagestream import (
    ImageStream,
    ImageStreamImage,
    ImageStreamList,
    ImageStreamTag,
    ImageStreamTagList,
)
from mirror.v1.imagestreamimport import ImageStreamImport
from mirror.v1.imagestreamlayers import ImageStreamLayers
from mirror.v1.imagetag import ImageStreamMapping, ImageTag, ImageTagList
from mirror.v1.secret import SecretList

RESOURCES: Final = {
    "images": Resource("Image", "image", stored=True, printer=printers.IMAGES),
    "imagesignatures": Resource("ImageSignature", "imagesignature"),
    "imagestreamimages": Resource(
        "ImageStreamImage", "imagestreamimage", short_names=("isimage",), printer=printers.STREAM_IMAGES
    ),
    "imagestreamimports": Resource("ImageStreamImport", "imagestreamimport"),
    "imagestreammappings": Resource("ImageStreamMapping", "imagestreammapping"),
    "imagestreams": Resource(
        "ImageStream",
        "imagestream",
        short_names=("is",),
        categories=("all",),
        subresources={"layers": "ImageStreamLayers", "secrets": "SecretList", "status": "ImageStream"},
        stored=True,
        printer=printers.STREAMS,
    ),
    "imagestreamtags": Resource(
        "ImageStreamTag", "imagestreamtag", short_names=("istag",), printer=printers.STREAM_TAGS
    ),
    "imagetags": Resource("ImageTag", "imagetag", short_names=("itag",), printer=printers.TAGS),
}

IMAGE_SCHEMAS: Final = "com.github.openshift.api.image.v1"
TYPES: Final[Mapping[str, type[msgspec.Struct]]] = {
    type_.__name__: type_
    for type_ in (
        *(Image, ImageList, ImageSignature, ImageStream, ImageStreamImage, ImageStreamImport, ImageStreamLayers),
        *(ImageStreamList, ImageStreamMapping, ImageStreamTag, ImageStreamTagList, ImageTag, ImageTagList, SecretList),
    )
}


def image_group(cluster: Cluster) -> ApiGroup:
    """The group with the routes of a cluster."""
    return ApiGroup(
        name="image.openshift.io",
        version="v1",
        routes=image_routes(cluster),
        resources=RESOURCES,
        package="image",
        types=TYPES,
        schema_package=IMAGE_SCHEMAS,
    )
