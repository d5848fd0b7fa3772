"""The recorded scenarios, through both transports: what is answered, and what the registries were asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from support.command import ROOT, TREE, ismirror
from support.stores import opened

from fake_registry.core.journal import Entry
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiResponse
from mirror.clock import ManualClock, NamedUids
from mirror.playing import play_files
from mirror.scenario import START, Scenario, load_scenario, play, request_of
from mirror.session import TransportKind, open_transport

FOLDER = ROOT / "tests" / "vectors" / "scenarios"
FILES = sorted(FOLDER.glob("*.json"))
KINDS: tuple[TransportKind, ...] = ("embedded", "http")

each_file = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])


@each_file
@pytest.mark.parametrize("kind", KINDS)
async def test_answers_are_as_expected(path: Path, kind: TransportKind) -> None:
    (played,) = await play_files([str(path)], TREE, kind, START)
    assert all(step.expect is not None for step in played.scenario.steps)
    assert played.differences == []


async def raw(scenario: Scenario, kind: TransportKind, concurrency: int = 8) -> tuple[list[ApiResponse], list[Entry]]:
    """The answers as they leave the API server, and what the registries were asked for."""
    clock = ManualClock(START)
    core = RegistryCore(Tree.open(TREE), scenario.hosts, clock=lambda: clock.now().timestamp())
    async with open_transport(core, scenario.hosts, kind, concurrency=concurrency) as transport:
        api = ApiCore(Cluster(scenario.cluster, transport, clock, NamedUids()))
        answers = [await api.handle(request_of(step)) for step in scenario.steps]
    return answers, list(core.journal)


@each_file
async def test_answers_do_not_depend_on_the_store(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path)
    tree = Tree.open(TREE)
    async with opened(tmp_path / "state.db") as store:
        assert await play(scenario, tree, store=store) == await play(scenario, tree)


@each_file
async def test_transports_give_the_same_bytes(path: Path) -> None:
    scenario = load_scenario(path)
    embedded, asked = await raw(scenario, "embedded")
    for concurrency in (1, 64):
        answers, asked_over_http = await raw(scenario, "http", concurrency)
        assert answers == embedded
        assert sorted(map(recorded_line, asked_over_http)) == sorted(map(recorded_line, asked))


@each_file
async def test_registries_are_asked_as_by_the_real_importer(path: Path) -> None:
    scenario = load_scenario(path)
    _, asked = await raw(scenario, "embedded")
    assert by_repository(map(recorded_line, asked)) == by_repository(map(with_sorted_accept, scenario.requests))


def recorded_line(entry: Entry) -> str:
    """A request as the recordings write it, the Accept lines sorted: their order is random there."""
    return f"{entry.method} {entry.host}{entry.target} accept={sorted(entry.accepts)} auth={entry.authorization}"


def with_sorted_accept(line: str) -> str:
    head, _, rest = line.partition(" accept=[")
    accepts, _, authorization = rest.partition("]")
    types = sorted(re.findall("'([^']*)'", accepts))
    return f"{head} accept={types}{authorization}"


def by_repository(lines: Iterable[str]) -> dict[str, list[str]]:
    """The requests of each repository, in order: between repositories the real order is random."""
    logs: dict[str, list[str]] = {}
    for line in lines:
        repository = re.sub(r"/(manifests|blobs|tags)/.*", "", line.split()[1])
        logs.setdefault(repository, []).append(line)
    return logs


def test_command_gives_the_same_bytes_over_both_transports(tmp_path: Path) -> None:
    files = [str(path.relative_to(ROOT)) for path in FILES]
    outputs = []
    for kind in KINDS:
        arguments = ("scenario", "run", *files, "--data", TREE, "--transport", kind, "-o", "json")
        outcome = ismirror(*arguments, cwd=ROOT)
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.stderr == f"{len(files)} of {len(files)} scenarios as expected\n"
        outputs.append(outcome.stdout)
    assert outputs[0] == outputs[1]
    played = msgspec.json.decode(outputs[0])
    assert [one["file"] for one in played] == files
    for one, path in zip(played, FILES, strict=True):
        steps = load_scenario(path).steps
        assert len(one["steps"]) == len(steps)
        assert all(set(step) == {"status", "body", "warnings", "contentType"} for step in one["steps"])


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 69
    assert {path.stem for path in FILES} >= {"discovery", "table", "stream-delete", "stream-mapping", "stream-invalid"}
