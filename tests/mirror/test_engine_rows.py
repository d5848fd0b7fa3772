"""The engine against every row of the recorded runs: request log and full status."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from support.scripted import ScriptedTransport
from support.vectors import rows

from mirror.clock import ManualClock, Stopwatch
from mirror.importer.credentials import Secret
from mirror.importer.engine import Importer
from mirror.importer.fetching import Fetcher
from mirror.importer.layers import LayerSizes
from mirror.importer.policy import ImportPolicy
from mirror.importer.registries import MirrorSet, RegistriesConfig
from mirror.importer.wire import Wire
from mirror.v1.imagestreamimport import ImageStreamImportSpec

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def registries_of(settings: dict[str, Any] | None) -> RegistriesConfig:
    settings = settings or {}

    def sets(name: str) -> list[list[MirrorSet]]:
        return [[MirrorSet(source, mirrors)] for source, mirrors in (settings.get(name) or {}).items()]

    return RegistriesConfig.merge(
        insecure_registries=settings.get("insecureRegistries") or (),
        blocked_registries=settings.get("blockedRegistries") or (),
        idms=sets("digestMirrors"),
        itms=sets("tagMirrors"),
    )


def secrets_of(listed: list[dict[str, Any]] | None) -> list[Secret]:
    return [
        Secret(f"secret-{index}", "ns", one["type"], {one["key"]: one["data"].encode()}, {})
        for index, one in enumerate(listed or ())
    ]


def preferences_of(tags: list[dict[str, Any]] | None) -> dict[str, tuple[str, str]]:
    prefix = "importer.image.openshift.io/prefer-"
    return {
        tag["name"]: (
            (tag["annotations"] or {}).get(f"{prefix}arch", ""),
            (tag["annotations"] or {}).get(f"{prefix}os", ""),
        )
        for tag in tags or ()
    }


async def run(
    transport: ScriptedTransport, spec: dict[str, Any], policy: ImportPolicy
) -> tuple[dict[str, Any], Stopwatch]:
    stopwatch = Stopwatch(ManualClock(NOW))
    importer = Importer(Fetcher(Wire(transport), policy, stopwatch, LayerSizes()))
    status = await importer.run(msgspec.convert(spec, ImageStreamImportSpec))
    text = msgspec.json.encode(status).decode().replace("2026-01-02T03:04:05Z", "NOW")
    return json.loads(text), stopwatch


def by_repository(requests: list[str]) -> dict[str, list[str]]:
    """The log of each repository: between repositories, and so between their pings, the real order is random."""
    logs: dict[str, list[str]] = {}
    for request in requests:
        path = re.sub(r"/(manifests|blobs|tags)/.*", "", request.split()[1])
        logs.setdefault(path, []).append(request)
    return logs


@pytest.mark.parametrize("row", rows("import_scenarios") + rows("manifest_lists"))
async def test_run(row: dict[str, Any]) -> None:
    transport = ScriptedTransport(row["routes"])
    policy = ImportPolicy(
        registries=registries_of(row.get("registries")),
        secrets=secrets_of(row.get("secrets")),
        maximum_tags=row["maximumTagsPerRepo"],
        preferences=preferences_of(row.get("streamSpecTags")),
    )
    status, stopwatch = await run(transport, row["spec"], policy)
    assert status == row["status"]
    assert by_repository(transport.requests) == by_repository(row["requests"] or [])
    assert stopwatch.slept == float(row.get("elapsedSeconds") or 0)


@pytest.mark.parametrize("row", rows("image_metadata"))
async def test_metadata(row: dict[str, Any]) -> None:
    base = "https://quay.io/v2"
    target = row["byDigest"] if row.get("byDigest") else "v1"
    content_type = {"Content-Type": row["manifestContentType"]} if row.get("manifestContentType") else {}
    routes = [
        {
            "method": "GET",
            "url": f"{base}/",
            "responses": [{"headers": {"Docker-Distribution-API-Version": "registry/2.0"}}],
        },
    ]
    name = row["requests"][1].split()[1] if len(row["requests"]) > 1 else f"{base}/ns/app/manifests/{target}"
    routes.append({"method": "GET", "url": name, "responses": [{"headers": content_type, "body": row["manifest"]}]})
    for request in row["requests"][2:]:
        method, url = request.split()[:2]
        digest = url.rpartition("/")[2]
        if method == "HEAD":
            size = (row.get("blobSizes") or {}).get(digest)
            answer = {"headers": {"Content-Length": str(size)}} if size is not None else None
        else:
            answer = {"body": row["config"]} if row.get("config") is not None else None
        if answer is not None:
            routes.append({"method": method, "url": url, "responses": [answer]})
    transport = ScriptedTransport(routes)
    reference = f"quay.io/ns/app{'@' if ':' in name.rpartition('/')[2] else ':'}{name.rpartition('/')[2]}"
    spec = {
        "images": [
            {"from": {"kind": "DockerImage", "name": reference}, "importPolicy": {"importMode": row["importMode"]}}
        ]
    }
    status, _ = await run(transport, spec, ImportPolicy(RegistriesConfig()))
    assert status["images"][0] == row["imageImportStatus"]
    assert transport.requests == row["requests"]
