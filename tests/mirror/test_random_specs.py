"""Random clusters and imports: whatever is asked, both transports give the same bytes, and nothing breaks.

What is drawn follows from a seed: ``ISMIRROR_SEED=7 pytest tests/mirror/test_random_specs.py`` draws others. A
scenario that shows a difference is written to a file, for ``ismirror scenario run FILE --data tests/vectors/tree``.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from support.command import TREE
from support.drawn_scenarios import Place, draw_hosts, draw_scenario, places
from support.shuffled import Shuffled

from fake_registry.config import Hosts
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.clock import ManualClock, NamedUids
from mirror.importer.transport import Transport
from mirror.scenario import START, Scenario, request_of
from mirror.session import open_transport, order_matters

SEED = int(os.environ.get("ISMIRROR_SEED", "20260101"))
CHUNKS = 50
SCENARIOS_OF_CHUNK = 42
"""All of a chunk share one set of hosts, and so one server."""


class Registries:
    """The hosts of a chunk behind one transport; every scenario finds them as new."""

    def __init__(self, hosts: Hosts) -> None:
        self.time: datetime = START
        self.core = RegistryCore(Tree.open(TREE), hosts, clock=self._seconds)

    def _seconds(self) -> float:
        return self.time.timestamp()

    async def play(self, scenario: Scenario, transport: Transport) -> tuple[list[ApiResponse], Counter[str]]:
        """The answers, and what the registries were asked for."""
        self.core.reset()
        self.core.journal.clear()
        clock = ManualClock(START)
        api = ApiCore(Cluster(scenario.cluster, transport, clock, NamedUids()))
        answers = []
        for step in scenario.steps:
            answers.append(await api.handle(request_of(step)))
            self.time = clock.now()
        asked = Counter(f"{entry.status} {entry.method} {entry.host}{entry.target}" for entry in self.core.journal)
        return answers, asked


@pytest.fixture(scope="module")
def existing() -> list[Place]:
    """What the tree has."""
    return places(Tree.open(TREE))


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_transports_agree(
    chunk: int, existing: list[Place], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(f"{SEED}/{chunk}")
    hosts = draw_hosts(rng)
    here, there = Registries(hosts), Registries(hosts)
    concurrency = (1, 8, 64)[chunk % 3]
    async with (
        open_transport(here.core, hosts, "embedded") as embedded,
        open_transport(there.core, hosts, "http", concurrency=concurrency) as over_http,
    ):
        for index in range(SCENARIOS_OF_CHUNK):
            scenario = draw_scenario(rng, hosts, existing)
            file = tmp_path / f"scenario-{chunk}-{index}.json"
            try:
                answers, asked = await here.play(scenario, embedded)
                over_sockets, asked_over_sockets = await there.play(scenario, over_http)
                assert over_sockets == answers
                assert asked_over_sockets == asked
                if not order_matters(hosts):
                    assert await here.play(scenario, Shuffled(embedded, rng)) == (answers, asked)
                for step, answer in zip(scenario.steps, answers, strict=True):
                    check_answer(request_of(step), answer)
                assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
            except BaseException:
                file.write_bytes(msgspec.json.format(msgspec.json.encode(scenario)))
                print(f"ISMIRROR_SEED={SEED}, chunk {chunk}, scenario {index}: {file}")  # noqa: T201
                raise


def check_answer(request: ApiRequest, answer: ApiResponse) -> None:
    """An answer is JSON, of an expected kind of status; the server itself never fails."""
    document = msgspec.json.decode(answer.body)
    if answer.status >= 400:
        assert document["kind"] == "Status"
        assert document["code"] == answer.status
    if answer.status >= 500:
        timed_out = answer.status == 504 and document["reason"] == "Timeout"
        assert timed_out or (b"generateName" in request.body and "metadata.name was not generated" in str(document))
    if request.method == "POST" and answer.status < 300:
        assert answer.status == 201


def test_there_are_enough_examples() -> None:
    assert CHUNKS * SCENARIOS_OF_CHUNK >= 2000
