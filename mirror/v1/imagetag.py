"""``image.openshift.io/v1`` ImageTag and ImageStreamMapping (openshift/api ``image/v1/types.go``)."""

from __future__ import annotations

from mirror.v1.image import Image
from mirror.v1.imagestream import NamedTagEventList, TagReference
from mirror.v1.meta import V1, ApiObject, ListMeta, always, nullable


class ImageTag(ApiObject):
    """A tag as its stream's spec and status have it, either of which may be missing."""

    spec: TagReference | None = nullable()
    status: NamedTagEventList | None = nullable()
    image: Image | None = nullable()


class ImageTagList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageTag] = always(list[ImageTag])


class ImageStreamMapping(ApiObject):
    """What a registry sends after a push: an image, and the tag that points to it now."""

    image: Image = always(Image)
    tag: str = always(str)
