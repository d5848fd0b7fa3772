"""Tables of the objects around images, in the columns that a cluster gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from mirror.api.durations import age
from mirror.api.tables import AGE, NAME, Printer, column
from mirror.v1.meta import ApiObject
from mirror.v1.namespace import Namespace, Project
from mirror.v1.secret import Secret


def _namespace_cells(item: Namespace, now: datetime) -> list[Any]:
    return [item.metadata.name, item.status.phase, age(item.metadata.creationTimestamp, now)]


def _project_cells(item: Project, now: datetime) -> list[Any]:
    del now
    annotations = item.metadata.annotations or {}
    return [item.metadata.name, annotations.get("openshift.io/display-name", ""), item.status.phase]


def _secret_cells(item: Secret, now: datetime) -> list[Any]:
    return [item.metadata.name, item.type, len(item.data or {}), age(item.metadata.creationTimestamp, now)]


def _service_cells(item: ApiObject, now: datetime) -> list[Any]:
    return [item.metadata.name, *("<none>",) * 4, age(item.metadata.creationTimestamp, now)]


def _custom_cells(item: ApiObject, now: datetime) -> list[Any]:
    return [item.metadata.name, age(item.metadata.creationTimestamp, now)]


NAMESPACES: Final = Printer([NAME, column("Status", "The status of the namespace"), AGE], _namespace_cells)
PROJECTS: Final = Printer(
    [NAME, column("Display Name", "Display name of the project."), column("Status", "The status of the project")],
    _project_cells,
)
SECRETS: Final = Printer(
    [
        NAME,
        column("Type", "Used to facilitate programmatic handling of secret data."),
        column("Data", "How many values the secret holds.", type_="integer"),
        AGE,
    ],
    _secret_cells,
)
SERVICES: Final = Printer(
    [
        NAME,
        column("Type", "How the service is exposed."),
        column("Cluster-IP", "The address of the service within the cluster."),
        column("External-IP", "The addresses of the service outside of the cluster."),
        column("Port(s)", "The ports of the service."),
        AGE,
    ],
    _service_cells,
)
CUSTOM: Final = Printer([NAME, column("Age", AGE.description, type_="date")], _custom_cells)
