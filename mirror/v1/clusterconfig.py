"""``config.openshift.io/v1`` Image and mirror sets, ``operator.openshift.io/v1alpha1`` ImageContentSourcePolicy.

In a cluster these are custom resources: what is not said is not there, and nothing is filled in.
"""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, ListMeta, always


class RegistryLocation(V1):
    """A registry that images may be imported from."""

    domainName: str = always(str)
    insecure: bool = False


class ConfigMapReference(V1):
    name: str = always(str)


class RegistrySources(V1):
    """How registries are treated by whatever pulls images."""

    insecureRegistries: list[str] | None = None
    blockedRegistries: list[str] | None = None
    allowedRegistries: list[str] | None = None
    containerRuntimeSearchRegistries: list[str] | None = None


class ImageConfigSpec(V1):
    allowedRegistriesForImport: list[RegistryLocation] | None = None
    externalRegistryHostnames: list[str] | None = None
    additionalTrustedCA: ConfigMapReference | None = None
    registrySources: RegistrySources | None = None
    imageStreamImportMode: str = ""


class ImageConfigStatus(V1):
    internalRegistryHostname: str = ""
    externalRegistryHostnames: list[str] | None = None
    imageStreamImportMode: str = ""


class ImageConfig(ApiObject):
    """How the cluster deals with images and registries; the one object is called ``cluster``."""

    spec: ImageConfigSpec = always(ImageConfigSpec)
    status: ImageConfigStatus = always(ImageConfigStatus)


class ImageConfigList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageConfig] = always(list[ImageConfig])


class Mirrors(V1):
    """A source and its mirrors, best first."""

    source: str = always(str)
    mirrors: list[str] | None = None
    mirrorSourcePolicy: str = ""


class DigestMirrorSpec(V1):
    imageDigestMirrors: list[Mirrors] | None = None


class ImageDigestMirrorSet(ApiObject):
    """Mirrors for images that are pulled by digest."""

    spec: DigestMirrorSpec = always(DigestMirrorSpec)


class ImageDigestMirrorSetList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageDigestMirrorSet] = always(list[ImageDigestMirrorSet])


class TagMirrorSpec(V1):
    imageTagMirrors: list[Mirrors] | None = None


class ImageTagMirrorSet(ApiObject):
    """Mirrors for images that are pulled by tag."""

    spec: TagMirrorSpec = always(TagMirrorSpec)


class ImageTagMirrorSetList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageTagMirrorSet] = always(list[ImageTagMirrorSet])


class RepositoryDigestMirrors(V1):
    """A source and its mirrors, best first."""

    source: str = always(str)
    mirrors: list[str] | None = None


class ContentSourceSpec(V1):
    repositoryDigestMirrors: list[RepositoryDigestMirrors] | None = None


class ImageContentSourcePolicy(ApiObject):
    """Mirrors for images that are pulled by digest, as they were written before there were mirror sets."""

    spec: ContentSourceSpec = always(ContentSourceSpec)


class ImageContentSourcePolicyList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[ImageContentSourcePolicy] = always(list[ImageContentSourcePolicy])
