"""``meta.k8s.io/v1`` DeleteOptions (apimachinery ``meta/v1/types.go``)."""

from __future__ import annotations

from mirror.v1.meta import V1


class Preconditions(V1):
    """What must be true of an object that is to be deleted."""

    uid: str | None = None
    resourceVersion: str | None = None


class DeleteOptions(V1):
    kind: str = ""
    apiVersion: str = ""
    gracePeriodSeconds: int | None = None
    preconditions: Preconditions | None = None
    orphanDependents: bool | None = None
    propagationPolicy: str | None = None
    dryRun: list[str] | None = None
    ignoreStoreReadErrorWithClusterBreakingPotential: bool | None = None
