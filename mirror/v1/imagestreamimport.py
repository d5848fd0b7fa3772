"""``image.openshift.io/v1`` ImageStreamImport (openshift/api ``image/v1/types.go``)."""

from __future__ import annotations

from mirror.v1.image import Image
from mirror.v1.imagestream import ImageStream, TagImportPolicy, TagReferencePolicy
from mirror.v1.meta import V1, ApiObject, LocalObjectReference, ObjectReference, Status, always


class ImageImportSpec(V1, rename={"from_": "from"}):
    from_: ObjectReference = always(ObjectReference)
    to: LocalObjectReference | None = None
    importPolicy: TagImportPolicy = always(TagImportPolicy)
    referencePolicy: TagReferencePolicy = always(TagReferencePolicy)
    includeManifest: bool = False


class RepositoryImportSpec(V1, rename={"from_": "from"}):
    from_: ObjectReference = always(ObjectReference)
    importPolicy: TagImportPolicy = always(TagImportPolicy)
    referencePolicy: TagReferencePolicy = always(TagReferencePolicy)
    includeManifest: bool = False


class ImageStreamImportSpec(V1, rename={"import_": "import"}):
    import_: bool = always(bool)
    repository: RepositoryImportSpec | None = None
    images: list[ImageImportSpec] | None = None


class ImageImportStatus(V1):
    """The result for one image. ``tag`` is the tag that was looked up, empty for digests."""

    status: Status = always(Status)
    image: Image | None = None
    tag: str = ""
    manifests: list[Image] | None = None


class RepositoryImportStatus(V1):
    status: Status = always(Status)
    images: list[ImageImportStatus] | None = None
    additionalTags: list[str] | None = None


class ImageStreamImportStatus(V1, rename={"import_": "import"}):
    import_: ImageStream | None = None
    repository: RepositoryImportStatus | None = None
    images: list[ImageImportStatus] | None = None


class ImageStreamImport(ApiObject):
    spec: ImageStreamImportSpec = always(ImageStreamImportSpec)
    status: ImageStreamImportStatus = always(ImageStreamImportStatus)
