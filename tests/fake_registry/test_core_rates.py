"""Rate limits: who may ask how often, what they are told, and when they may come back."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.registry import HOST, NOW, Clock, ask, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import Host
from fake_registry.core.registry import RegistryCore
from fake_registry.core.tally import LocalTally, SharedTally, Tally
from fake_registry.fixtures import Tree

MANIFEST = "/v2/app/manifests/v1"
HUB = {"requests": 3, "window": "6h", "by": "user", "match": {"kind": "manifest", "method": "GET"}}


def host(*limits: dict[str, Any], **more: Any) -> Host:
    return msgspec.convert({"rateLimits": list(limits), **more}, Host)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path)
    put_image(tree, "app", "v1")
    return tree


async def told(core: RegistryCore, target: str = MANIFEST, method: str = "GET", **more: Any) -> tuple[int, str, str]:
    """Status, what is left, and when to come back."""
    headers = {"user-agent": more.pop("agent", "tests"), **more.pop("headers", {})}
    response = await ask(core, target, method, headers=headers, **more)
    found = {name.lower(): value for name, value in response.headers}
    return response.status, found.get("ratelimit-remaining", ""), found.get("retry-after", "")


async def test_as_docker_hub_has_it(tree: Tree) -> None:
    clock = Clock()
    core = RegistryCore(tree, {HOST: host(HUB)}, clock=clock)
    assert await told(core, method="HEAD") == (200, "3;w=21600", "")
    assert [await told(core) for _ in range(3)] == [(200, f"{left};w=21600", "") for left in (2, 1, 0)]
    clock.now += 100.5
    assert await told(core) == (429, "0;w=21600", "21500")
    assert await told(core, method="HEAD") == (200, "0;w=21600", "")
    assert await told(core, "/v2/app/tags/list") == (200, "", "")
    refused = await ask(core, MANIFEST, remote="192.0.2.1:40000")
    assert dict(refused.headers)["docker-ratelimit-source"] == "192.0.2.1"
    clock.now = NOW + 6 * 3600 - 0.25
    assert await told(core) == (429, "0;w=21600", "1")
    clock.now = NOW + 6 * 3600
    assert await told(core, "/v2/app/manifests/none") == (404, "2;w=21600", "")
    entry = next(one for one in core.journal if one.status == 429)
    assert entry.note.startswith("TOOMANYREQUESTS: You have reached your pull rate limit")


@pytest.mark.parametrize(
    ("by", "left"),
    [
        ("address", [1, 0, 1, 0, None]),
        ("userAgent", [1, 1, 0, 0, None]),
        ("host", [1, 0, None, None, None]),
    ],
)
async def test_whom_a_limit_is_for(tree: Tree, by: str, left: list[int | None]) -> None:
    core = RegistryCore(tree, {HOST: host({"requests": 2, "window": 60, "by": by})}, clock=Clock())
    clients = [("192.0.2.1:1", "a"), ("192.0.2.1:2", "b"), ("[2001:db8::1]:1", "a"), ("[2001:db8::1]:2", "b")]
    found = []
    for remote, agent in [*clients, ("192.0.2.1:3", "a")]:
        status, remaining, _ = await told(core, remote=remote, agent=agent)
        found.append(int(remaining.partition(";")[0]) if status == 200 else None)
    assert found == left


async def test_users_have_limits_of_their_own(tree: Tree) -> None:
    """Who is refused for other reasons uses nothing up; a user counts the same wherever they come from."""
    auth = {"type": "basic", "users": {"me": "a", "you": "b"}, "anonymous": True}
    core = RegistryCore(tree, {HOST: host({"requests": 1, "window": 60, "by": "user"}, auth=auth)}, clock=Clock())

    def login(user: str) -> dict[str, str]:
        return {"authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}

    assert (await told(core, headers=login("me:wrong")))[0] == 401
    for headers, remote in (login("me:a"), "192.0.2.1:1"), (login("you:b"), "192.0.2.1:1"), ({}, "192.0.2.1:1"):
        assert await told(core, headers=headers, remote=remote) == (200, "0;w=60", "")
        assert await told(core, headers=headers, remote=remote) == (429, "0;w=60", "60")
    assert (await told(core, headers=login("me:a"), remote="192.0.2.2:1"))[0] == 429
    assert (await told(core, remote="192.0.2.2:1"))[0] == 200


async def test_several_limits(tree: Tree) -> None:
    """All of them count; the nearest is told, and what one refuses uses nothing up of the others."""
    clock = Clock()
    limits = ({"requests": 10, "window": "1h"}, {"requests": 2, "window": "1s", "match": {"repository": "a*"}})
    core = RegistryCore(tree, {HOST: host(*limits)}, clock=clock)
    assert [(await told(core))[1] for _ in range(3)] == ["1;w=1", "0;w=1", "0;w=1"]
    assert (await told(core, "/v2/"))[1] == "7;w=3600"
    clock.now += 1
    assert [await told(core) for _ in range(2)] == [(200, "1;w=1", ""), (200, "0;w=1", "")]
    assert (await told(core, "/v2/"))[1] == "4;w=3600"


async def test_what_goes_on_and_what_begins_anew(tree: Tree) -> None:
    first, other = {HOST: host(HUB)}, {HOST: host({**HUB, "requests": 5})}
    core = RegistryCore(tree, first, clock=Clock())
    assert (await told(core))[1] == "2;w=21600"
    core.configure({**first, "docker.io": Host()})
    assert (await told(core))[1] == "1;w=21600"
    core.reset()
    assert (await told(core))[1] == "2;w=21600"
    core.configure(other)
    assert (await told(core))[1] == "4;w=21600"
    core.configure({HOST: Host()})
    assert (await told(core))[1] == ""


@pytest.fixture(params=["of one process", "of several"])
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    if request.param == "of one process":
        yield LocalTally()
        return
    shared = SharedTally()
    yield shared
    os.close(shared._file)


async def test_more_clients_than_are_remembered(tree: Tree, tally: Tally) -> None:
    """The oldest are forgotten; whoever is remembered is counted right."""
    clock = Clock()
    core = RegistryCore(tree, {HOST: host({"requests": 2, "window": "1h"})}, clock=clock, tally=tally)
    for number in range(3000):
        clock.now += 0.001
        assert (await told(core, "/v2/", remote=f"client-{number}:1"))[0] == 200
    seen = [(await told(core, "/v2/", remote=f"client-{number}:1"))[1] for number in range(2990, 3000)]
    assert seen == ["0;w=3600"] * 10


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ({"window": 60}, "missing required field `requests`"),
        ({"requests": -1, "window": 60}, "Expected `int` >= 0"),
        ({"requests": 1, "window": "soon"}, "'soon' is no duration"),
        ({"requests": 1, "window": "10ms"}, "Expected `window` to be a second or more"),
        ({"requests": 1, "window": 60, "by": "weather"}, "Invalid enum value 'weather'"),
        ({"requests": 1, "window": 60, "match": {"nth": 1}}, "unknown field `nth`"),
    ],
)
def test_limits_that_cannot_be(limit: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        FakeRegistry(hosts={HOST: {"rateLimits": [limit]}})
    assert problem in str(raised.value)
