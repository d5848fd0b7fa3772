"""What OpenAPI calls the types, and what it says of them that their Structs do not (openshift/api ``image/v1``).

``REQUIRED``, ``MERGE_KEYS`` and the others are documentation for clients; the server enforces none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from mirror.api.groups import ApiGroup
from mirror.v1.meta import LocalObjectReference, ObjectReference

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
CORE: Final = "io.k8s.api.core.v1"
IMAGE: Final = "com.github.openshift.api.image.v1"
RAW_EXTENSION: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"

_PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mirror.v1.meta": META,
        "mirror.v1.options": META,
        "mirror.v1.discovery": META,
        "mirror.v1.secret": CORE,
        "mirror.v1.namespace": CORE,
        "mirror.v1.service": CORE,
        "mirror.v1.clusterconfig": "io.openshift.config.v1",
        "mirror.v1.review": "io.k8s.api.authorization.v1",
        "mirror.v1.image": IMAGE,
        "mirror.v1.imagestream": IMAGE,
        "mirror.v1.imagestreamimport": IMAGE,
        "mirror.v1.imagestreamlayers": IMAGE,
        "mirror.v1.imagetag": IMAGE,
    }
)

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "APIResource": ("name", "singularName", "namespaced", "kind", "verbs"),
        "APIResourceList": ("groupVersion", "resources"),
        "APIGroup": ("name", "versions"),
        "APIGroupList": ("groups",),
        "APIVersions": ("versions", "serverAddressByClientCIDRs"),
        "GroupVersionForDiscovery": ("groupVersion", "version"),
        "ServerAddress": ("clientCIDR", "serverAddress"),
        "Info": (
            *("major", "minor", "gitVersion", "gitCommit", "gitTreeState"),
            *("buildDate", "goVersion", "compiler", "platform"),
        ),
        "ImageImportSpec": ("from",),
        "ImageImportStatus": ("status",),
        "ImageLayer": ("name", "size", "mediaType"),
        "ImageLayerData": ("size", "mediaType"),
        "ImageList": ("items",),
        "ImageLookupPolicy": ("local",),
        "ImageManifest": ("digest", "mediaType", "manifestSize", "architecture", "os"),
        "ImageSignature": ("type", "content"),
        "ImageStreamImage": ("image",),
        "ImageStreamImport": ("spec", "status"),
        "ImageStreamImportSpec": ("import",),
        "ImageStreamLayers": ("blobs", "images"),
        "ImageStreamList": ("items",),
        "ImageStreamMapping": ("image", "tag"),
        "ImageStreamTag": ("tag", "generation", "lookupPolicy", "image"),
        "ImageStreamTagList": ("items",),
        "ImageTag": ("spec", "status", "image"),
        "ImageTagList": ("items",),
        "NamedTagEventList": ("tag", "items"),
        "OwnerReference": ("apiVersion", "kind", "name", "uid"),
        "RepositoryImportSpec": ("from",),
        "SecretList": ("items",),
        "ServiceList": ("items",),
        "ServicePort": ("port",),
        "ConfigMapReference": ("name",),
        "Mirrors": ("source",),
        "NamespaceList": ("items",),
        "ProjectList": ("items",),
        "RegistryLocation": ("domainName",),
        "RepositoryDigestMirrors": ("source",),
        "ResourceRule": ("verbs",),
        "NonResourceRule": ("verbs",),
        "SubjectAccessReviewStatus": ("allowed",),
        "SubjectRulesReviewStatus": ("resourceRules", "nonResourceRules", "incomplete"),
        "SignatureCondition": ("type", "status"),
        "SignatureSubject": ("publicKeyID",),
        "TagEvent": ("created", "dockerImageReference", "image", "generation"),
        "TagEventCondition": ("type", "status", "generation"),
        "TagReference": ("name",),
        "TagReferencePolicy": ("type",),
    }
)

_ATOMIC: Final = {"x-kubernetes-list-type": "atomic"}


def _merged_by(key: str) -> dict[str, Any]:
    return {"x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": "merge"}


FIELD_HINTS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = MappingProxyType(
    {
        ("Image", "dockerImageMetadata"): {"x-kubernetes-patch-strategy": "replace"},
        ("Image", "signatures"): _merged_by("name"),
        ("ImageSignature", "conditions"): _merged_by("type"),
        ("ImageStreamSpec", "tags"): _merged_by("name"),
        ("ImageStreamStatus", "tags"): _merged_by("tag"),
        ("LocalObjectReference", "name"): {"default": ""},
        ("APIResource", "categories"): _ATOMIC,
        ("APIResource", "shortNames"): _ATOMIC,
        ("APIResourceList", "resources"): _ATOMIC,
        ("APIGroup", "versions"): _ATOMIC,
        ("APIGroup", "serverAddressByClientCIDRs"): _ATOMIC,
        ("APIGroupList", "groups"): _ATOMIC,
        ("APIVersions", "versions"): _ATOMIC,
        ("APIVersions", "serverAddressByClientCIDRs"): _ATOMIC,
        ("DeleteOptions", "dryRun"): _ATOMIC,
        ("Status", "details"): _ATOMIC,
        ("StatusDetails", "causes"): _ATOMIC,
        ("ObjectMeta", "finalizers"): {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
        ("ObjectMeta", "managedFields"): _ATOMIC,
        ("ObjectMeta", "ownerReferences"): {
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-list-type": "map",
            **_merged_by("uid"),
        },
    }
)

ATOMIC_TYPES: Final = frozenset({"LocalObjectReference", "ObjectReference", "OwnerReference"})
INT32: Final = frozenset({("Status", "code"), ("StatusDetails", "retryAfterSeconds")})

_GO_NAMES: Final[Mapping[str, str]] = MappingProxyType({"ServerAddress": "ServerAddressByClientCIDR"})


def definition_name(type_: type[msgspec.Struct], group: ApiGroup | None = None) -> str:
    """The name of a type in OpenAPI documents.

    A kind of the group is in the group's package, all else in that of its module.
    """
    if group is not None:
        for kind, known in group.types.items():
            if known is type_:
                return f"{group.schema_package}.{kind}"
    if type_ in (LocalObjectReference, ObjectReference):
        return f"{CORE}.{type_.__name__}"
    if type_.__name__ == "Info":
        return "io.k8s.apimachinery.pkg.version.Info"
    return f"{_PACKAGES[type_.__module__]}.{_GO_NAMES.get(type_.__name__, type_.__name__)}"
