"""The image streams that every OpenShift cluster has.

The files are not part of the project; they lie beside it, from the public repository
openshift/cluster-samples-operator.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.command import ROOT

STREAMS = ROOT.parent / "shared" / "data" / "imagestreams"

needed = pytest.mark.skipif(not STREAMS.is_dir(), reason=f"the image streams are not there: {STREAMS}")


def followed_tags(stream: dict[str, Any]) -> list[dict[str, Any]]:
    """The tags of a stream that follow an image of a registry."""
    return [tag for tag in stream["spec"]["tags"] if tag["from"]["kind"] == "DockerImage"]


def import_of(stream: dict[str, Any]) -> dict[str, Any]:
    """What a cluster's controller sends for a new stream."""
    images = [
        {
            "from": tag["from"],
            "to": {"name": tag["name"]},
            "importPolicy": tag.get("importPolicy") or {},
            "referencePolicy": tag.get("referencePolicy") or {},
        }
        for tag in followed_tags(stream)
    ]
    return {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": stream["metadata"]["name"]},
        "spec": {"import": True, "images": images},
    }
