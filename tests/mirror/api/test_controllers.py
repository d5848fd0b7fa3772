"""The controllers: what they ask for, when, and what happens when that fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from support.api import GROUP, ask, ask_json, new_cluster
from support.vectors import VECTORS, load

from mirror.api.app import ApiCore
from mirror.api.controllers import Controllers, ControllerSettings
from mirror.api.controllers.decisions import import_of, needs_scheduling, scheduled_import_of
from mirror.api.controllers.queue import Key, WorkQueue
from mirror.api.controllers.schedule import Schedule, bucket_count
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.timing import TokenBucket, TurnedTiming
from mirror.store import Store
from mirror.v1.imagestream import (
    ImageStream,
    ImageStreamSpec,
    ImageStreamStatus,
    NamedTagEventList,
    TagEvent,
    TagEventCondition,
    TagImportPolicy,
    TagReference,
)
from mirror.v1.meta import ObjectMeta, ObjectReference

DEMO = f"{GROUP}/namespaces/demo"
CHECKED = {"openshift.io/image.dockerRepositoryCheck": "2026-01-01T00:00:00Z"}


def recorded_imports() -> list[Any]:
    """The streams that the recorded controllers saw, as far as an answer shows them whole, and what they asked for."""
    found = []
    for path in sorted((VECTORS / "observed" / "controller").glob("*.json")):
        seen = None
        for one in load(f"observed/controller/{path.stem}")["apiRequests"]:
            answer = one.get("responseBody") or {}
            if answer.get("kind") == "ImageStream" and one["method"] in ("POST", "PATCH"):
                seen = answer
            elif answer.get("kind") == "ImageStreamImport" and seen is not None:
                found.append(pytest.param(seen, one["requestBody"], id=path.stem))
                seen = None
    return found


@pytest.mark.parametrize(("stream", "request_body"), recorded_imports())
def test_imports_are_the_recorded_ones(stream: dict[str, Any], request_body: dict[str, Any]) -> None:
    wanted = import_of(msgspec.json.decode(json.dumps(stream), type=ImageStream))
    assert json.loads(msgspec.json.encode(wanted)) == request_body


def test_there_are_recorded_ones() -> None:
    assert len(recorded_imports()) == 3


def tag(name: str, generation: int | None = 1, source: str = "quay.io/app/web:latest", **more: Any) -> TagReference:
    policy = TagImportPolicy(scheduled=more.pop("scheduled", False))
    kind = more.pop("kind", "DockerImage")
    return TagReference(
        name, from_=ObjectReference(kind=kind, name=source), generation=generation, importPolicy=policy, **more
    )


def seen(name: str, generation: int) -> NamedTagEventList:
    return NamedTagEventList(name, [TagEvent("2026-01-01T00:00:00Z", "quay.io/a@sha256:1", "sha256:1", generation)])


def failed(name: str, generation: int) -> NamedTagEventList:
    condition = TagEventCondition("ImportSuccess", "False", generation=generation)
    return NamedTagEventList(name, None, [condition])


def stream(
    tags: list[TagReference], events: list[NamedTagEventList], *, checked: bool = True, repository: str = ""
) -> ImageStream:
    return ImageStream(
        metadata=ObjectMeta(
            name="s", namespace="demo", generation=7, resourceVersion="5", annotations=CHECKED if checked else None
        ),
        spec=ImageStreamSpec(dockerImageRepository=repository, tags=tags),
        status=ImageStreamStatus(tags=events),
    )


@pytest.mark.parametrize(
    ("tags", "events", "wanted"),
    [
        ([], [], None),
        ([tag("a")], [], ["a"]),
        ([tag("a", 2)], [seen("a", 1)], ["a"]),
        ([tag("a", 2)], [seen("a", 2)], None),
        ([tag("a", 2)], [failed("a", 2)], None),
        ([tag("a", 3)], [failed("a", 2)], ["a"]),
        ([tag("a", None)], [], None),
        ([tag("a", reference=True)], [], None),
        ([tag("a", kind="ImageStreamTag")], [], None),
        ([TagReference("a", generation=1)], [], None),
        ([tag("b"), tag("a"), tag("c", 1)], [seen("c", 1)], ["b", "a"]),
    ],
)
@pytest.mark.parametrize("checked", [True, False])
def test_which_tags_are_due(
    tags: list[TagReference], events: list[NamedTagEventList], wanted: list[str] | None, checked: bool
) -> None:
    found = import_of(stream(tags, events, checked=checked))
    names = None if found is None else [image.to.name for image in found.spec.images or () if image.to]
    assert names == wanted


def test_a_repository_is_imported_once_with_all_tags() -> None:
    tags, events = [tag("a", 1)], [seen("a", 1)]
    found = import_of(stream(tags, events, checked=False, repository="quay.io/app/web"))
    assert found is not None
    assert found.spec.repository is not None
    assert len(found.spec.images or ()) == 1
    assert import_of(stream(tags, events, repository="quay.io/app/web")) is None


DIGEST = f"quay.io/app/web@sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("one", "events", "scheduled"),
    [
        (tag("a", scheduled=True), [seen("a", 1)], True),
        (tag("a"), [seen("a", 1)], False),
        (tag("a", scheduled=True, reference=True), [], False),
        (tag("a", source=DIGEST, scheduled=True), [], True),
        (tag("a", source=DIGEST, scheduled=True), [seen("a", 1)], False),
        (tag("a", 2, source=DIGEST, scheduled=True), [seen("a", 1)], True),
        (tag("a", source="Not A Reference", scheduled=True), [], False),
    ],
)
def test_which_tags_are_scheduled(one: TagReference, events: list[NamedTagEventList], scheduled: bool) -> None:
    assert needs_scheduling(stream([one], events)) is scheduled
    found = scheduled_import_of(stream([one, tag("due", 9)], events))
    assert (found is not None) is scheduled
    if found is not None:
        assert [image.to.name for image in found.spec.images or () if image.to] == ["a", "due"]


@pytest.mark.parametrize(("interval", "buckets"), [(900, 4), (3600, 4), (3601, 8), (600, 4), (599, 2)])
def test_buckets(interval: float, buckets: int) -> None:
    assert bucket_count(interval) == buckets


def keys(text: str) -> list[Key]:
    return [("n", name) for name in text]


def test_keys_spread_over_the_buckets_and_come_round() -> None:
    wheel = Schedule(4)
    for key in keys("abcdefgh"):
        wheel.add(key)
    turns = []
    for _ in range(3):
        found = []
        while (key := wheel.take()) is not None:
            found.append(key[1])
        turns.append("".join(found))
    assert turns == ["", "dh", "cg"], "the farthest bucket was filled first"
    assert len(wheel) == 8


def test_what_was_just_imported_goes_to_the_end() -> None:
    wheel = Schedule(2)
    for key in keys("ab"):
        wheel.add(key)
    wheel.delay(("n", "b"))
    wheel.delay(("n", "z"))
    assert ("n", "z") not in wheel
    assert [wheel.take() for _ in range(3)] == [None, None, ("n", "a")]
    wheel.remove(("n", "b"))
    assert len(wheel) == 1


class Watched(ApiCore):
    """Notes the imports that the controllers ask for; `refused` of them get a conflict."""

    def __init__(self, store: Store | None = None, refused: int = 0) -> None:
        super().__init__(new_cluster(store=store))
        self.asked: list[dict[str, Any]] = []
        self.refused = refused

    async def answer(self, request: ApiRequest) -> ApiResponse:
        if request.headers.get("user-agent") == "openshift-controller-manager":
            self.asked.append(json.loads(request.body))
            if self.refused:
                self.refused -= 1
                return ApiResponse(409, [], b'{"kind":"Status","reason":"Conflict","code":409}')
        return await super().answer(request)


def new_stream(name: str, **policy: Any) -> dict[str, Any]:
    source = {"kind": "DockerImage", "name": "quay.io/app/web:latest"}
    return {"metadata": {"name": name}, "spec": {"tags": [{"name": "t", "from": source, "importPolicy": policy}]}}


async def test_new_tags_are_imported_once(store: Store) -> None:
    api = Watched(store)
    await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("before"))
    async with Controllers(api, timing=TurnedTiming()) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("after"))
        await controllers.rest()
        for name in ("before", "after"):
            status, found = await ask_json(api, "GET", f"{DEMO}/imagestreamtags/{name}:t")
            assert (status, found["generation"]) == (200, 2)
    assert sorted(one["metadata"]["name"] for one in api.asked) == ["after", "before"]


async def test_images_that_cannot_be_had_are_not_tried_again(store: Store) -> None:
    api = Watched(store)
    timing = TurnedTiming()
    wanted = new_stream("bad")
    wanted["spec"]["tags"][0]["from"]["name"] = "quay.io/app/web:nothing"
    async with Controllers(api, timing=timing) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", wanted)
        await controllers.rest()
        await timing.turn(3600, controllers.rest)
    assert len(api.asked) == 1
    _, found = await ask_json(api, "GET", f"{DEMO}/imagestreams/bad")
    assert found["status"]["tags"][0]["conditions"][0]["reason"] == "NotFound"


async def test_requests_that_fail_are_tried_again_later_and_later(store: Store) -> None:
    api = Watched(store, refused=3)
    timing = TurnedTiming()
    async with Controllers(api, timing=timing) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("s"))
        await controllers.rest()
        counts = [len(api.asked)]
        for delay in (0.001, 0.002, 0.004, 1000):
            await timing.turn(delay, controllers.rest)
            counts.append(len(api.asked))
    assert counts == [1, 2, 3, 4, 4]


async def test_scheduled_streams_have_their_turn_again_and_again(store: Store) -> None:
    api = Watched(store)
    timing = TurnedTiming()
    async with Controllers(api, ControllerSettings(interval=900), timing) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("s", scheduled=True))
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("once"))
        await controllers.rest()
        assert len(api.asked) == 2
        rounds = []
        for _ in range(4):
            await timing.turn(900 * 5 / 4, controllers.rest)
            rounds.append(len(api.asked) - 2)
        _, found = await ask_json(api, "GET", f"{DEMO}/imagestreams/s")
    assert rounds == [1, 2, 3, 4]
    assert found["metadata"]["generation"] == 2, "an unchanged image leaves the stream as it is"
    again = api.asked[-1]
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    assert again["spec"]["images"][0]["importPolicy"] == {"scheduled": True, "importMode": "Legacy"}


async def test_no_more_scheduled_imports_than_allowed() -> None:
    api = Watched()
    timing = TurnedTiming()
    settings = ControllerSettings(interval=60, per_minute=1)
    async with Controllers(api, settings, timing) as controllers:
        for number in range(6):
            await ask(api, "POST", f"{DEMO}/imagestreams", new_stream(f"s{number}", scheduled=True))
        await controllers.rest()
        before = len(api.asked)
        await timing.turn(600, controllers.rest)
        assert 8 <= len(api.asked) - before <= 12, "two at once at first, then one a minute"


async def test_without_a_schedule() -> None:
    api = Watched()
    timing = TurnedTiming()
    async with Controllers(api, ControllerSettings(scheduled=False), timing) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("s", scheduled=True))
        await controllers.rest()
        await timing.turn(10_000, controllers.rest)
    assert len(api.asked) == 1


async def test_deleted_streams_are_forgotten(store: Store) -> None:
    api = Watched(store)
    timing = TurnedTiming()
    async with Controllers(api, ControllerSettings(interval=60), timing) as controllers:
        await ask(api, "POST", f"{DEMO}/imagestreams", new_stream("s", scheduled=True))
        await controllers.rest()
        await ask(api, "DELETE", f"{DEMO}/imagestreams/s")
        await controllers.rest()
        await timing.turn(600, controllers.rest)
    assert len(api.asked) == 1


async def test_a_key_is_never_worked_on_twice_at_once() -> None:
    running: list[Key] = []
    most = 0
    release = asyncio.Event()

    async def work(key: Key) -> bool:
        nonlocal most
        running.append(key)
        most = max(most, len(running))
        assert running.count(key) == 1
        await release.wait()
        running.remove(key)
        return True

    queue = WorkQueue(work, TurnedTiming(), workers=2)
    for key in [*keys("abc"), *keys("aab")]:
        queue.add(key)
        await asyncio.sleep(0)
    release.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert queue.idle
    assert most == 2
    await queue.close()


async def test_tokens() -> None:
    timing = TurnedTiming()
    bucket = TokenBucket(timing, 2.0, 3)
    assert [bucket.try_take() for _ in range(4)] == [True, True, True, False]
    await timing.turn(0.5)
    assert [bucket.try_take() for _ in range(2)] == [True, False]
    taken = asyncio.ensure_future(bucket.take())
    await timing.turn(0.4)
    assert not taken.done()
    await timing.turn(0.1)
    assert taken.done()
