"""What runs at the same time gives what comes of one after the other, whoever is first."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from support.command import TREE
from support.shuffled import Shuffled
from support.vectors import load

from fake_registry.config import Host, Route
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.importer.turns import Turns, gather
from mirror.scenario import START, Scenario, Step, request_of
from mirror.session import open_transport


def importing(*images: str | dict[str, Any], importing: bool = False) -> list[Step]:
    """One import; the images as pull specs, or with their policy."""
    specs = [{"from": {"kind": "DockerImage", "name": one}} if isinstance(one, str) else one for one in images]
    if importing:
        specs = [{**one, "to": {"name": f"t{index}"}} for index, one in enumerate(specs)]
    path = "/apis/image.openshift.io/v1/namespaces/demo/imagestreamimports"
    body = {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "app"},
        "spec": {"import": importing, "images": specs},
    }
    return [Step(method="POST", path=path, body=body)]


def insecure(name: str) -> dict[str, Any]:
    return {"from": {"kind": "DockerImage", "name": name}, "importPolicy": {"insecure": True}}


def preserved(name: str) -> dict[str, Any]:
    return {"from": {"kind": "DockerImage", "name": name}, "importPolicy": {"importMode": "PreserveOriginal"}}


MIRRORED = ClusterConfig(
    itms=[
        {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ImageTagMirrorSet",
            "metadata": {"name": "m"},
            "spec": {
                "imageTagMirrors": [
                    {"source": "quay.io/app/web", "mirrors": ["mirror.example.com/none", "plain.example.com:5000/app"]},
                    {"source": "registry.example.com/app", "mirrors": ["plain.example.com:5000/app"]},
                ]
            },
        }
    ]
)


SCHEMA1 = next(row for row in load("image_metadata") if row["name"] == "schema1-signed-no-sizes")


def schema1_host(*, knows_sizes: bool) -> Host:
    """A registry with a manifest that does not say how large its layers are; asked, it may tell."""
    headers = {"Content-Type": SCHEMA1["manifestContentType"]}
    routes = [Route(path="/v2/app/manifests/x", headers=headers, body=SCHEMA1["manifest"])]
    for digest, size in SCHEMA1["blobSizes"].items():
        status, body = (200, "x" * size) if knows_sizes else (404, "")
        routes.append(Route(method="HEAD", path=f"/v2/app/blobs/{digest}", status=status, body=body))
    return Host(routes=routes)


SLOW = Host(
    routes=[
        Route(path="/v2/app/web/manifests/latest", status=429, headers={"Content-Type": "text/plain"}, body="slow down")
    ]
)

CASES = {
    "one-mirror-asked-securely-and-not": Scenario(
        cluster=MIRRORED,
        hosts={
            "quay.io": Host(),
            "registry.example.com": Host(),
            "mirror.example.com": Host(),
            "plain.example.com:5000": Host(scheme="http"),
        },
        steps=importing("quay.io/app/web:latest", insecure("registry.example.com/app:latest")),
    ),
    "layer-that-only-one-registry-has": Scenario(
        hosts={"quay.io": schema1_host(knows_sizes=True), "mirror.example.com": schema1_host(knows_sizes=False)},
        steps=importing("quay.io/app:x", "mirror.example.com/app:x"),
    ),
    "layer-that-only-the-other-registry-has": Scenario(
        hosts={"quay.io": schema1_host(knows_sizes=False), "mirror.example.com": schema1_host(knows_sizes=True)},
        steps=importing("quay.io/app:x", "mirror.example.com/app:x"),
    ),
    "waiting-for-a-slow-registry": Scenario(
        hosts={"quay.io": Host(), "slow.example.com": SLOW},
        steps=importing("slow.example.com/app/web:latest", preserved("quay.io/app/multi:latest")),
    ),
    "slow-registry-at-the-pace-of-a-real-importer": Scenario(
        cluster=ClusterConfig(pace="real"),
        hosts={"quay.io": Host(), "slow.example.com": SLOW},
        steps=importing(
            "slow.example.com/app/web:latest",
            *(f"quay.io/app/many:{tag}" for tag in ("latest", "dev", "4.0", "v4.0.0", "2024-01-01", "v1")),
            importing=True,
        ),
    ),
    "at-the-pace-of-a-real-importer": Scenario(
        cluster=ClusterConfig(pace="real"),
        hosts={"quay.io": Host()},
        steps=importing(*(preserved(f"quay.io/app/multi:{tag}") for tag in ("latest", "a", "b", "c", "index", "d"))),
    ),
}


async def answer(scenario: Scenario, rng: random.Random | None) -> tuple[bytes, list[str]]:
    clock = ManualClock(START)
    core = RegistryCore(Tree.open(TREE), scenario.hosts, clock=lambda: clock.now().timestamp())
    async with open_transport(core, scenario.hosts) as transport:
        used = transport if rng is None else Shuffled(transport, rng)
        api = ApiCore(Cluster(scenario.cluster, used, clock, NamedUids()))
        response = await api.handle(request_of(scenario.steps[0]))
    return response.body, sorted(f"{entry.method} {entry.host}{entry.target}" for entry in core.journal)


@pytest.mark.parametrize("scenario", CASES.values(), ids=CASES)
async def test_nobody_is_first(scenario: Scenario) -> None:
    expected = await answer(scenario, None)
    for seed in range(25):
        assert await answer(scenario, random.Random(seed)) == expected


async def test_turns_wait_for_all_before() -> None:
    turns, order = Turns(3), []

    async def work(position: int, pauses: int) -> None:
        for _ in range(pauses):
            await asyncio.sleep(0)
        await turns.wait(position)
        order.append(position)
        turns.done(position)

    await asyncio.gather(work(2, 0), work(1, 5), work(0, 9))
    assert order == [0, 1, 2]


@pytest.mark.parametrize("concurrency", [1, 2, 10])
async def test_gather_is_bounded_and_starts_in_order(concurrency: int) -> None:
    running, most, started = 0, 0, []

    async def work(position: int) -> None:
        nonlocal running, most
        started.append(position)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await gather([lambda position=position: work(position) for position in range(7)], concurrency)
    assert started == list(range(7))
    assert most == min(concurrency, 7)


async def test_a_failure_ends_the_others() -> None:
    finished = []

    async def fail() -> None:
        raise LookupError

    async def work() -> None:
        await asyncio.sleep(0)
        finished.append(True)

    with pytest.raises(LookupError):
        await gather([fail, work, work], 3)
    assert not finished
