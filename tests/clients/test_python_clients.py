"""The Python packages kubernetes and kubernetes_asyncio against the API: typed, dynamic, and watching."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fake_registry import FakeRegistry
from mirror import ImageApi

pytestmark = pytest.mark.clients

VERSION = "image.openshift.io/v1"
TAG = {"name": "latest", "from": {"kind": "DockerImage", "name": "quay.io/app/web:latest"}}


def stream(name: str = "web", **labels: str) -> dict[str, Any]:
    """An image stream with a tag to import."""
    meta = {"name": name, "labels": labels}
    return {"apiVersion": VERSION, "kind": "ImageStream", "metadata": meta, "spec": {"tags": [TAG]}}


class TestKubernetes:
    """The package kubernetes."""

    @pytest.fixture
    def client(self, image_api: ImageApi) -> Iterator[Any]:
        """A client that has read the kubeconfig."""
        kubernetes = pytest.importorskip("kubernetes")
        with kubernetes.config.new_client_from_config(str(image_api.kubeconfig)) as client:
            yield client

    @pytest.fixture
    def streams(self, client: Any) -> Any:
        """Image streams by discovery."""
        dynamic = pytest.importorskip("kubernetes.dynamic")
        return dynamic.DynamicClient(client).resources.get(api_version=VERSION, kind="ImageStream")

    def test_the_dynamic_client(self, streams: Any, fake_registry: FakeRegistry, image_api: ImageApi) -> None:
        digest = fake_registry.push_image("quay.io/app/web:latest")
        created = streams.create(body=stream(), namespace="demo")
        assert created.metadata.generation == 1
        image_api.settle()
        found = streams.get(name="web", namespace="demo")
        assert found.status.tags[0]["items"][0].image == digest
        streams.patch(
            body={"metadata": {"labels": {"a": "b"}}},
            name="web",
            namespace="demo",
            content_type="application/merge-patch+json",
        )
        found = streams.get(name="web", namespace="demo").to_dict()
        assert found["metadata"]["labels"] == {"a": "b"}
        found["metadata"]["labels"]["c"] = "d"
        assert streams.replace(body=found, namespace="demo").metadata.labels.c == "d"
        applied = streams.server_side_apply(
            body=stream(e="f"), name="web", namespace="demo", field_manager="test", force_conflicts=True
        )
        assert applied.metadata.labels.to_dict() == {"a": "b", "c": "d", "e": "f"}
        assert [one.metadata.name for one in streams.get(namespace="demo", label_selector="e=f").items] == ["web"]
        assert streams.get(label_selector="e!=f").items == []
        streams.delete(name="web", namespace="demo")
        with pytest.raises(pytest.importorskip("kubernetes.dynamic.exceptions").NotFoundError):
            streams.get(name="web", namespace="demo")

    def test_an_import(self, client: Any, fake_registry: FakeRegistry) -> None:
        dynamic = pytest.importorskip("kubernetes.dynamic").DynamicClient(client)
        digest = fake_registry.push_image("quay.io/app/web:latest")
        imports = dynamic.resources.get(api_version=VERSION, kind="ImageStreamImport")
        images = [{"from": TAG["from"], "to": {"name": "latest"}}]
        answer = imports.create(
            body={"apiVersion": VERSION, "kind": "ImageStreamImport", "metadata": {"name": "web"}}
            | {"spec": {"import": True, "images": images}},
            namespace="demo",
        )
        assert answer.status.images[0].image.metadata.name == digest
        tags = dynamic.resources.get(api_version=VERSION, kind="ImageStreamTag")
        assert tags.get(name="web:latest", namespace="demo").image.metadata.name == digest

    def test_the_typed_client(self, client: Any) -> None:
        kubernetes = pytest.importorskip("kubernetes")
        core = kubernetes.client.CoreV1Api(client)
        core.create_namespace({"metadata": {"name": "demo"}})
        core.create_namespaced_secret("demo", {"metadata": {"name": "s"}, "stringData": {"key": "value"}})
        assert core.read_namespaced_secret("s", "demo").data == {"key": "dmFsdWU="}
        assert "demo" in [one.metadata.name for one in core.list_namespace().items]
        custom = kubernetes.client.CustomObjectsApi(client)
        custom.create_namespaced_custom_object("image.openshift.io", "v1", "demo", "imagestreams", stream())
        found = custom.list_cluster_custom_object("image.openshift.io", "v1", "imagestreams")
        assert [one["metadata"]["namespace"] for one in found["items"]] == ["demo"]
        review = {
            "spec": {
                "resourceAttributes": {"verb": "create", "group": "image.openshift.io", "resource": "imagestreams"}
            }
        }
        authorization = kubernetes.client.AuthorizationV1Api(client)
        assert authorization.create_self_subject_access_review(review).status.allowed is True
        assert kubernetes.client.VersionApi(client).get_code().major == "1"
        core.delete_namespace("demo")
        with pytest.raises(kubernetes.client.ApiException) as refused:
            core.read_namespaced_secret("s", "demo")
        assert refused.value.status == 404

    def test_watching(self, client: Any, streams: Any) -> None:
        watching = pytest.importorskip("kubernetes").watch.Watch()
        custom = pytest.importorskip("kubernetes").client.CustomObjectsApi(client)
        version = streams.get(namespace="demo").metadata.resourceVersion
        events: list[tuple[str, str]] = []

        def follow() -> None:
            for event in watching.stream(
                custom.list_namespaced_custom_object,
                *("image.openshift.io", "v1", "demo", "imagestreams"),
                resource_version=version,
                timeout_seconds=60,
            ):
                events.append((event["type"], event["object"]["metadata"]["name"]))
                if event["type"] == "DELETED":
                    break

        following = threading.Thread(target=follow)
        following.start()
        for number in range(20):
            streams.create(body=stream(f"s{number}") | {"spec": {}}, namespace="demo")
        streams.delete(name="s0", namespace="demo")
        following.join(60)
        assert events == [*(("ADDED", f"s{number}") for number in range(20)), ("DELETED", "s0")]
        followed = streams.watch(namespace="demo", resource_version=version, timeout=60)
        assert [event["type"] for event, _ in zip(followed, range(21), strict=False)] == ["ADDED"] * 20 + ["DELETED"]


class TestKubernetesAsyncio:
    """The package kubernetes_asyncio."""

    async def test_it(self, image_api: ImageApi, fake_registry: FakeRegistry) -> None:
        kubernetes = pytest.importorskip("kubernetes_asyncio")
        dynamic = pytest.importorskip("kubernetes_asyncio.dynamic")
        digest = fake_registry.push_image("quay.io/app/web:latest")
        client = await kubernetes.config.new_client_from_config(str(image_api.kubeconfig))
        async with client:
            streams = await (await dynamic.DynamicClient(client)).resources.get(api_version=VERSION, kind="ImageStream")
            await streams.create(body=stream(), namespace="demo")
            await asyncio.to_thread(image_api.settle)
            found = await streams.get(name="web", namespace="demo")
            assert found.status.tags[0]["items"][0].image == digest
            core = kubernetes.client.CoreV1Api(client)
            assert "demo" in [one.metadata.name for one in (await core.list_namespace()).items]
            custom = kubernetes.client.CustomObjectsApi(client)
            events = []
            async with kubernetes.watch.Watch() as watching:
                async for event in watching.stream(
                    custom.list_namespaced_custom_object,
                    *("image.openshift.io", "v1", "demo", "imagestreams"),
                    timeout_seconds=60,
                ):
                    events.append((event["type"], event["object"]["metadata"]["name"]))
                    if event["type"] == "DELETED":
                        break
                    await streams.delete(name="web", namespace="demo")
            assert events == [("ADDED", "web"), ("DELETED", "web")]
            assert not [one for one in image_api.requests if one.status >= 500]
