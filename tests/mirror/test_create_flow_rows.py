"""The create flow against every recorded row: answer, stored stream, images, storage log."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from support.scripted import ScriptedTransport
from support.vectors import rows

from mirror.api.cluster import Cluster
from mirror.api.defaults import default_import
from mirror.api.failures import ApiFailure, invalid
from mirror.api.importing import ImportFlow
from mirror.api.validation import import_errors
from mirror.clock import ManualClock
from mirror.config import ClusterConfig
from mirror.store import MemoryStore, Record
from mirror.v1.imagestreamimport import ImageStreamImport, ImageStreamImportStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW_TEXT = "2026-01-02T03:04:05Z"


class RowUids:
    """The fixed uids of the rows."""

    def uid(self, *names: str) -> str:
        match names[0]:
            case "imagestreams":
                return "stream-uid"
            case "images":
                return f"image-uid-{names[2].partition(':')[2][:8]}"
            case _:
                return "isi-uid"


class LoggedStore(MemoryStore):
    """Logs what the flow tries to write, as the rows do."""

    def __init__(self) -> None:
        super().__init__(first_version=1)
        self.log: list[str] = []

    async def create(self, resource: str, namespace: str, name: str, value: bytes) -> Record:
        self.log.append(f"create image {name}" if resource == "images" else f"create {resource[:-1]}")
        return await super().create(resource, namespace, name, value)

    async def update(self, resource: str, namespace: str, name: str, value: bytes, seen: int) -> Record:
        self.log.append(f"update {resource[:-1]}")
        return await super().update(resource, namespace, name, value, seen)

    async def put(self, resource: str, namespace: str, document: dict[str, Any]) -> None:
        """Puts an object in at the version that it says, which is higher than that of all before it."""
        meta = document["metadata"]
        version = int(meta.pop("resourceVersion"))
        while await self.version() < version - 1:
            await super().create("fillers", "", str(await self.version()), b"{}")
        document = {key: value for key, value in document.items() if key not in ("kind", "apiVersion")}
        value = json.dumps(document).replace('"NOW"', '"2026-01-01T00:00:00Z"').encode()
        assert (await super().create(resource, namespace, meta["name"], value)).version == version


def stored_before(row: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """What the store holds at first, in the order of its versions; images are never changed, so they are as after."""
    found = [("images", "", row["imagesAfter"][name]) for name in row.get("imagesBefore") or ()]
    if row.get("streamBefore"):
        found.append(("imagestreams", "ns", row["streamBefore"]))
    return copy.deepcopy(sorted(found, key=lambda one: int(one[2]["metadata"]["resourceVersion"])))


def normalised(document: Any) -> Any:
    text = msgspec.json.encode(document).decode()
    return json.loads(text.replace(NOW_TEXT, "NOW").replace("2026-01-01T00:00:00Z", "NOW"))


def cluster_of(row: dict[str, Any], store: MemoryStore) -> tuple[Cluster, ScriptedTransport]:
    registries = row.get("registries") or {}

    def mirror_sets(name: str, kind: str, field: str) -> list[dict[str, Any]]:
        sets = [{"source": source, "mirrors": mirrors} for source, mirrors in (registries.get(name) or {}).items()]
        document = {"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": "x"}}
        return [{**document, "spec": {field: sets}}] if sets else []

    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"s{index}"},
            "type": one["type"],
            "stringData": {one["key"]: one["data"]},
        }
        for index, one in enumerate(row.get("secrets") or ())
    ]
    config = ClusterConfig(
        maxImagesBulkImportedPerRepository=row["maximumTagsPerRepo"],
        insecureRegistries=registries.get("insecureRegistries") or [],
        blockedRegistries=registries.get("blockedRegistries") or [],
        idms=mirror_sets("digestMirrors", "ImageDigestMirrorSet", "imageDigestMirrors"),
        itms=mirror_sets("tagMirrors", "ImageTagMirrorSet", "imageTagMirrors"),
        secrets=secrets,
    )
    transport = ScriptedTransport(row["routes"])
    return Cluster(config, transport, ManualClock(NOW), RowUids(), store), transport


async def create(cluster: Cluster, request: dict[str, Any]) -> ImageStreamImport:
    """Below HTTP: the store's messages name image streams, and a uid arrives."""
    isi = msgspec.convert(request, ImageStreamImport)
    wanted = isi.metadata.uid
    default_import(isi, cluster.mode)
    isi.metadata.uid = "isi-uid"
    isi.metadata.creationTimestamp = cluster.now()
    isi.status = ImageStreamImportStatus()
    errors = import_errors(isi)
    if errors:
        raise invalid("ImageStreamImport", isi.metadata.name, errors)
    flow = ImportFlow(
        cluster.streams,
        cluster.images,
        cluster.strategy,
        cluster.run_import,
        cluster.uids.uid,
        cluster.now,
        mode=cluster.mode,
        resource="imagestreams",
    )
    return await flow.create(isi, wanted_uid=wanted)


@pytest.mark.parametrize("row", rows("create_flow"))
async def test_create(row: dict[str, Any]) -> None:
    store = LoggedStore()
    for resource, namespace, document in stored_before(row):
        await store.put(resource, namespace, document)
    cluster, transport = cluster_of(row, store)
    try:
        answer: Any = await create(cluster, row["request"])
    except ApiFailure as failure:
        status = msgspec.structs.replace(failure.status, kind="", apiVersion="")
        assert normalised(status) == row["error"]
    else:
        assert normalised(answer) == row["response"]
    assert transport.requests == (row["httpRequests"] or [])
    log = row["storageLog"] or []
    if (row.get("error") or {}).get("details", {}).get("kind") == "Image":
        log = log[:-1]  # the rows also log the image that is then refused
    assert store.log == log
    stream = await cluster.streams.find("ns", row["request"]["metadata"]["name"])
    if row.get("streamAfter"):
        assert stream is not None
        stream.kind, stream.apiVersion = "ImageStream", "image.openshift.io/v1"
        assert normalised(stream) == row["streamAfter"]
    else:
        assert stream is None
    images = {image.metadata.name: image for image in await cluster.images.list()}
    for image in images.values():
        image.kind, image.apiVersion = "Image", "image.openshift.io/v1"
    assert normalised(images) == (row["imagesAfter"] or {})


@pytest.mark.parametrize("row", rows("validation"))
def test_validation(row: dict[str, Any]) -> None:
    isi = msgspec.convert(row["imageStreamImport"], ImageStreamImport)
    errors = import_errors(isi)
    assert [str(error) for error in errors] == row["errors"]
    assert [error.cause.reason for error in errors] == row["types"]
    assert [error.field for error in errors] == row["fields"]


def test_of_a_source_of_another_kind_nothing_else_is_looked_at() -> None:
    """Beside its kind only the import mode is judged, of images as of the repository (section 7.2)."""
    source = {"from": {"kind": "ImageStreamTag", "name": ""}, "importPolicy": {"importMode": "X"}}
    spec = {"import": True, "images": [source | {"to": {"name": ""}}], "repository": source}
    isi = msgspec.convert({"metadata": {"name": "app", "namespace": "ns"}, "spec": spec}, ImageStreamImport)
    places = ["spec.images[0]", "spec.repository"]
    assert [error.field for error in import_errors(isi)] == [
        f"{place}.{field}" for place in places for field in ("from.kind", "importPolicy.importMode")
    ]
