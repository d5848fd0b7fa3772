"""What the OpenAPI documents say of the types that the real image API has no words for: those of groups around it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SecretList": "Secrets.",
        "ServiceList": "Services.",
        "ServiceSpec": "Who answers where.",
        "ServicePort": "A port of a service.",
        "ServiceStatus": "How a service is.",
        "LoadBalancerStatus": "How a load balancer is.",
        "LoadBalancerIngress": "A place where a load balancer is reached.",
        "NamespaceList": "Namespaces.",
        "NamespaceSpec": "What has to be done before a namespace goes.",
        "NamespaceStatus": "How a namespace is.",
        "ProjectList": "Projects.",
        "ImageConfigList": "Image configurations.",
        "ImageConfigSpec": "What is wanted.",
        "ImageConfigStatus": "What is so.",
        "ImageDigestMirrorSetList": "Image digest mirror sets.",
        "ImageTagMirrorSetList": "Image tag mirror sets.",
        "ImageContentSourcePolicyList": "Image content source policies.",
        "DigestMirrorSpec": "Sources and their mirrors.",
        "TagMirrorSpec": "Sources and their mirrors.",
        "ContentSourceSpec": "Sources and their mirrors.",
        "ConfigMapReference": "Names a ConfigMap.",
        "SelfSubjectAccessReviewSpec": "What is asked.",
        "SubjectAccessReviewStatus": "The answer.",
        "SelfSubjectRulesReviewSpec": "What is asked.",
        "SubjectRulesReviewStatus": "The answer.",
        "SelfSubjectReviewStatus": "The answer.",
        "ResourceRule": "What may be done with resources.",
        "NonResourceRule": "What may be done at paths that are no resources.",
        "UserInfo": "A user.",
    }
)

_KIND: Final = "The kind of this object, in CamelCase. The server fills it in by the path of the request."
_VERSION: Final = "The group and version that the object is written in. The server converts what is not in its own."
_METADATA: Final = "Names, version, labels and annotations of the object."

FIELDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "*": {"kind": _KIND, "apiVersion": _VERSION, "metadata": _METADATA, "items": "The objects of the list."},
        "Namespace": {"spec": "What has to be done before it goes.", "status": "How it is."},
        "Service": {"spec": "Who answers where.", "status": "How it is."},
        "ServiceSpec": {
            "ports": "The ports of the service.",
            "selector": "Labels of the pods that answer.",
            "clusterIP": "The address within the cluster.",
            "type": "ClusterIP, NodePort, LoadBalancer or ExternalName.",
            "externalName": "The name outside of the cluster that the service stands for.",
        },
        "ServicePort": {
            "name": "The name of the port.",
            "protocol": "TCP, UDP or SCTP.",
            "port": "The port of the service.",
            "nodePort": "The port on each node.",
        },
        "ServiceStatus": {"loadBalancer": "Where it is reached from outside."},
        "LoadBalancerStatus": {"ingress": "The places where it is reached."},
        "LoadBalancerIngress": {"ip": "Its address.", "hostname": "Its name."},
        "Project": {"spec": "What has to be done before it goes.", "status": "How it is."},
        "NamespaceSpec": {"finalizers": "Who has to do something before it goes."},
        "NamespaceStatus": {"phase": "Active or Terminating."},
        "ProjectRequest": {"displayName": "The name for people.", "description": "What it is for."},
        "ImageConfig": {"spec": "What is wanted.", "status": "What is so."},
        "ImageConfigSpec": {
            "allowedRegistriesForImport": "Registries that users may import from; none: all.",
            "externalRegistryHostnames": "Names of the internal registry as it is known outside.",
            "additionalTrustedCA": "A ConfigMap of certificates to trust when images are pulled.",
            "registrySources": "How registries are treated.",
            "imageStreamImportMode": "The import mode of tags that have none: Legacy or PreserveOriginal.",
        },
        "ImageConfigStatus": {
            "internalRegistryHostname": "The name of the internal registry, with its port.",
            "externalRegistryHostnames": "Names of the internal registry as it is known outside.",
            "imageStreamImportMode": "The import mode that is in effect.",
        },
        "RegistryLocation": {
            "domainName": "The host, with its port where that is not 443 (or 80); * and ? stand for other characters.",
            "insecure": "Whether it may be spoken to without TLS that can be trusted.",
        },
        "ConfigMapReference": {"name": "The name of the ConfigMap."},
        "RegistrySources": {
            "insecureRegistries": "Registries that may be spoken to without TLS that can be trusted.",
            "blockedRegistries": "Registries that nothing is pulled from.",
            "allowedRegistries": "The only registries that containers are pulled from; imports do not look at it.",
            "containerRuntimeSearchRegistries": "Registries for names without one; imports do not look at it.",
        },
        "ImageDigestMirrorSet": {"spec": "Sources and their mirrors."},
        "ImageTagMirrorSet": {"spec": "Sources and their mirrors."},
        "ImageContentSourcePolicy": {"spec": "Sources and their mirrors."},
        "DigestMirrorSpec": {"imageDigestMirrors": "Sources and their mirrors."},
        "TagMirrorSpec": {"imageTagMirrors": "Sources and their mirrors."},
        "ContentSourceSpec": {"repositoryDigestMirrors": "Sources and their mirrors."},
        "Mirrors": {
            "source": "A registry, a namespace of it or a repository, or *. and a domain.",
            "mirrors": "Where to pull from instead, best first.",
            "mirrorSourcePolicy": "What becomes of the source: AllowContactingSource or NeverContactSource.",
        },
        "RepositoryDigestMirrors": {
            "source": "A registry, a namespace of it or a repository.",
            "mirrors": "Where to pull from instead, best first.",
        },
        "SelfSubjectAccessReview": {"spec": "What is asked.", "status": "The answer."},
        "SelfSubjectAccessReviewSpec": {
            "resourceAttributes": "Something that is to be done with a resource.",
            "nonResourceAttributes": "Something that is to be done at a path.",
        },
        "ResourceAttributes": {
            "namespace": "The namespace; none: all, or the resource is in none.",
            "verb": "What is to be done.",
            "group": "The group of the resource.",
            "version": "The version of the group.",
            "resource": "The resource.",
            "subresource": "The subresource.",
            "name": "The name of the object; none: all.",
        },
        "NonResourceAttributes": {"path": "The path.", "verb": "What is to be done."},
        "SubjectAccessReviewStatus": {
            "allowed": "Whether it is allowed.",
            "denied": "Whether it is forbidden by a rule.",
            "reason": "Why.",
            "evaluationError": "What went wrong while that was found out.",
        },
        "SelfSubjectRulesReview": {"spec": "What is asked.", "status": "The answer."},
        "SelfSubjectRulesReviewSpec": {"namespace": "The namespace."},
        "SubjectRulesReviewStatus": {
            "resourceRules": "What may be done with resources.",
            "nonResourceRules": "What may be done at paths that are no resources.",
            "incomplete": "Whether there may be more.",
        },
        "ResourceRule": {
            "verbs": "What may be done.",
            "apiGroups": "The groups.",
            "resources": "The resources.",
            "resourceNames": "The names; none: all.",
        },
        "NonResourceRule": {"verbs": "What may be done.", "nonResourceURLs": "The paths."},
        "SelfSubjectReview": {"status": "The answer."},
        "SelfSubjectReviewStatus": {"userInfo": "Who it is."},
        "UserInfo": {"username": "The name.", "uid": "The uid.", "groups": "The groups."},
        "User": {
            "fullName": "The name for people.",
            "identities": "How the user is known elsewhere.",
            "groups": "The groups of the user.",
        },
    }
)
