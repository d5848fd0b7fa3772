"""Archives as other tools write them, built here as their documentation has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, compute_digest, manifest_digest
from support.registry import image, index, signed_schema1

CHILDREN = [image(b'{"a":1}', [b"x"]), image(b'{"a":2}', [b"y"])]
BLOBS = [b'{"a":1}', b'{"a":2}', b"x", b"y"]
MULTI = index(*CHILDREN)
OLD = signed_schema1([compute_digest(b"x")])


def mirror_tree(path: Path, separator: str, *, links: bool) -> None:
    """What ``oc image mirror`` writes to ``file://``."""
    for repository in ("team/app", "team/app/part"):
        manifests, blobs = path / "v2" / repository / "manifests", path / "v2" / repository / "blobs"
        manifests.mkdir(parents=True)
        blobs.mkdir()
        for content in BLOBS:
            (blobs / compute_digest(content).replace(":", separator)).write_bytes(content)
        for tag, content in (("multi", MULTI), ("old", OLD), ("", CHILDREN[0]), ("", CHILDREN[1])):
            media_type = DOCKER_SCHEMA1_SIGNED if tag == "old" else ""
            name = manifest_digest(content, media_type).replace(":", separator)
            (manifests / name).write_bytes(content)
            if tag and links:
                (manifests / tag).symlink_to(name)
            elif tag:
                (manifests / tag).write_bytes(content)


def distribution_tree(path: Path, top: str) -> None:
    """What distribution's registry keeps."""
    storage = path / top
    for content in (*BLOBS, *CHILDREN, MULTI):
        digits = compute_digest(content).partition(":")[2]
        blob = storage / "blobs" / "sha256" / digits[:2] / digits / "data"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(content)
    for repository in ("team/app", "team/app/part"):
        manifests = storage / "repositories" / repository / "_manifests"
        for content in (*CHILDREN, MULTI):
            link = manifests / "revisions" / "sha256" / compute_digest(content).partition(":")[2] / "link"
            link.parent.mkdir(parents=True)
            link.write_text(compute_digest(content))
        current = manifests / "tags" / "multi" / "current" / "link"
        current.parent.mkdir(parents=True)
        current.write_text(compute_digest(MULTI))
        (manifests / "tags" / "deleted" / "index").mkdir(parents=True)


def layout(path: Path, *entries: dict[str, Any]) -> Path:
    """An OCI layout with the images of `CHILDREN`, whose index names these entries."""
    for content in (*BLOBS, *CHILDREN, MULTI):
        blob = path / "blobs" / Path(*compute_digest(content).split(":"))
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    document = {"schemaVersion": 2, "manifests": list(entries)}
    (path / "index.json").write_text(json.dumps(document))
    return path


def entry(content: bytes = MULTI, media_type: str = OCI_INDEX, **annotations: str) -> dict[str, Any]:
    names = {"ref": "org.opencontainers.image.ref.name", "containerd": "io.containerd.image.name"}
    return {
        "mediaType": media_type,
        "digest": compute_digest(content),
        "size": len(content),
        "annotations": {names[key]: value for key, value in annotations.items()},
    }
