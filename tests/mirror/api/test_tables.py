"""Tables: cells, durations, what rows show of their objects; objects reduced to their metadata."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from support.api import GROUP, START, TABLE, ask, ask_json, image_import, new_cluster

from mirror.api import printers
from mirror.api.app import ApiCore
from mirror.api.durations import age, ago, in_words
from mirror.api.negotiation import Conversion, Representation
from mirror.api.printers import tags_cell
from mirror.api.routing import WatchEvent
from mirror.api.tables import Shown, convert
from mirror.api.writing import watch_response
from mirror.clock import ManualClock
from mirror.v1.imagestream import (
    ImageStream,
    NamedTagEventList,
    TagEvent,
    TagEventCondition,
    TagImportPolicy,
    TagReference,
)
from mirror.v1.meta import ObjectMeta, ObjectReference, Status

MINUTE, HOUR, DAY = 60, 3600, 86400
STREAMS = f"{GROUP}/namespaces/demo/imagestreams"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1.5, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (1.49 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47.4 * HOUR, "47 hours"),
        (47.5 * HOUR, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE, "10m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (2 * DAY + HOUR, "2d1h"),
        (8 * DAY + HOUR, "8d"),
        (2 * 365 * DAY, "2y"),
        (2 * 365 * DAY + 3 * DAY, "2y3d"),
        (9 * 365 * DAY, "9y"),
    ],
)
def test_ages(seconds: int, words: str) -> None:
    then = (START - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(then, START) == words


def test_no_time_at_all_is_long_ago() -> None:
    assert ago(None, START) == "292 years ago"
    assert age(None, START) == "<unknown>"


def history(*tags: tuple[str, int | None]) -> list[NamedTagEventList]:
    """Tags whose newest event came so many minutes after noon, or that have none."""
    return [
        NamedTagEventList(name, [TagEvent(created=f"2026-01-01T12:{minute:02}:00Z")] if minute is not None else None)
        for name, minute in tags
    ]


@pytest.mark.parametrize(
    ("tags", "shown"),
    [
        ([], ""),
        ([("b", 1), ("a", 1)], "a,b"),
        ([("a", 1), ("b", 2), ("c", None)], "b,a,c"),
        ([("3.2.0-rc1", 1), ("v3.9", 1), ("latest", 1), ("v3.1", 1), ("v3.10", 1)], "3.2.0-rc1,latest,v3.1,v3.10,v3.9"),
        ([("x" * 60, 2), ("y", 1)], f"{'x' * 60} + 1 more..."),
        ([("x" * 60, 2)], "x" * 60),
        ([("a" * 20, 3), ("b" * 22, 2), ("c", 1)], f"{'a' * 20},{'b' * 22} + 1 more..."),
        ([("a" * 20, 3), ("b" * 40, 2), ("c", 1)], f"{'a' * 20} + 2 more..."),
        ([("a" * 35, 3), ("b" * 9, 2)], f"{'a' * 35} + 1 more..."),
    ],
)
def test_tags_of_a_stream(tags: list[tuple[str, int | None]], shown: str) -> None:
    assert tags_cell(history(*tags)) == shown


def reference(kind: str, name: str, namespace: str = "") -> ObjectReference:
    return ObjectReference(kind=kind, name=name, namespace=namespace)


EVENT = TagEvent("2026-01-02T03:03:05Z", "quay.io/a@sha256:1", "sha256:1", 2)
FAILED = TagEventCondition("ImportSuccess", "False", "2026-01-02T03:04:00Z", "NotFound", generation=3)
DOCKER = reference("DockerImage", "quay.io/a:1")


@pytest.mark.parametrize(
    ("spec", "status", "cells"),
    [
        (None, None, ["", "", None, ""]),
        (None, NamedTagEventList("t", [EVENT]), ["Push", "image/sha256:1", 1, "About a minute ago"]),
        (
            TagReference("t", from_=DOCKER, generation=2),
            NamedTagEventList("t", [EVENT]),
            ["Tag", "image/sha256:1", 1, "About a minute ago"],
        ),
        (
            TagReference("t", from_=DOCKER, generation=1),
            NamedTagEventList("t", [EVENT]),
            ["Push", "image/sha256:1", 1, "About a minute ago"],
        ),
        (
            TagReference("t", from_=DOCKER, generation=3),
            NamedTagEventList("t", [EVENT]),
            ["Tag", "Importing", 1, "About a minute ago"],
        ),
        (TagReference("t", from_=DOCKER, generation=1), None, ["Tag", "Importing", None, ""]),
        (
            TagReference("t", from_=DOCKER, generation=3),
            NamedTagEventList("t", [EVENT], [FAILED]),
            ["Tag", "ImportFailed (NotFound)", 1, "5 seconds ago"],
        ),
        (
            TagReference("t", from_=DOCKER, generation=2, reference=True, importPolicy=TagImportPolicy(scheduled=True)),
            NamedTagEventList("t", [TagEvent("2026-01-02T03:04:05Z", "quay.io/a:1", "", 2)]),
            ["Scheduled", "quay.io/a:1", 1, "Less than a second ago"],
        ),
        (TagReference("t", from_=DOCKER, reference=True), None, ["Ref", "quay.io/a:1", None, ""]),
        (TagReference("t", from_=reference("ImageStreamTag", "b")), None, ["Track", "istag/b", None, ""]),
        (TagReference("t", from_=reference("ImageStreamTag", "o:b")), None, ["Tag", "istag/o:b", None, ""]),
        (TagReference("t", from_=reference("ImageStreamTag", "o:b", "n")), None, ["Tag", "istag n/o:b", None, ""]),
        (TagReference("t", from_=reference("ImageStreamTag", "b:c:d")), None, ["Tag", "InvalidRefName", None, ""]),
        (
            TagReference("t", from_=reference("ImageStreamImage", "o@sha256:2")),
            None,
            ["Tag", "image/sha256:2", None, ""],
        ),
        (TagReference("t", from_=reference("Foo", "x")), None, ["Tag", "InvalidRefKind", None, ""]),
        (TagReference("t"), None, ["", "", None, ""]),
    ],
)
def test_image_tags(spec: TagReference | None, status: NamedTagEventList | None, cells: list[object]) -> None:
    tag = SimpleNamespace(metadata=ObjectMeta(name="s:t", namespace="demo"), spec=spec, status=status)
    assert printers.TAGS.cells(tag, START) == ["s:t", *cells]


async def imported() -> tuple[ApiCore, ManualClock]:
    cluster = new_cluster()
    api = ApiCore(cluster)
    body = image_import("app", "quay.io/app/web:latest", "t")
    assert (await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", body)).status == 201
    assert isinstance(cluster.clock, ManualClock)
    cluster.clock.advance(90)
    return api, cluster.clock


async def test_one_object_and_a_list() -> None:
    api, _ = await imported()
    _, one = await ask_json(api, "GET", f"{STREAMS}/app", accept=TABLE)
    _, many = await ask_json(api, "GET", STREAMS, accept=TABLE)
    repository = "image-registry.openshift-image-registry.svc:5000/demo/app"
    assert one["rows"][0]["cells"] == ["app", repository, "t", "About a minute ago"]
    assert many["rows"] == one["rows"]
    assert one["metadata"] == {"resourceVersion": one["rows"][0]["object"]["metadata"]["resourceVersion"]}
    assert list(many["metadata"]) == ["resourceVersion"]
    assert [(column["name"], column["format"], column["priority"]) for column in one["columnDefinitions"]] == [
        ("Name", "name", 0),
        ("Image Repository", "", 0),
        ("Tags", "", 0),
        ("Updated", "", 0),
    ]


async def test_rows_show_as_much_of_the_object_as_is_wanted() -> None:
    api, _ = await imported()
    _, plain = await ask_json(api, "GET", f"{STREAMS}/app")
    _, whole = await ask_json(api, "GET", f"{STREAMS}?includeObject=Object", accept=TABLE)
    _, none = await ask_json(api, "GET", f"{STREAMS}?includeObject=None", accept=TABLE)
    status, bad = await ask_json(api, "GET", f"{STREAMS}?includeObject=All", accept=TABLE)
    assert whole["rows"][0]["object"] == plain
    assert none["rows"][0]["object"] is None
    assert (status, bad["message"]) == (
        400,
        (
            'Unable to convert to Table as requested: includeObject: Invalid value: "All": '
            "must be 'Metadata', 'Object', 'None', or empty"
        ),
    )


async def test_the_version_that_is_asked_for() -> None:
    api, _ = await imported()
    accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
    _, found = await ask_json(api, "GET", STREAMS, accept=accept)
    assert found["apiVersion"] == found["rows"][0]["object"]["apiVersion"] == "meta.k8s.io/v1beta1"


async def test_metadata_alone() -> None:
    api, _ = await imported()
    form = "application/json;as={};v=v1;g=meta.k8s.io"
    single, several = form.format("PartialObjectMetadata"), form.format("PartialObjectMetadataList")
    _, plain = await ask_json(api, "GET", f"{STREAMS}/app")
    _, one = await ask_json(api, "GET", f"{STREAMS}/app", accept=single)
    _, many = await ask_json(api, "GET", STREAMS, accept=several)
    assert one == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": plain["metadata"]}
    assert many["kind"] == "PartialObjectMetadataList"
    assert many["items"] == [one]
    _, wrong = await ask_json(api, "GET", STREAMS, accept=single)
    assert wrong["message"] == (
        "you requested PartialObjectMetadata, but the requested object is a list (*image.ImageStreamList)"
    )
    _, wrong = await ask_json(api, "GET", f"{STREAMS}/app", accept=several)
    assert wrong["message"] == (
        "you requested PartialObjectMetadataList, but the requested object is not a list (*image.ImageStream)"
    )


async def test_kinds_without_a_table_fall_through_to_json() -> None:
    api = ApiCore(new_cluster())
    body = image_import("app", "quay.io/app/web:latest")
    path = f"{GROUP}/namespaces/demo/imagestreamimports"
    status, found = await ask_json(api, "POST", path, body, accept=TABLE)
    assert (status, found["kind"]) == (201, "ImageStreamImport")
    status, refused = await ask_json(api, "POST", path, body, accept=TABLE.partition(",")[0])
    assert (status, refused["reason"]) == (406, "NotAcceptable")


async def test_only_the_first_event_of_a_watch_has_headers() -> None:
    async def events() -> AsyncIterator[WatchEvent]:
        yield WatchEvent("ADDED", ImageStream("ImageStream", metadata=ObjectMeta(name="a")))
        yield WatchEvent("MODIFIED", ImageStream("ImageStream", metadata=ObjectMeta(name="a")))
        yield WatchEvent("ERROR", Status(kind="Status", message="gone <away>"))

    wanted = Conversion("Table", "meta.k8s.io", "v1")
    shown = Shown("ImageStream", "image.openshift.io/v1", "image", printers.STREAMS)
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def converted(value: object, headers: bool) -> object:
        return convert(value, wanted, shown, "Metadata", now, headers=headers)

    response = watch_response(events(), Representation("application/json"), converted)
    assert response.stream is not None
    lines = [line async for line in response.stream]
    first, second, last = map(json.loads, lines)
    assert len(first["object"]["columnDefinitions"]) == 4
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "a"
    assert (last["type"], last["object"]["kind"]) == ("ERROR", "Status")
    assert rb"\u003caway\u003e" in lines[2]
