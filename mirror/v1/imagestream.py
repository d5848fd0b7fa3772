"""``image.openshift.io/v1`` ImageStream and its virtual tags (openshift/api ``image/v1/types.go``)."""

from __future__ import annotations

from mirror.v1.image import Image
from mirror.v1.meta import V1, ApiObject, ListMeta, ObjectReference, Time, always, nullable

SOURCE = "Source"
LOCAL = "Local"
LEGACY = "Legacy"
PRESERVE_ORIGINAL = "PreserveOriginal"


class TagImportPolicy(V1):
    """How a tag is imported. ``importMode`` is defaulted whenever an object is decoded."""

    insecure: bool = False
    scheduled: bool = False
    importMode: str = ""


class TagReferencePolicy(V1):
    type: str = always(str)


class ImageLookupPolicy(V1):
    local: bool = always(bool)


class TagReference(V1, rename={"from_": "from"}):
    """A tag of ``spec.tags``: where it comes from and how it is kept."""

    name: str = always(str)
    annotations: dict[str, str] | None = nullable()
    from_: ObjectReference | None = None
    reference: bool = False
    generation: int | None = nullable()
    importPolicy: TagImportPolicy = always(TagImportPolicy)
    referencePolicy: TagReferencePolicy = always(TagReferencePolicy)


class ImageStreamSpec(V1):
    lookupPolicy: ImageLookupPolicy = always(ImageLookupPolicy)
    dockerImageRepository: str = ""
    tags: list[TagReference] | None = None


class TagEvent(V1):
    """An entry of a tag's history, newest first in its list."""

    created: Time | None = nullable()
    dockerImageReference: str = always(str)
    image: str = always(str)
    generation: int = always(int)


class TagEventCondition(V1):
    type: str = always(str)
    status: str = always(str)
    lastTransitionTime: Time | None = nullable()
    reason: str = ""
    message: str = ""
    generation: int = always(int)


class NamedTagEventList(V1):
    """A tag of ``status.tags``. ``items`` is ``null`` while the tag has no history."""

    tag: str = always(str)
    items: list[TagEvent] | None = nullable()
    conditions: list[TagEventCondition] | None = None


class ImageStreamStatus(V1):
    dockerImageRepository: str = always(str)
    publicDockerImageRepository: str = ""
    tags: list[NamedTagEventList] | None = None


class ImageStream(ApiObject):
    spec: ImageStreamSpec = always(ImageStreamSpec)
    status: ImageStreamStatus = always(ImageStreamStatus)


class ImageStreamList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageStream] = always(list[ImageStream])


class ImageStreamTag(ApiObject):
    tag: TagReference | None = nullable()
    generation: int = always(int)
    lookupPolicy: ImageLookupPolicy = always(ImageLookupPolicy)
    conditions: list[TagEventCondition] | None = None
    image: Image = always(Image)


class ImageStreamImage(ApiObject):
    image: Image = always(Image)


class ImageStreamTagList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageStreamTag] = always(list[ImageStreamTag])
