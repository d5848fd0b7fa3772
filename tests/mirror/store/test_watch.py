"""Watches: every change once and in order, from history, whoever is slow."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from support.stores import OpenStore

from mirror.store import Change, Expired, Record, Store, Watch


async def take(watch: Watch, count: int) -> list[Change]:
    return [await anext(watch) for _ in range(count)]


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_changes_say_what_was_before(store: Store) -> None:
    watch = store.watch("images", 999)
    first = await store.create("images", "", "x", b"1")
    second = await store.update("images", "", "x", b"2", 1000)
    await store.create("imagestreams", "demo", "app", b"")
    await store.delete("images", "", "x")
    changes = await take(watch, 3)
    assert changes == [
        Change("ADDED", first, None),
        Change("MODIFIED", second, first),
        Change("DELETED", Record("images", "", "x", 1003, b"2"), second),
    ]
    assert [change.previous for change in changes] == [None, b"1", b"2"]
    assert [change.version for change in changes] == [1000, 1001, 1003]


@pytest.mark.parametrize(
    ("since", "versions"), [(0, [1000, 1002, 1003]), (999, [1000, 1002, 1003]), (1000, [1002, 1003]), (1002, [1003])]
)
async def test_history_is_replayed(store: Store, since: int, versions: list[int]) -> None:
    for resource in ("images", "imagestreams", "images", "images"):
        await store.create(resource, "", str(await store.version()), b"")
    assert [change.version for change in await store.watch("images", since).batch()] == versions


@pytest.mark.parametrize("ahead", [0, 1, 5])
async def test_a_watch_waits_for_versions_to_come(store: Store, ahead: int) -> None:
    since = await store.version() + ahead
    watch = store.watch("images", since)
    waiting = asyncio.ensure_future(watch.batch())
    for number in range(ahead):
        await store.create("images", "", str(number), b"")
    await settle()
    assert not waiting.done()
    assert watch.version == since
    made = await store.create("images", "", "x", b"")
    assert await waiting == [Change("ADDED", made, None)]


async def test_batches_are_bounded(store: Store) -> None:
    for number in range(25):
        await store.create("images", "", str(number), b"")
    watch = store.watch("images", 999)
    assert [len(await watch.batch(10)) for _ in range(3)] == [10, 10, 5]


async def test_the_version_of_a_watch_is_that_of_its_bookmarks(store: Store) -> None:
    watch = store.watch("images", 999)
    assert watch.version == 999
    await store.create("imagestreams", "demo", "app", b"")
    assert watch.version == 1000
    await store.create("images", "", "x", b"")
    await store.create("images", "", "y", b"")
    assert watch.version == 999  # nothing that is yet to be handed out may be skipped by who starts again from there
    await anext(watch)
    assert watch.version == 1001
    await anext(watch)
    await store.create("imagestreams", "demo", "other", b"")
    assert watch.version == 1003


async def test_waiting_may_be_cancelled(store: Store) -> None:
    watch = store.watch("images", 999)
    other = asyncio.ensure_future(anext(store.watch("images", 999)))
    for _ in range(3):
        waiting = asyncio.ensure_future(anext(watch))
        await settle()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    made = await store.create("images", "", "x", b"")
    assert (await anext(watch)).record == made == (await other).record


async def test_a_change_that_comes_with_the_cancellation_is_not_lost(store: Store) -> None:
    watch = store.watch("images", 999)
    waiting = asyncio.ensure_future(anext(watch))
    await settle()
    made = await store.create("images", "", "x", b"")
    waiting.cancel()
    result = await asyncio.gather(waiting, return_exceptions=True)
    if isinstance(result[0], asyncio.CancelledError):
        assert (await anext(watch)).record == made


async def test_watches_end(store: Store) -> None:
    closed, ended = store.watch("images", 999), store.watch("images", 999)
    waiting = [asyncio.ensure_future(closed.batch()), asyncio.ensure_future(ended.batch())]
    await settle()
    closed.close()
    assert not await waiting[0]
    assert not waiting[1].done()
    await store.close()
    assert not await waiting[1]
    assert [change async for change in closed] == [change async for change in ended] == []


async def test_expired(open_store: OpenStore) -> None:
    store = await open_store(history=16)
    for number in range(100):
        await store.create("images", "", str(number), b"")
    with pytest.raises(Expired) as caught:
        store.watch("images", 1005)
    oldest = caught.value.oldest
    assert str(caught.value) == f"too old resource version: 1005 ({oldest})"
    assert 16 <= 1099 - oldest <= 18
    with pytest.raises(Expired):
        store.watch("images", oldest - 1)
    assert len(await store.watch("images", oldest).batch()) == 1099 - oldest


async def test_a_slow_reader_expires_when_it_misses_something(open_store: OpenStore) -> None:
    store = await open_store(history=16)
    slow, quiet = store.watch("images", 999), store.watch("imagestreams", 999)
    for number in range(10):
        await store.create("images", "", str(number), b"")
    assert [change.version for change in await take(slow, 3)] == [1000, 1001, 1002]
    for number in range(10, 100):
        await store.create("images", "", str(number), b"")
    with pytest.raises(Expired) as caught:
        await anext(slow)
    assert caught.value.version == 1002
    made = await store.create("imagestreams", "demo", "app", b"")
    assert (await anext(quiet)).record == made  # of its resource nothing was lost


async def test_history_is_bounded_in_bytes(open_store: OpenStore) -> None:
    """What counts is what history alone keeps: values that are current cost nothing more."""
    store = await open_store(history_bytes=10_000)
    for number in range(100):
        await store.create("images", "", str(number), bytes(1000))
    assert len(await store.watch("images", 999).batch(1000)) == 100
    for number in range(20):
        await store.update("images", "", "0", bytes(1000), 1000 if not number else 1099 + number)
    with pytest.raises(Expired) as caught:
        store.watch("images", 999)
    assert 7 <= 1119 - caught.value.oldest <= 10
    await store.update("images", "", "0", bytes(50_000), 1119)
    await store.delete("images", "", "0")
    assert [change.type for change in await store.watch("images", 1120).batch()] == ["DELETED"]
    with pytest.raises(Expired):
        store.watch("images", 1119)


@pytest.mark.parametrize(
    ("watchers", "writers", "each"),
    [(20, 5, 50), pytest.param(200, 10, 500, marks=pytest.mark.slow)],
    ids=["some", "many"],
)
async def test_many_watchers_see_every_change_once_and_in_order(
    store: Store, watchers: int, writers: int, each: int
) -> None:
    total = writers * each

    async def read(number: int) -> list[int]:
        watch = store.watch("imagestreams", 999)
        versions: list[int] = []
        while len(versions) < total:
            versions += [change.version for change in await watch.batch(1 + number)]
        assert watch.version == await store.version()
        return versions

    async def write(number: int) -> None:
        record = await store.create("imagestreams", "demo", str(number), b"0")
        for count in range(1, each):
            record = await store.update("imagestreams", "demo", str(number), str(count).encode(), record.version)
            if count % 10 == 0:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read(number)) for number in range(watchers)]
        for number in range(writers):
            group.create_task(write(number))
    expected = list(range(1000, 1000 + total))
    assert all(reader.result() == expected for reader in readers)


async def test_changes_of_an_object_follow_from_one_another(store: Store) -> None:
    async def write() -> None:
        for number in range(50):
            record = await store.create("images", "", "x", str(number).encode())
            record = await store.update("images", "", "x", b"again", record.version)
            await store.delete("images", "", "x", record.version)

    watch = store.watch("images", 999)
    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        changes = await take(watch, 150)
    assert all(
        later.before == (None if earlier.type == "DELETED" else earlier.record) for earlier, later in pairwise(changes)
    )
