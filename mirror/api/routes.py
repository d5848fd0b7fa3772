"""The routing table of ``image.openshift.io/v1``: every resource with all that can be done with it."""

from __future__ import annotations

from mirror.api.cluster import Cluster
from mirror.api.image_tags import ImageTagResource
from mirror.api.images import ImageResource
from mirror.api.imports import ImportResource
from mirror.api.layers import LayersResource, StreamImageResource
from mirror.api.mappings import MappingResource
from mirror.api.routing import Route, Verbs
from mirror.api.signatures import SignatureResource
from mirror.api.stream_secrets import StreamSecretResource
from mirror.api.stream_tags import StreamTagResource
from mirror.api.streams import StreamResource
from mirror.api.tag_resource import TagResource
from mirror.v1.imagestream import ImageStreamTag
from mirror.v1.imagetag import ImageTag


def image_routes(cluster: Cluster) -> dict[str, Route]:
    """The routes of one cluster, by resource."""
    return {
        "images": _images(cluster),
        "imagesignatures": _signatures(cluster),
        "imagestreamimages": Route(True, item={"get": StreamImageResource(cluster).get}),
        "imagestreamimports": Route(True, {"create": ImportResource(cluster).create}),
        "imagestreammappings": Route(True, {"create": MappingResource(cluster).create}),
        "imagestreams": _streams(cluster),
        "imagestreamtags": _tags(StreamTagResource(cluster)),
        "imagetags": _tags(ImageTagResource(cluster)),
    }


def _streams(cluster: Cluster) -> Route:
    streams = StreamResource(cluster)
    reading: Verbs = {"list": streams.collection.list, "watch": streams.collection.watch}
    return Route(
        True,
        {**reading, "create": streams.create, "deletecollection": streams.delete_collection},
        reading,
        {"get": streams.get, "update": streams.update, "patch": streams.patch, "delete": streams.delete},
        {
            "layers": {"get": LayersResource(cluster).get},
            "secrets": {"get": StreamSecretResource(cluster).get},
            "status": {"get": streams.get_status, "update": streams.update_status, "patch": streams.patch_status},
        },
    )


def _tags(tags: TagResource[ImageTag] | TagResource[ImageStreamTag]) -> Route:
    return Route(
        True,
        {"list": tags.list, "create": tags.create},
        {"list": tags.list},
        {"get": tags.get, "update": tags.update, "patch": tags.patch, "delete": tags.delete},
    )


def _images(cluster: Cluster) -> Route:
    images = ImageResource(cluster)
    return Route(
        False,
        everywhere={
            "list": images.collection.list,
            "watch": images.collection.watch,
            "create": images.create,
            "deletecollection": images.delete_collection,
        },
        item={"get": images.get, "update": images.update, "patch": images.patch, "delete": images.delete},
    )


def _signatures(cluster: Cluster) -> Route:
    signatures = SignatureResource(cluster)
    return Route(False, everywhere={"create": signatures.create}, item={"delete": signatures.delete})
