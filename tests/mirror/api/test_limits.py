"""Limits on the size of image streams."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.api import GROUP, ask_json, new_cluster

from mirror.api.app import ApiCore
from mirror.api.limits import StreamLimits
from mirror.config import ClusterConfig
from mirror.errors import InputError
from mirror.store import Store
from mirror.v1.imagestream import ImageStream

IMAGES, TAGS = "openshift.io/images", "openshift.io/image-tags"
DIGEST = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


def limit_range(namespace: str = "", kind: str = "openshift.io/ImageStream", **most: Any) -> dict[str, Any]:
    limits = [{"type": kind, "max": {{"images": IMAGES, "tags": TAGS}.get(key, key): most[key] for key in most}}]
    return {"kind": "LimitRange", "metadata": {"name": "x", "namespace": namespace}, "spec": {"limits": limits}}


def stream(*sources: str | dict[str, str], history: list[str] | None = None) -> ImageStream:
    tags = [
        {"name": f"t{index}", "from": {"kind": "DockerImage", "name": one} if isinstance(one, str) else one}
        for index, one in enumerate(sources)
    ]
    events = [{"created": None, "dockerImageReference": one, "image": one, "generation": 1} for one in history or ()]
    document = {
        "metadata": {"name": "app", "namespace": "demo"},
        "spec": {"tags": tags},
        "status": {"tags": [{"tag": "t0", "items": events}, {"tag": "t1", "items": events[:1]}]},
    }
    return msgspec.convert(document, ImageStream)


def exceeded(resource: str, numbers: str) -> str:
    return f"requested usage of {resource} exceeds the maximum limit per openshift.io/ImageStream ({numbers})"


ISTAG = {"kind": "ImageStreamTag", "name": "v1"}
ROWS: list[tuple[list[dict[str, Any]], ImageStream, str]] = [
    ([], stream("a", "b"), ""),
    ([limit_range(tags="2")], stream("a", "b"), ""),
    ([limit_range(tags="1")], stream("a", "b"), exceeded(TAGS, "2 > 1")),
    ([limit_range(tags="0")], stream("a"), exceeded(TAGS, "1 > 0")),
    ([limit_range(tags=1)], stream("busybox", "docker.io/library/busybox:latest"), ""),
    ([limit_range(tags=1)], stream("busybox", "busybox:1"), exceeded(TAGS, "2 > 1")),
    ([limit_range(tags=1)], stream(ISTAG, {**ISTAG, "name": "app:v1"}, {**ISTAG, "namespace": "demo"}), ""),
    ([limit_range(tags=1)], stream(ISTAG, {**ISTAG, "namespace": "other"}), exceeded(TAGS, "2 > 1")),
    ([limit_range(tags=1)], stream(ISTAG, {**ISTAG, "name": "other:v1"}), exceeded(TAGS, "2 > 1")),
    ([limit_range(images=1)], stream(history=["a", "b"]), exceeded(IMAGES, "2 > 1")),
    ([limit_range(images=1)], stream(history=["a", ""]), ""),  # what is only a reference is no image
    ([limit_range(images=2)], stream(history=["a", "b", "a"]), ""),
    ([limit_range(images="1k")], stream(history=[str(one) for one in range(1000)]), ""),
    ([limit_range(images="999")], stream(history=[str(one) for one in range(1000)]), exceeded(IMAGES, "1k > 999")),
    ([limit_range(images="1k")], stream(history=[str(one) for one in range(1001)]), exceeded(IMAGES, "1001 > 1k")),
    ([limit_range("demo", tags=1)], stream("a", "b"), exceeded(TAGS, "2 > 1")),
    ([limit_range("other", tags=1)], stream("a", "b"), ""),
    ([limit_range(tags=3), limit_range("demo", tags=1)], stream("a", "b"), exceeded(TAGS, "2 > 1")),
    ([limit_range(kind="openshift.io/Image", storage="1Gi", tags=1)], stream("a", "b"), ""),
    (
        [limit_range(tags=1, images=1)],
        stream("a", "b", history=["a", "b", "c"]),
        f"[{exceeded(IMAGES, '3 > 1')}, {exceeded(TAGS, '2 > 1')}]",
    ),
]


@pytest.mark.parametrize(("ranges", "item", "problem"), ROWS)
def test_limits(ranges: list[dict[str, Any]], item: ImageStream, problem: str) -> None:
    expected = f'ImageStream.image.openshift.io "app" is forbidden: {problem}' if problem else ""
    assert StreamLimits(ranges).problem(item) == expected


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"kind": "Secret"}, "limitRanges[0]: kind: Invalid enum value 'Secret'"),
        (
            {"kind": "LimitRange", "spec": {"limits": [{}]}},
            "limitRanges[0]: spec.limits[0]: Object missing",
        ),
        (limit_range(tags="1.5"), f"limitRanges[0]: spec.limits[0].max[{TAGS}]: found '1.5', must be a whole number"),
        (limit_range(tags=-1), f"limitRanges[0]: spec.limits[0].max[{TAGS}]: found -1, must be a whole number"),
    ],
)
def test_what_is_no_limit(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        new_cluster(ClusterConfig(limitRanges=[document]))
    assert str(caught.value).startswith(f"cluster.{problem}")


async def test_writes_beyond_limits(store: Store) -> None:
    api = ApiCore(new_cluster(ClusterConfig(limitRanges=[limit_range(tags=1, images=1)]), store))
    streams = f"{GROUP}/namespaces/demo/imagestreams"
    tag = {"name": "a", "from": {"kind": "DockerImage", "name": "quay.io/a"}}
    status, made = await ask_json(api, "POST", streams, {"metadata": {"name": "app"}, "spec": {"tags": [tag]}})
    assert status == 201
    said = f'ImageStream.image.openshift.io "app" is forbidden: {exceeded(TAGS, "2 > 1")}'
    made["spec"]["tags"].append({"name": "b", "from": {"kind": "DockerImage", "name": "quay.io/b"}})
    status, refused = await ask_json(api, "PUT", f"{streams}/app", made)
    assert (status, refused["message"]) == (
        422,
        f'ImageStream.image.openshift.io "app" is invalid: []: Internal error: {said}',
    )
    del made["spec"]["tags"][1]
    events = [
        {"created": "2026-01-02T03:04:05Z", "dockerImageReference": f"quay.io/{one}", "image": DIGEST + one}
        | {"generation": 1}
        for one in "ab"
    ]
    made["status"] = {"dockerImageRepository": "", "tags": [{"tag": "a", "items": events}]}
    status, refused = await ask_json(api, "PUT", f"{streams}/app/status", made)
    said = f'ImageStream.image.openshift.io "app" is forbidden: {exceeded(IMAGES, "2 > 1")}'
    assert (status, refused["message"]) == (
        422,
        f'ImageStream.image.openshift.io "app" is invalid: imageStream: Forbidden: {said}',
    )
