"""What is to be mirrored so that what fails imports: a list for ``ismirror seed streams``, or a file for oc-mirror."""

from __future__ import annotations

from typing import Any

from mirror.preflight.causes import AWAY
from mirror.preflight.report import Report


def pull_specs(report: Report) -> list[str]:
    """The pull specs to copy from, each once, in byte order: what mirrors lack, and what has no mirror and is away."""
    lacking = {copy.source for entry in report.tags if not entry.imports for copy in entry.copies}
    away = {
        entry.tried[0].reference
        for entry in report.tags
        if not entry.imports and not entry.copies and entry.cause in AWAY and len(entry.tried) == 1
    }
    return sorted(lacking | away)


def image_set_configuration(report: Report) -> dict[str, Any]:
    """An ImageSetConfiguration of oc-mirror (v2alpha1) that mirrors them."""
    names = [{"name": name} for name in pull_specs(report)]
    return {
        "apiVersion": "mirror.openshift.io/v2alpha1",
        "kind": "ImageSetConfiguration",
        "mirror": {"additionalImages": names},
    }
