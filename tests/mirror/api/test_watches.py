"""Watches: where they begin, what they tell, how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.api import GROUP, TABLE, ask, ask_json, image_import, new_cluster

from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.api.timing import InstantTiming, TurnedTiming
from mirror.config import ClusterConfig
from mirror.store import MemoryStore, Store

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
MERGE = "application/merge-patch+json"


def new_api(store: Store | None = None, timing: Any = None, config: ClusterConfig | None = None) -> ApiCore:
    return ApiCore(new_cluster(config, store, timing=timing or InstantTiming()))


async def create(api: ApiCore, name: str, namespace: str = "demo", **labels: str) -> None:
    path = f"{GROUP}/namespaces/{namespace}/imagestreams"
    assert (await ask(api, "POST", path, {"metadata": {"name": name, "labels": labels}})).status == 201


async def label(api: ApiCore, name: str, **labels: str | None) -> None:
    body = {"metadata": {"labels": labels}}
    assert (await ask(api, "PATCH", f"{STREAMS}/{name}", body, content_type=MERGE)).status == 200


async def opened(api: ApiCore, target: str, **headers: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a watch, which has begun already."""
    response = await ask(api, "GET", target, **headers)
    assert (response.status, response.stream is None) == (200, False), response.body
    assert response.header_lines("content-type") == ["application/json"]
    stream = response.stream
    assert stream is not None

    async def events() -> AsyncIterator[dict[str, Any]]:
        async for line in stream:
            assert line.endswith(b"\n")
            yield json.loads(line)

    return events()


async def watched(api: ApiCore, target: str, **headers: str) -> list[dict[str, Any]]:
    """What a watch tells until it would have to wait."""
    return [event async for event in await opened(api, target, **headers)]


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    found = [(event["type"], event["object"]["metadata"]) for event in events]
    return [(type_, meta.get("name", ""), meta["resourceVersion"]) for type_, meta in found]


async def some_changes(api: ApiCore) -> None:
    await create(api, "a", app="web")  # 1000
    await create(api, "b")  # 1001
    await create(api, "a", "other", app="web")  # 1002
    await label(api, "b", app="web")  # 1003
    await label(api, "a", app=None)  # 1004
    await label(api, "b", size="1")  # 1005
    assert (await ask(api, "DELETE", f"{STREAMS}/b")).status == 200  # 1006


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [("ADDED", "a", "1004")]),
        ("&resourceVersion=0", [("ADDED", "a", "1004")]),
        ("&resourceVersion=1006", []),
        ("&resourceVersion=99999", []),
        (
            "&resourceVersion=1000",
            [
                ("ADDED", "b", "1001"),
                ("MODIFIED", "b", "1003"),
                ("MODIFIED", "a", "1004"),
                ("MODIFIED", "b", "1005"),
                ("DELETED", "b", "1006"),
            ],
        ),
        (
            "&resourceVersion=1000&labelSelector=app%3Dweb",
            [("ADDED", "b", "1003"), ("DELETED", "a", "1004"), ("MODIFIED", "b", "1005"), ("DELETED", "b", "1006")],
        ),
        ("&resourceVersion=1000&fieldSelector=metadata.name%3Da", [("MODIFIED", "a", "1004")]),
        ("&labelSelector=app%3Dweb", []),
    ],
)
async def test_what_is_told(query: str, expected: list[tuple[str, str, str]], store: Store) -> None:
    api = new_api(store)
    await some_changes(api)
    assert told(await watched(api, f"{STREAMS}?watch=1{query}")) == expected
    if "fieldSelector" not in query:
        assert told(await watched(api, f"{GROUP}/watch/namespaces/demo/imagestreams?{query[1:]}")) == expected


async def test_over_all_namespaces_and_of_one_object(store: Store) -> None:
    api = new_api(store)
    await some_changes(api)
    found = await watched(api, f"{GROUP}/imagestreams?watch=True&resourceVersion=1001")
    assert told(found)[0] == ("ADDED", "a", "1002")
    assert found[0]["object"]["metadata"]["namespace"] == "other"
    assert len(found) == 5
    for target in (f"{GROUP}/watch/namespaces/demo/imagestreams/a", f"{STREAMS}?watch=1&fieldSelector=metadata.name=a"):
        assert told(await watched(api, target)) == [("ADDED", "a", "1004")]


async def test_objects_are_whole_and_what_has_gone_is_as_it_was() -> None:
    api = new_api(config=ClusterConfig(internalRegistryHostname="registry.svc:5000"))
    await some_changes(api)
    first, *_, last = await watched(api, f"{STREAMS}?watch=1&resourceVersion=1000")
    assert (first["object"]["kind"], first["object"]["apiVersion"]) == ("ImageStream", "image.openshift.io/v1")
    assert first["object"]["status"]["dockerImageRepository"] == "registry.svc:5000/demo/b"
    assert last["object"]["metadata"]["labels"] == {"app": "web", "size": "1"}
    no_longer = (await watched(api, f"{STREAMS}?watch=1&resourceVersion=1003&labelSelector=app"))[0]["object"]
    assert no_longer["metadata"]["labels"] == {"app": "web"}, "as it was when it was selected"


BOOKMARK = {
    "kind": "ImageStream",
    "apiVersion": "image.openshift.io/v1",
    "metadata": {
        "namespace": "default",
        "resourceVersion": "1006",
        "annotations": {"k8s.io/initial-events-end": "true"},
    },
    "spec": {"lookupPolicy": {"local": False}},
    "status": {"dockerImageRepository": ""},
}


@pytest.mark.parametrize(
    "query",
    [
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=1003",
        "",
        "resourceVersion=0",
    ],
)
async def test_the_end_of_what_was_there_is_told(query: str, store: Store) -> None:
    api = new_api(store)
    await some_changes(api)
    target = f"{STREAMS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&{query}"
    assert [(event["type"], event["object"]) for event in await watched(api, target)][1:] == [("BOOKMARK", BOOKMARK)]


async def test_a_bookmark_as_a_table() -> None:
    api = new_api(config=ClusterConfig(internalRegistryHostname="registry.svc:5000"))
    await create(api, "a")
    target = f"{STREAMS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true"
    first, second = await watched(api, target, accept=TABLE)
    assert (first["type"], len(first["object"]["columnDefinitions"])) == ("ADDED", 4)
    assert (second["type"], second["object"]["columnDefinitions"]) == ("BOOKMARK", None)
    (row,) = second["object"]["rows"]
    assert row["cells"] == ["", "", "", ""]
    assert row["object"]["metadata"] == {
        "namespace": "default",
        "resourceVersion": "1000",
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    (first,) = await watched(
        api, f"{STREAMS}?watch=1", accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
    assert (first["object"]["kind"], first["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "a")


async def test_without_bookmarks_there_are_none() -> None:
    api = new_api()
    await create(api, "a")
    assert len(await watched(api, f"{STREAMS}?watch=1&timeoutSeconds=3600")) == 1


async def test_bookmarks_every_minute_and_before_the_end() -> None:
    timing = TurnedTiming()
    api = new_api(timing=timing)
    await create(api, "a")
    target = f"{STREAMS}?watch=1&resourceVersion=1000&allowWatchBookmarks=1&timeoutSeconds=130"
    events = await opened(api, target)
    found: list[tuple[float, str, str]] = []

    async def follow() -> None:
        async for event in events:
            (one,) = told([event])
            found.append((timing.now(), one[0], one[2]))

    task = asyncio.create_task(follow())
    await timing.turn(70)
    await create(api, "b")
    await create(api, "c", "other")
    await timing.turn(50)
    await timing.turn(9)
    assert found == [
        (60.0, "BOOKMARK", "1000"),
        (70.0, "ADDED", "1001"),
        (120.0, "BOOKMARK", "1002"),
        (128.0, "BOOKMARK", "1002"),
    ]
    assert not task.done()
    await timing.turn(1)
    assert task.done(), "the time is up"


@pytest.mark.parametrize(
    ("watchers", "changes"), [(8, 300), pytest.param(20, 3000, marks=pytest.mark.slow)], ids=["some", "many"]
)
async def test_changes_come_as_they_happen_to_everybody(store: Store, watchers: int, changes: int) -> None:
    api = new_api(store, TurnedTiming())
    streams = [await opened(api, f"{STREAMS}?watch=1&resourceVersion=0") for _ in range(watchers)]

    async def follow(events: AsyncIterator[dict[str, Any]]) -> list[str]:
        return [(await anext(events))["object"]["metadata"]["resourceVersion"] for _ in range(changes)]

    tasks = [asyncio.create_task(follow(events)) for events in streams]
    for number in range(changes):
        await store.create("imagestreams", "demo", f"n{number}", b'{"metadata":{"name":"n"}}')
    seen = await asyncio.gather(*tasks)
    assert all(versions == [str(1000 + number) for number in range(changes)] for versions in seen)


async def test_history_that_has_gone_is_told_by_an_event() -> None:
    api = new_api(MemoryStore(history=2))
    for number in range(6):
        await create(api, f"n{number}")
    (event,) = await watched(api, f"{STREAMS}?watch=1&resourceVersion=1000")
    assert event["type"] == "ERROR"
    assert event["object"] == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": event["object"]["message"],
        "reason": "Expired",
        "code": 410,
    }
    assert event["object"]["message"].startswith("too old resource version: 1000 (100")


async def test_who_is_too_slow_is_told_so() -> None:
    api = new_api(MemoryStore(history=2), TurnedTiming())
    events = await opened(api, f"{STREAMS}?watch=1&resourceVersion=999")
    for number in range(6):
        await create(api, f"n{number}")
    assert [event["type"] async for event in events] == ["ERROR"]


async def test_a_watch_that_is_to_begin_in_the_future() -> None:
    target = f"{STREAMS}?watch=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&resourceVersion=5000"
    (event,) = await watched(new_api(), target)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 504)


async def test_closing_the_store_ends_watches() -> None:
    store = MemoryStore()
    api = new_api(store, TurnedTiming())
    events = await opened(api, f"{STREAMS}?watch=1")
    ended = asyncio.create_task(anext(events, None))
    await asyncio.sleep(0)
    await store.close()
    assert await ended is None


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        (
            f"{STREAMS}?watch=1&resourceVersion=abc",
            500,
            'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
        ),
        (f"{STREAMS}?watch=1&timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (f"{STREAMS}?watch=1&labelSelector==", 400, "found '=', expected: !, identifier, or 'end of string'"),
        (
            f"{STREAMS}?watch=1&sendInitialEvents=true",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            ),
        ),
        (
            f"{STREAMS}?watch=1&resourceVersion=5&resourceVersionMatch=Exact",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is '
                "forbidden for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: "
                '"Exact": supported values: "NotOlderThan"]'
            ),
        ),
        (
            f"{GROUP}/namespaces/demo/imagestreamtags?watch=true",
            405,
            'watch is not supported on resources of kind "imagestreamtags.image.openshift.io"',
        ),
        (
            f"{GROUP}/imagetags?watch=true&fieldSelector=metadata.name%3Da:b",
            405,
            'watch is not supported on resources of kind "imagetags.image.openshift.io"',
        ),
        # what is wrong with the options is found out first
        (f"{GROUP}/imagestreamtags?watch=true&labelSelector=,", 400, None),
        (f"{GROUP}/imagestreamtags?watch=true&timeoutSeconds=x", 400, None),
        (f"{GROUP}/imagestreamtags?watch=true&resourceVersion=5&resourceVersionMatch=Exact", 422, None),
    ],
)
async def test_refused(target: str, status: int, message: str | None) -> None:
    found = await ask_json(new_api(), "GET", target)
    assert (found[0], found[1]["message"]) == (status, message or found[1]["message"])


async def test_watches_without_a_time_last_between_half_an_hour_and_an_hour() -> None:
    async def lasted() -> list[float]:
        timing = InstantTiming()
        api, found = new_api(timing=timing), []
        for target in (STREAMS, STREAMS, f"{GROUP}/images"):
            start = timing.now()
            await watched(api, f"{target}?watch=1")
            found.append(timing.now() - start)
        return found

    times = await lasted()
    assert all(1800 <= time < 3600 for time in times)
    assert len(set(times)) == len(times), "not all at the same moment"
    assert await lasted() == times, "and another time the same"


async def test_other_resources_are_watched_too(store: Store) -> None:
    cluster = new_cluster(store=store, timing=InstantTiming())
    around = await groups_around(cluster)
    api = ApiCore(cluster, around.groups, None, around.namespaces)
    await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", image_import("one", "quay.io/app/web:latest"))
    await ask(api, "POST", "/api/v1/namespaces/demo/secrets", {"metadata": {"name": "s"}})
    for target, kind, names in (
        (f"{GROUP}/images", "Image", None),
        ("/api/v1/secrets", "Secret", ["s"]),
        ("/api/v1/namespaces", "Namespace", ["default", "demo", "kube-system", "openshift"]),
        ("/apis/project.openshift.io/v1/projects", "Project", ["default", "demo", "kube-system", "openshift"]),
        ("/apis/config.openshift.io/v1/images", "Image", ["cluster"]),
    ):
        found = await watched(api, f"{target}?watch=1&allowWatchBookmarks=1&timeoutSeconds=1")
        assert [event["type"] for event in found] == ["ADDED"] * (len(found) - 1) + ["BOOKMARK"]
        assert {event["object"]["kind"] for event in found} == {kind}
        if names is not None:
            assert [event["object"]["metadata"]["name"] for event in found[:-1]] == names
