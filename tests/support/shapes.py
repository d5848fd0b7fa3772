"""Repositories of all shapes, none of whose images share a layer: what a copy of each costs can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from fake_registry.fixtures import Tree
from fake_registry.oci import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    compute_digest,
)
from support.registry import HOST, describe, image

ARCHITECTURES = ("amd64", "arm64", "s390x", "ppc64le")
OCI = (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER, OCI_INDEX)
DOCKER = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LIST)


def _encode(media_type: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": media_type, **fields})


def _put(tree: Tree, data: bytes, media_type: str, **fields: Any) -> Descriptor:
    tree.put_blob(data)
    return describe(data, media_type, **fields)


def put_platform(tree: Tree, name: str, number: int = 0, kind: Sequence[str] = OCI) -> tuple[bytes, Descriptor]:
    """An image with a config and two layers of its own, for one of four platforms; nothing names it yet."""
    platform = {"os": "linux", "architecture": ARCHITECTURES[number]}
    config = _put(tree, json.dumps({**platform, "name": name, "rootfs": {"type": "layers"}}).encode(), kind[1])
    layers = [_put(tree, f"{name} {number} {layer}".encode(), kind[2]) for layer in range(2)]
    data = _encode(kind[0], config=config, layers=layers)
    return data, _put(tree, data, kind[0], platform=Platform(**platform))


def put_single(tree: Tree, repository: str, *tags: str) -> Descriptor:
    """One image, under all these tags."""
    data, found = put_platform(tree, f"{repository}:{tags[0]}")
    for tag in tags:
        tree.put_manifest(HOST, repository, data, found.media_type, tag)
    return found


def put_index(
    tree: Tree, repository: str, tag: str | None, platforms: int, kind: Sequence[str] = OCI
) -> tuple[Descriptor, list[Descriptor]]:
    """An index or list of images for so many platforms; the index, and what it names."""
    children = [put_platform(tree, f"{repository}:{tag}", number, kind)[1] for number in range(platforms)]
    data = _encode(kind[3], manifests=children)
    return tree.put_manifest(HOST, repository, data, kind[3], tag), children


def refer(tree: Tree, repository: str, *subjects: Descriptor) -> None:
    """Gives each of these a referrer with a config of its own and without layers."""
    for subject in subjects:
        config = b'{"of":"%s"}' % subject.digest.encode()
        tree.put_blob(config)
        about = msgspec.structs.replace(subject, platform=None)
        tree.put_manifest(HOST, repository, image(config, [], subject=about), OCI_MANIFEST)


def _single(tree: Tree, name: str) -> None:
    for tag in ("v1", "v2", "v3"):
        put_single(tree, name, tag)


def _indexes(platforms: int, kind: Sequence[str] = OCI) -> Callable[[Tree, str], None]:
    def put(tree: Tree, name: str) -> None:
        for tag in ("v1", "v2"):
            put_index(tree, name, tag, platforms, kind)

    return put


def _schema1(tree: Tree, name: str) -> None:
    layers = [_put(tree, f"{name} {number}".encode(), OCI_LAYER).digest for number in range(2)]
    history = [{"id": compute_digest(one.encode()).partition(":")[2], "architecture": "amd64"} for one in layers]
    history[0]["parent"] = history[1]["id"]
    document = {
        "schemaVersion": 1,
        "name": name,
        "tag": "v1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": one} for one in layers],
        "history": [{"v1Compatibility": json.dumps(one)} for one in history],
    }
    tree.put_manifest(HOST, name, json.dumps(document).encode(), DOCKER_SCHEMA1, "v1")


def _signed_by_tag(tree: Tree, name: str) -> None:
    index, children = put_index(tree, name, "v1", 2)
    for one in (index, *children):
        put_single(tree, name, one.digest.replace(":", "-") + ".sig")


def _signed(tree: Tree, name: str) -> None:
    index, children = put_index(tree, name, "v1", 2)
    refer(tree, name, index, *children)


def _signed_below(tree: Tree, name: str) -> None:
    _, children = put_index(tree, name, "v1", 2)
    refer(tree, name, *children)


def _nested(tree: Tree, name: str) -> None:
    """An index that names an index of two images."""
    inner, _ = put_index(tree, name, None, 2)
    tree.put_manifest(HOST, name, _encode(OCI_INDEX, manifests=[inner]), OCI_INDEX, "v1")


def _signed_nested(tree: Tree, name: str) -> None:
    inner, children = put_index(tree, name, None, 2)
    outer = tree.put_manifest(HOST, name, _encode(OCI_INDEX, manifests=[inner]), OCI_INDEX, "v1")
    refer(tree, name, outer, inner, *children)


class Shape(NamedTuple):
    """How a repository of one shape is made, and what copies of all of it take.

    ``requests`` without ``--referrers``, and with ``all``, from a registry with lists of referrers that asks for no
    login; ``referrers`` are those that come along, ``unasked`` the indexes whose manifests nobody asked about.
    """

    put: Callable[[Tree, str], object]
    requests: int
    requests_all: int
    referrers: tuple[int, int] = (0, 0)
    unasked: int = 0


# the list of tags, then for each image: manifests, configs and layers, lists of referrers
SHAPES: dict[str, Shape] = {
    "one": Shape(lambda tree, name: put_single(tree, name, "v1"), 1 + 1 + 3 + 1, 6),
    "single": Shape(_single, 1 + 3 * (1 + 3 + 1), 16),
    "many-tags": Shape(lambda tree, name: put_single(tree, name, "v1", "v2", "v3", "v4"), 1 + 4 + 3 + 1, 9),
    "index-1": Shape(_indexes(1), 1 + 2 * (2 + 3 + 1), 1 + 2 * (2 + 3 + 2), unasked=2),
    "index-2": Shape(_indexes(2), 1 + 2 * (3 + 6 + 1), 1 + 2 * (3 + 6 + 3), unasked=2),
    "index-4": Shape(_indexes(4), 1 + 2 * (5 + 12 + 1), 1 + 2 * (5 + 12 + 5), unasked=2),
    "list-2": Shape(_indexes(2, DOCKER), 1 + 2 * (3 + 6 + 1), 1 + 2 * (3 + 6 + 3), unasked=2),
    "schema-1": Shape(_schema1, 1 + 1 + 2 + 1, 5),
    "signed-by-tag": Shape(_signed_by_tag, 1 + 3 + 6 + 1 + 3 * (1 + 3), 1 + 3 + 6 + 3 + 3 * (1 + 3), unasked=1),
}
"""What skopeo copies whole as well, by the repository of each."""

BEYOND_SKOPEO: dict[str, Shape] = {
    "nested": Shape(_nested, 1 + 4 + 6 + 1, 1 + 4 + 6 + 4, unasked=1),
    "signed": Shape(_signed, 1 + 3 + 6 + 3 + 3 * (1 + 1 + 1), 22, (3, 3)),
    "signed-below": Shape(_signed_below, 1 + 3 + 6 + 1, 1 + 3 + 6 + 3 + 2 * (1 + 1 + 1), (0, 2), unasked=1),
    "signed-nested": Shape(_signed_nested, 1 + 4 + 6 + 4 + 4 * (1 + 1 + 1), 27, (4, 4)),
}
"""With what skopeo leaves behind (manifests that refer to others, each with a config) or cannot read."""


def put_shapes(tree: Tree, *tables: dict[str, Shape]) -> None:
    """Fills a tree, on quay.io."""
    for name, shape in ((name, shape) for table in tables for name, shape in table.items()):
        shape.put(tree, name)
