"""Lists of image streams that are made of the stored bytes are those that are made of the objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.api import GROUP, ask, image_import, new_cluster

from mirror.api.app import ApiCore
from mirror.api.stored_streams import StoredStreams
from mirror.config import ClusterConfig

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
CLUSTERS = {
    "as it is": ClusterConfig(),
    "with a public name": ClusterConfig(externalRegistryHostnames=["images.example.com"]),
    "without a registry": ClusterConfig(internalRegistryHostname=""),
}
TRAPS = ['"status":{"dockerImageRepository":"x"', '","uid":"', "\\", '\\"', "<&>", "\u2028é", '{"uid":"1"}', ""]

texts = st.one_of(st.sampled_from(TRAPS), st.text(st.characters(codec="utf-8"), max_size=12))
tags = st.builds(
    lambda name, text: {"name": name, "annotations": {"a": text}, "from": {"kind": "DockerImage", "name": "quay.io/a"}},
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    texts,
)
streams = st.builds(
    lambda annotations, repository, tags: {
        "metadata": {"name": "s", "annotations": annotations, "labels": {"a": "b"}},
        "spec": {"dockerImageRepository": repository, "tags": tags},
    },
    st.dictionaries(st.sampled_from(["a", "uid", "status", "x/status"]), texts, max_size=3),
    st.sampled_from(["", "quay.io/a", "registry.example.com:5000/a/b"]),
    st.lists(tags, max_size=3, unique_by=lambda tag: tag["name"]),
)


async def both(api: ApiCore, query: str = "") -> tuple[bytes, bytes]:
    """The list of everything, and that of everything that has no label ``none``, for which objects are looked at."""
    more = f"&{query}" if query else ""
    whole = await ask(api, "GET", f"{STREAMS}?{query}", accept="application/json")
    selected = await ask(api, "GET", f"{STREAMS}?labelSelector=!none{more}", accept="application/json")
    assert (whole.status, selected.status) == (200, 200)
    return whole.body, selected.body


@pytest.mark.parametrize("cluster", CLUSTERS)
async def test_real_streams(cluster: str) -> None:
    api = ApiCore(new_cluster(CLUSTERS[cluster]))
    for name, source in (("a", "quay.io/app/web:latest"), ("b", "quay.io/app/nothing:1"), ("c", "down.example.com/a")):
        await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", image_import(name, source))
    for query in ("", "pretty=true"):
        whole, selected = await both(api, query)
        assert whole == selected
    assert len(json.loads(whole)["items"]) == 3
    stored = StoredStreams(api.cluster.strategy)
    texts = [stored(record) for record in await api.cluster.store.list("imagestreams")]
    assert [text is not None for text in texts] == [cluster != "without a registry"] * 3
    single = await ask(api, "GET", f"{STREAMS}/a", accept="application/json")
    shown = json.loads(single.body)
    assert {"kind": shown.pop("kind"), "apiVersion": shown.pop("apiVersion")} == {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
    }
    assert json.loads(whole)["items"][0] == shown


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=streams, status=texts, cluster=st.sampled_from(sorted(CLUSTERS)))
async def test_streams_of_every_kind(stream: dict[str, Any], status: str, cluster: str) -> None:
    api = ApiCore(new_cluster(CLUSTERS[cluster]))
    created = await ask(api, "POST", STREAMS, stream)
    whole, selected = await both(api)
    assert whole == selected
    if created.status == 201:
        changed = json.loads(created.body)
        changed["status"]["dockerImageRepository"] = status
        assert (await ask(api, "PUT", f"{STREAMS}/s/status", changed)).status == 200
        whole, selected = await both(api)
        assert whole == selected
