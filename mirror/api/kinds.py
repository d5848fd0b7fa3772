"""The kinds that the real server's scheme knows: they decide how a body of the wrong kind is refused."""

from __future__ import annotations

from typing import Final

SCHEME: Final = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"

_META: Final = [
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
    "ExportOptions",
]

_KINDS: Final[dict[str, str]] = {
    "v1": (
        "APIGroup APIGroupList APIResourceList APIVersions Binding ComponentStatus ComponentStatusList ConfigMap "
        "ConfigMapList Endpoints EndpointsList Event EventList LimitRange LimitRangeList List Namespace NamespaceList "
        "Node NodeList NodeProxyOptions PersistentVolume PersistentVolumeClaim PersistentVolumeClaimList "
        "PersistentVolumeList Pod PodAttachOptions PodExecOptions PodList PodLogOptions PodPortForwardOptions "
        "PodProxyOptions PodStatusResult PodTemplate PodTemplateList RangeAllocation ReplicationController "
        "ReplicationControllerList ResourceQuota ResourceQuotaList Secret SecretList SerializedReference Service "
        "ServiceAccount ServiceAccountList ServiceList ServiceProxyOptions Status"
    ),
    "apps/v1": (
        "ControllerRevision ControllerRevisionList DaemonSet DaemonSetList Deployment DeploymentList ReplicaSet "
        "ReplicaSetList StatefulSet StatefulSetList"
    ),
    "batch/v1": "CronJob CronJobList Job JobList",
    "image.openshift.io/v1": (
        "DockerImage Image ImageList ImageSignature ImageStream ImageStreamImage ImageStreamImport ImageStreamLayers "
        "ImageStreamList ImageStreamMapping ImageStreamTag ImageStreamTagList ImageTag ImageTagList SecretList"
    ),
    "build.openshift.io/v1": (
        "BinaryBuildRequestOptions Build BuildConfig BuildConfigList BuildList BuildLog BuildLogOptions BuildRequest"
    ),
    "apps.openshift.io/v1": (
        "DeploymentConfig DeploymentConfigList DeploymentConfigRollback DeploymentLog DeploymentLogOptions "
        "DeploymentRequest"
    ),
    "project.openshift.io/v1": "Project ProjectList ProjectRequest",
    "route.openshift.io/v1": "Route RouteList",
    "template.openshift.io/v1": (
        "BrokerTemplateInstance BrokerTemplateInstanceList Template TemplateInstance TemplateInstanceList TemplateList"
    ),
    "rbac.authorization.k8s.io/v1": (
        "ClusterRole ClusterRoleBinding ClusterRoleBindingList ClusterRoleList Role RoleBinding "
        "RoleBindingList RoleList"
    ),
    "networking.k8s.io/v1": "Ingress IngressClass IngressClassList IngressList NetworkPolicy NetworkPolicyList",
}
_BY_VERSION: Final = {version: frozenset((*kinds.split(), *_META)) for version, kinds in _KINDS.items()}


def is_registered(api_version: str, kind: str) -> bool:
    """Whether the scheme knows a kind in a version."""
    return kind in _BY_VERSION.get(api_version, ())
