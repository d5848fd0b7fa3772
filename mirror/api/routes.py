"""The routing table of ``image.openshift.io/v1``: every resource with all that can be done with it."""

from __future__ import annotations

from mirror.api.cluster import Cluster
from mirror.api.images import ImageResource
from mirror.api.imports import ImportResource
from mirror.api.routing import Route
from mirror.api.streams import StreamResource
from mirror.api.tags import StreamImageResource, StreamTagResource


def image_routes(cluster: Cluster) -> dict[str, Route]:
    """The routes of one cluster, by resource."""
    imports = ImportResource(cluster)
    streams = StreamResource(cluster)
    tags = StreamTagResource(cluster)
    stream_images = StreamImageResource(cluster)
    images = ImageResource(cluster)
    return {
        "imagestreamimports": Route(True, {"create": imports.create}),
        "imagestreams": Route(
            True,
            {"list": streams.list, "create": streams.create},
            {"list": streams.list},
            {"get": streams.get, "update": streams.update, "delete": streams.delete},
            {"status": {"get": streams.get_status, "update": streams.update_status}},
        ),
        "imagestreamtags": Route(True, {"list": tags.list}, {"list": tags.list}, {"get": tags.get}),
        "imagestreamimages": Route(True, item={"get": stream_images.get}),
        "images": Route(False, everywhere={"list": images.list}, item={"get": images.get}),
    }
