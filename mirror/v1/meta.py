"""Kubernetes metadata types (k8s.io/apimachinery ``meta/v1``, k8s.io/api ``core/v1``) as this API serialises them.

How emission is written down, here and in the other modules of the package: a field with a plain default is left out
when it has that default (Go's ``omitempty``); a field made by `always` is emitted even when it is empty. Field order is
key order in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

T = TypeVar("T")

Time = Annotated[str, msgspec.Meta(extra={"go": "Time"})]
"""An instant as RFC 3339 text in UTC with seconds, ``2026-11-23T07:19:05Z``."""


def always(factory: Callable[[], T]) -> T:
    """A field that is emitted even when it has its default value (no ``omitempty`` in Go)."""
    return msgspec.field(default_factory=factory)


def _null() -> None:
    return None


def nullable() -> Any:
    """A field that is emitted as ``null`` when it is unset."""
    return msgspec.field(default_factory=_null)


class V1(msgspec.Struct, omit_defaults=True, gc=False):
    """Base of all API types: what is empty is left out, unless its field says otherwise.

    Nothing in them refers back to what they are part of, so that the cyclic collector need not look at them: it took
    most of the time of long lists.
    """


class OwnerReference(V1):
    apiVersion: str = always(str)
    kind: str = always(str)
    name: str = always(str)
    uid: str = always(str)
    controller: bool | None = None
    blockOwnerDeletion: bool | None = None


NO_FIELDS: Final = msgspec.Raw(b"")
"""``fieldsV1`` that is not there."""


class ManagedFieldsEntry(V1):
    manager: str = ""
    operation: str = ""
    apiVersion: str = ""
    time: Time | None = None
    fieldsType: str = ""
    fieldsV1: msgspec.Raw = NO_FIELDS
    subresource: str = ""


class ObjectMeta(V1):
    """``metav1.ObjectMeta`` of Kubernetes 1.34: everything is left out when empty, ``creationTimestamp`` included."""

    name: str = ""
    generateName: str = ""
    namespace: str = ""
    selfLink: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    creationTimestamp: Time | None = None
    deletionTimestamp: Time | None = None
    deletionGracePeriodSeconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None
    finalizers: list[str] | None = None
    managedFields: list[ManagedFieldsEntry] | None = None


class ApiObject(V1):
    """What every kind begins with. Inside other objects ``kind`` and ``apiVersion`` stay empty."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ObjectMeta = always(ObjectMeta)


class ListMeta(V1):
    selfLink: str = ""
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remainingItemCount: int | None = None


class StatusCause(V1):
    """One cause of a failure. Its discriminator is called ``reason`` in JSON."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(V1):
    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: list[StatusCause] | None = None
    retryAfterSeconds: int = 0


class Status(V1):
    """``metav1.Status``: the answer of a call, and of each single image of an import.

    Inside other objects ``kind`` and ``apiVersion`` stay empty; ``metadata`` is always there.
    """

    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: int = 0


class ObjectReference(V1):
    """``corev1.ObjectReference``."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""
    fieldPath: str = ""


class LocalObjectReference(V1):
    """``corev1.LocalObjectReference``."""

    name: str = ""
