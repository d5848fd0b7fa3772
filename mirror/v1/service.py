"""``v1`` Service (k8s.io/api ``core/v1``), as far as clusters that run nothing have need of it."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, ListMeta, always


class ServicePort(V1):
    name: str = ""
    protocol: str = ""
    port: int = always(int)
    nodePort: int = 0


class ServiceSpec(V1):
    ports: list[ServicePort] | None = None
    selector: dict[str, str] | None = None
    clusterIP: str = ""
    type: str = ""
    externalName: str = ""


class LoadBalancerIngress(V1):
    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(V1):
    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(V1):
    loadBalancer: LoadBalancerStatus = always(LoadBalancerStatus)


class Service(ApiObject):
    """A service. There are none: clients only ask which there are, and what is said of them."""

    spec: ServiceSpec = always(ServiceSpec)
    status: ServiceStatus = always(ServiceStatus)


class ServiceList(V1):
    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[Service] = always(list[Service])
