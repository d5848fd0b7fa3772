"""The groups around images, and their objects that are there from the start."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mirror.api.around import printers
from mirror.api.around.namespaces import INITIAL, PROJECTS, NamespaceResource, ProjectResource
from mirror.api.around.resources import StoredResource
from mirror.api.around.reviews import review_groups
from mirror.api.around.rules import (
    CustomStrategy,
    SecretStrategy,
    complete_secret,
    content_source_errors,
    digest_mirror_errors,
    image_config_errors,
    tag_mirror_errors,
)
from mirror.api.authorization import Authorizer
from mirror.api.cluster import Cluster
from mirror.api.collections import Collection
from mirror.api.field_selectors import SelectableFields, unsupported
from mirror.api.groups import ApiGroup, Resource
from mirror.api.objects import IMAGE_STREAMS, Objects
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, Reply, Route, Verbs
from mirror.api.settings import CLUSTER, SECRETS
from mirror.api.stream_secrets import SECRET_FIELDS
from mirror.config import ClusterConfig
from mirror.importer.allowed import AllowedRegistry
from mirror.v1.clusterconfig import (
    ImageConfig,
    ImageConfigList,
    ImageConfigSpec,
    ImageConfigStatus,
    ImageContentSourcePolicy,
    ImageContentSourcePolicyList,
    ImageDigestMirrorSet,
    ImageDigestMirrorSetList,
    ImageTagMirrorSet,
    ImageTagMirrorSetList,
    RegistryLocation,
    RegistrySources,
)
from mirror.v1.meta import ObjectMeta
from mirror.v1.namespace import Namespace, NamespaceList, Project, ProjectList, ProjectRequest
from mirror.v1.secret import Secret, SecretList
from mirror.v1.service import Service, ServiceList

CONFIG: Final = "config.openshift.io"
OPERATOR: Final = "operator.openshift.io"
MADE_FROM: Final = "ismirror.io/made-from"
"""Annotation of the image configuration: what configuration file it was made of."""


def _no_defaults(item: T) -> None:
    del item


_SECRETS: Final = ResourceKind("Secret", "secrets", Secret, complete_secret, api_version="v1", package="core")
_SERVICES: Final = ResourceKind("Service", "services", Service, _no_defaults, api_version="v1", package="core")


@dataclass(frozen=True, slots=True)
class Around:
    """The groups around images; `namespaces` looks after namespaces when objects are created in them."""

    groups: Sequence[ApiGroup]
    namespaces: NamespaceResource


async def groups_around(cluster: Cluster, authorizer: Authorizer | None = None, *, strict: bool = False) -> Around:
    """The groups of a cluster, with what is there from the start. Stored settings take effect.

    `strict`: objects are created only in namespaces that are there.

    Raises:
        InputError: the configuration cannot be used.
    """
    namespaces = NamespaceResource(cluster, [IMAGE_STREAMS, SECRETS], strict=strict)
    settings = cluster.settings
    image_configs = _custom(
        cluster, "Image", "images", ImageConfig, ImageConfigList, CustomStrategy(image_config_errors)
    )
    for name in INITIAL:
        await namespaces.ensure(name)
    await _write_image_config(cluster, image_configs)
    await settings.refresh()
    groups = [
        _core(cluster, namespaces),
        _config(cluster, image_configs),
        _operator(cluster),
        _projects(cluster, namespaces),
        *review_groups(authorizer or Authorizer()),
    ]
    return Around(groups, namespaces)


def _core(cluster: Cluster, namespaces: NamespaceResource) -> ApiGroup:
    secrets = StoredResource(cluster, _SECRETS, SecretList, SecretStrategy(), selectable=SECRET_FIELDS)
    return ApiGroup(
        name="",
        version="v1",
        routes={"namespaces": namespaces.route(), "secrets": secrets.route(), "services": _services(cluster)},
        resources={
            "namespaces": Resource("Namespace", "namespace", ("ns",), stored=True, printer=printers.NAMESPACES),
            "secrets": Resource("Secret", "secret", stored=True, printer=printers.SECRETS),
            "services": Resource(
                "Service", "service", ("svc",), categories=("all",), stored=True, printer=printers.SERVICES
            ),
        },
        package="core",
        types={
            "Namespace": Namespace,
            "NamespaceList": NamespaceList,
            "Secret": Secret,
            "SecretList": SecretList,
            "Service": Service,
            "ServiceList": ServiceList,
        },
        schema_package="io.k8s.api.core.v1",
        protobuf=True,
    )


def _services(cluster: Cluster) -> Route:
    """Services can be looked for, as ``cluster-info`` does, and are not there: nothing runs in this cluster."""
    objects = Objects(cluster.store, "services", Service, "")
    services = Collection(objects, _SERVICES, ServiceList, cluster.timing)

    async def get(call: Call) -> Reply:
        return Reply(await objects.get(call.namespace, call.name))

    reading: Verbs = {"list": services.list, "watch": services.watch}
    return Route(True, reading, reading, {"get": get})


def _custom(
    cluster: Cluster,
    kind: str,
    resource: str,
    type_: type[T],
    list_type: type[msgspec.Struct],
    strategy: CustomStrategy[T],
    api_version: str = f"{CONFIG}/v1",
) -> StoredResource[T]:
    known = ResourceKind(
        kind, resource, type_, _no_defaults, namespaced=False, api_version=api_version, package="unstructured"
    )
    selectable = SelectableFields[T](unknown=unsupported, namespaced=False)
    return StoredResource(cluster, known, list_type, strategy, cluster.settings.refresh, selectable)


def _config(cluster: Cluster, images: StoredResource[ImageConfig]) -> ApiGroup:
    digests = _custom(
        cluster,
        "ImageDigestMirrorSet",
        "imagedigestmirrorsets",
        ImageDigestMirrorSet,
        ImageDigestMirrorSetList,
        CustomStrategy(digest_mirror_errors),
    )
    tags = _custom(
        cluster,
        "ImageTagMirrorSet",
        "imagetagmirrorsets",
        ImageTagMirrorSet,
        ImageTagMirrorSetList,
        CustomStrategy(tag_mirror_errors),
    )
    return ApiGroup(
        name=CONFIG,
        version="v1",
        routes={
            "images": images.route(),
            "imagedigestmirrorsets": digests.route(),
            "imagetagmirrorsets": tags.route(),
        },
        resources={
            "images": Resource("Image", "image", stored=True, printer=printers.CUSTOM),
            "imagedigestmirrorsets": Resource(
                "ImageDigestMirrorSet", "imagedigestmirrorset", ("idms",), stored=True, printer=printers.CUSTOM
            ),
            "imagetagmirrorsets": Resource(
                "ImageTagMirrorSet", "imagetagmirrorset", ("itms",), stored=True, printer=printers.CUSTOM
            ),
        },
        package="unstructured",
        types={
            "Image": ImageConfig,
            "ImageList": ImageConfigList,
            "ImageDigestMirrorSet": ImageDigestMirrorSet,
            "ImageDigestMirrorSetList": ImageDigestMirrorSetList,
            "ImageTagMirrorSet": ImageTagMirrorSet,
            "ImageTagMirrorSetList": ImageTagMirrorSetList,
        },
        schema_package="io.openshift.config.v1",
    )


def _operator(cluster: Cluster) -> ApiGroup:
    policies = _custom(
        cluster,
        "ImageContentSourcePolicy",
        "imagecontentsourcepolicies",
        ImageContentSourcePolicy,
        ImageContentSourcePolicyList,
        CustomStrategy(content_source_errors),
        f"{OPERATOR}/v1alpha1",
    )
    return ApiGroup(
        name=OPERATOR,
        version="v1alpha1",
        routes={"imagecontentsourcepolicies": policies.route()},
        resources={
            "imagecontentsourcepolicies": Resource(
                "ImageContentSourcePolicy", "imagecontentsourcepolicy", stored=True, printer=printers.CUSTOM
            )
        },
        package="unstructured",
        types={
            "ImageContentSourcePolicy": ImageContentSourcePolicy,
            "ImageContentSourcePolicyList": ImageContentSourcePolicyList,
        },
        schema_package="io.openshift.operator.v1alpha1",
    )


def _projects(cluster: Cluster, namespaces: NamespaceResource) -> ApiGroup:
    projects = ProjectResource(cluster, namespaces)
    return ApiGroup(
        name=PROJECTS,
        version="v1",
        routes={
            "projects": Route(
                False,
                everywhere={"list": projects.list, "watch": projects.watch},
                item={"get": projects.get, "delete": projects.delete},
            ),
            "projectrequests": Route(False, everywhere={"list": projects.requests, "create": projects.request}),
        },
        resources={
            "projects": Resource("Project", "project", printer=printers.PROJECTS),
            "projectrequests": Resource("ProjectRequest", "projectrequest"),
        },
        package="project",
        types={"Project": Project, "ProjectList": ProjectList, "ProjectRequest": ProjectRequest},
        schema_package="com.github.openshift.api.project.v1",
    )


# The one image configuration


async def _write_image_config(cluster: Cluster, configs: StoredResource[ImageConfig]) -> None:
    """Makes the image configuration of the cluster's, unless it was made of the same one before.

    So changes that were made through the API last as long as the configuration file says what it said then.
    """
    config = cluster.config
    wanted = _spec_of(config)
    made_from = hashlib.sha256(msgspec.json.encode(wanted, order="deterministic")).hexdigest()[:16]
    status = ImageConfigStatus(
        config.internalRegistryHostname, config.externalRegistryHostnames or None, config.imageStreamImportMode
    )
    found = await configs.objects.find("", CLUSTER)
    if found is None:
        meta = ObjectMeta(name=CLUSTER, annotations={MADE_FROM: made_from})
        await configs.registry.create(ImageConfig(metadata=meta, spec=wanted, status=status), _AsItIs())
        return
    annotations = found.metadata.annotations or {}
    if annotations.get(MADE_FROM) != made_from:
        found.metadata.annotations = {**annotations, MADE_FROM: made_from}
        found.metadata.generation += 1
        found.spec, found.status = wanted, status
        await configs.objects.update(found, found.metadata.resourceVersion)


class _AsItIs:
    """Writes what the configuration says without judging it: that has been done."""

    async def create(self, item: ImageConfig) -> list[Any]:
        item.metadata.generation = 1
        return []

    async def update(self, item: ImageConfig, old: ImageConfig) -> list[Any]:
        del item, old
        return []


def _spec_of(config: ClusterConfig) -> ImageConfigSpec:
    sources = RegistrySources(config.insecureRegistries or None, config.blockedRegistries or None)
    allowed = [_location(registry) for registry in config.allowedRegistriesForImport]
    return ImageConfigSpec(
        allowedRegistriesForImport=allowed or None,
        externalRegistryHostnames=config.externalRegistryHostnames or None,
        registrySources=sources if sources != RegistrySources() else None,
        imageStreamImportMode=config.imageStreamImportMode,
    )


def _location(registry: AllowedRegistry) -> RegistryLocation:
    return RegistryLocation(registry.domain_name, registry.insecure)
