"""Objects, lists and versions: what every store does."""

from __future__ import annotations

import asyncio

import pytest
from support.stores import OpenStore

from mirror.store import AlreadyExists, Conflict, Expired, Missing, Record, Store, StoreClosed


def names(records: object) -> list[str]:
    assert isinstance(records, list)
    return [f"{record.namespace}/{record.name}" for record in records]


async def test_a_new_store_is_empty(store: Store) -> None:
    assert await store.version() == 999
    assert list(await store.list("images")) == []
    page = await store.page("images")
    assert (list(page.records), page.version, page.remaining) == ([], 999, 0)


async def test_versions_count_all_writes_of_all_resources(store: Store) -> None:
    assert (await store.create("imagestreams", "demo", "app", b"1")).version == 1000
    assert (await store.create("images", "", "sha256:0", b"2")).version == 1001
    assert (await store.update("imagestreams", "demo", "app", b"3", 1000)).version == 1002
    deleted = await store.delete("images", "", "sha256:0")
    assert deleted == Record("images", "", "sha256:0", 1001, b"2")
    assert await store.version() == 1003
    assert (await store.create("images", "", "sha256:0", b"4")).version == 1004


async def test_what_was_written_is_read(store: Store) -> None:
    made = await store.create("imagestreams", "demo", "app", b"1")
    assert made == Record("imagestreams", "demo", "app", 1000, b"1") == await store.get("imagestreams", "demo", "app")
    changed = await store.update("imagestreams", "demo", "app", b"\x00\xff", 1000)
    assert changed == Record("imagestreams", "demo", "app", 1001, b"\x00\xff")
    assert await store.get("imagestreams", "demo", "app") == changed
    assert list(await store.list("imagestreams", "demo")) == [changed]


@pytest.mark.parametrize(
    ("call", "arguments", "error"),
    [
        ("get", ("images", "demo", "app"), Missing),
        ("get", ("imagestreams", "other", "app"), Missing),
        ("get", ("imagestreams", "demo", "app2"), Missing),
        ("get", ("imagestreams", "", "demo/app"), Missing),
        ("get", ("imagestreams", "demo", "\ud800"), Missing),
        ("create", ("imagestreams", "demo", "app", b"2"), AlreadyExists),
        ("create", ("imagestreams", "a/b", "app", b"2"), ValueError),
        ("create", ("imagestreams", "demo", "\ud800", b"2"), ValueError),
        ("update", ("imagestreams", "demo", "app", b"2", 999), Conflict),
        ("update", ("imagestreams", "demo", "app", b"2", 1001), Conflict),
        ("update", ("imagestreams", "demo", "app", b"2", 10**30), Conflict),
        ("update", ("imagestreams", "demo", "other", b"2", 1000), Missing),
        ("delete", ("imagestreams", "demo", "app", 999), Conflict),
        ("delete", ("imagestreams", "other", "app"), Missing),
        ("delete", ("imagestreams", "other", "app", 1000), Missing),
    ],
)
async def test_refusals_change_nothing(
    store: Store, call: str, arguments: tuple[object, ...], error: type[Exception]
) -> None:
    made = await store.create("imagestreams", "demo", "app", b"1")
    with pytest.raises(error):
        await getattr(store, call)(*arguments)
    assert await store.version() == 1000
    assert list(await store.list("imagestreams")) == [made]


async def test_lists_are_in_the_order_of_storage_keys(store: Store) -> None:
    """The separator of namespace and name counts: ``-`` comes before ``/``, and so ``a-b`` before ``a``."""
    keys = [("b", "x"), ("a", "y"), ("a-b", "x"), ("a", "x.y"), ("a", "x"), ("a0", "x"), ("é", "x"), ("a", "x-y")]
    for namespace, name in keys[:4]:
        await store.create("imagestreams", namespace, name, b"")
    await store.list("imagestreams")  # the order is kept up from here on
    for namespace, name in keys[4:]:
        await store.create("imagestreams", namespace, name, b"")
    ordered = ["a-b/x", "a/x", "a/x-y", "a/x.y", "a/y", "a0/x", "b/x", "é/x"]
    assert names(await store.list("imagestreams")) == ordered
    assert names(await store.list("imagestreams", "a")) == ["a/x", "a/x-y", "a/x.y", "a/y"]
    assert names(await store.list("imagestreams", "")) == []
    await store.delete("imagestreams", "a", "x-y")
    assert names(await store.list("imagestreams")) == [key for key in ordered if key != "a/x-y"]


@pytest.fixture
async def filled(store: Store) -> Store:
    for name in "edcba":
        await store.create("imagestreams", "two" if name in "bd" else "one", name, name.encode())
    return store


@pytest.mark.parametrize(
    ("arguments", "found", "remaining"),
    [
        ((None, None, None), "acebd", 0),
        ((None, None, 2), "ac", 3),
        ((None, ("one", "c"), 2), "eb", 1),
        ((None, ("one", "c\0"), 2), "eb", 1),
        ((None, ("one", "bb"), 2), "ce", 2),
        ((None, ("two", "b"), 2), "d", 0),
        ((None, ("two", "d"), 2), "", 0),
        ((None, ("", ""), 9), "acebd", 0),
        (("one", None, 2), "ac", 1),
        (("one", ("one", "c"), 2), "e", 0),
        (("one", ("two", "b"), 2), "", 0),
        (("two", ("one", "a"), None), "bd", 0),
        (("two", None, 0), "", 2),
        (("three", None, None), "", 0),
    ],
)
async def test_pages(
    filled: Store, arguments: tuple[str | None, tuple[str, str] | None, int | None], found: str, remaining: int
) -> None:
    page = await filled.page("imagestreams", *arguments)
    assert "".join(record.name for record in page.records) == found
    assert (page.version, page.remaining) == (1004, remaining)


async def test_pages_of_one_list_do_not_change_under_the_reader(filled: Store) -> None:
    first = await filled.page("imagestreams", limit=2)
    await filled.delete("imagestreams", "one", "a")
    await filled.delete("imagestreams", "one", "e")
    await filled.update("imagestreams", "two", "b", b"new", 1003)
    await filled.create("imagestreams", "one", "f", b"f")
    await filled.create("imagestreams", "one", "e", b"again")
    rest = await filled.page("imagestreams", after=("one", "c"), limit=2, at=first.version)
    assert [(record.name, record.version, record.value) for record in rest.records] == [
        ("e", 1000, b"e"),
        ("b", 1003, b"b"),
    ]
    assert (rest.version, rest.remaining) == (first.version, 1)
    assert names((await filled.page("imagestreams", "one", at=1004)).records) == ["one/a", "one/c", "one/e"]
    assert names((await filled.page("imagestreams", at=999)).records) == []
    now = await filled.page("imagestreams", at=5000)
    assert (names(now.records), now.version) == (["one/c", "one/e", "one/f", "two/b", "two/d"], 1009)


async def test_a_list_of_long_ago_has_expired(open_store: OpenStore) -> None:
    store = await open_store(history=8)
    for number in range(20):
        await store.create("images", "", str(number), b"")
    with pytest.raises(Expired, match=r"^too old resource version: 1000 \(10\d\d\)$") as caught:
        await store.page("images", at=1000)
    assert caught.value.version == 1000
    assert len((await store.page("images", at=caught.value.oldest)).records) == caught.value.oldest - 999
    assert len((await store.page("images")).records) == 20


async def test_writers_of_one_object_lose_no_update(store: Store) -> None:
    writers, times = 64, 5
    await store.create("imagestreams", "demo", "app", b"")

    async def write(number: int) -> int:
        refused = 0
        for _ in range(times):
            while True:
                seen = await store.get("imagestreams", "demo", "app")
                await asyncio.sleep(0)  # others come in between, in memory, too
                try:
                    await store.update("imagestreams", "demo", "app", seen.value + bytes([number]), seen.version)
                    break
                except Conflict:
                    refused += 1
        return refused

    refused = await asyncio.gather(*map(write, range(writers)))
    value = (await store.get("imagestreams", "demo", "app")).value
    assert all(value.count(bytes([number])) == times for number in range(writers))
    assert await store.version() == 1000 + writers * times
    assert sum(refused) > 0


async def test_one_of_many_creates_an_object(store: Store) -> None:
    results = await asyncio.gather(
        *(store.create("images", "", "sha256:0", bytes([number])) for number in range(20)), return_exceptions=True
    )
    made = [result for result in results if isinstance(result, Record)]
    assert made == [await store.get("images", "", "sha256:0")]
    assert sum(isinstance(result, AlreadyExists) for result in results) == 19
    assert await store.version() == 1000


async def test_writes_of_one_key_at_the_same_time(store: Store) -> None:
    """They are taken in the order in which they are asked for."""
    results = await asyncio.gather(
        store.create("images", "", "x", b"1"),
        store.delete("images", "", "x"),
        store.create("images", "", "x", b"2"),
        store.update("images", "", "x", b"3", 1002),
    )
    assert [record.version for record in results] == [1000, 1000, 1002, 1003]
    assert (await store.get("images", "", "x")).value == b"3"


async def test_cancelled_writers_leave_the_others_alone(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.create("images", "", str(number), b"")) for number in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    for number in range(1, 10, 2):
        assert (await store.get("images", "", str(number))).version == tasks[number].result().version
    assert await store.create("images", "", "after", b"") == await store.get("images", "", "after")


async def test_a_closed_store_can_be_read_only(store: Store) -> None:
    made = await store.create("images", "", "x", b"")
    await store.close()
    await store.close()
    assert list(await store.list("images")) == [made]
    for write in (store.create("images", "", "y", b""), store.update("images", "", "x", b"", 1000)):
        with pytest.raises(StoreClosed, match=r"^the store is closed$"):
            await write
    with pytest.raises(StoreClosed):
        await store.delete("images", "", "x")


async def test_closing_waits_for_what_was_begun(store: Store) -> None:
    writes = [asyncio.ensure_future(store.create("images", "", str(number), b"")) for number in range(10)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted([(await write).version for write in writes]) == list(range(1000, 1010))
