"""The objects that point a cluster to a registry that has copies.

Sources: ``config.openshift.io/v1`` ImageDigestMirrorSet and ImageTagMirrorSet; ``operator.openshift.io/v1alpha1``
ImageContentSourcePolicy, which older clusters have in place of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mirror.seed.targets import Shipment


def mirror_sets(shipments: Iterable[Shipment], host: str, name: str = "ismirror") -> list[dict[str, Any]]:
    """An ImageDigestMirrorSet, an ImageTagMirrorSet if there are tags, and an ImageContentSourcePolicy.

    Each repository is a source of its own, so that nothing is looked for at the mirror that is not there.
    """
    found = sorted(shipments, key=lambda one: one.source)
    entries = {one.source: [f"{host}/{one.target}"] for one in found}
    if not entries:
        return []
    tagged = {one.source for one in found if any(tag for tag, _ in one.images)}
    digests = [{"mirrors": mirrors, "source": source} for source, mirrors in entries.items()]
    tags = [entry for entry in digests if entry["source"] in tagged]
    objects = [_object("config.openshift.io/v1", "ImageDigestMirrorSet", name, {"imageDigestMirrors": digests})]
    if tags:
        objects.append(_object("config.openshift.io/v1", "ImageTagMirrorSet", name, {"imageTagMirrors": tags}))
    policy = {"repositoryDigestMirrors": digests}
    return [*objects, _object("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", name, policy)]


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
