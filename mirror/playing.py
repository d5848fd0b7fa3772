"""Running files of scenarios: play them all, write down what was answered, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from fake_registry.fixtures import Tree
from fake_registry.replacing import replace_file
from mirror.errors import InputError
from mirror.junit import Case
from mirror.recording import with_answers
from mirror.scenario import Scenario, StepResult, differences, load_scenario, play, recorded
from mirror.session import CONCURRENCY, TransportKind


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario file that was played: the answers, and for each step that differs what differs."""

    file: str
    scenario: Scenario
    results: list[StepResult]
    differences: list[tuple[int, list[str]]]

    @property
    def passed(self) -> bool:
        """Whether every answer was as expected."""
        return not self.differences


async def play_files(
    files: Sequence[str], data: str, kind: TransportKind, start: datetime, *, concurrency: int = CONCURRENCY
) -> list[Played]:
    """Plays scenario files one after the other; all of them are read first.

    Raises:
        InputError: a file cannot be used.
        TreeError: `data` is no fixture tree.
    """
    scenarios = [(file, load_scenario(Path(file))) for file in files]
    tree = Tree.open(data)
    played = []
    for file, scenario in scenarios:
        try:
            results = await play(scenario, tree, kind, start, concurrency)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
        found = [
            (index, lines)
            for index, (step, result) in enumerate(zip(scenario.steps, results, strict=True))
            if step.expect is not None and (lines := differences(step.expect, result))
        ]
        played.append(Played(file, scenario, results, found))
    return played


def record_files(played: Sequence[Played]) -> None:
    """Writes the answers into the files, as what is expected from now on; files that would not change stay untouched.

    Raises:
        InputError: a file cannot be written.
    """
    for one in played:
        path = Path(one.file)
        expects = [msgspec.to_builtins(expect) for expect in recorded(one.results)]
        try:
            text = path.read_text(encoding="utf-8")
            written = with_answers(text, expects)
            if written != text:
                target = path.resolve()  # a link stays a link
                replace_file(target, written.encode(), mode=target.stat().st_mode & 0o777)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None


def junit_cases(played: Sequence[Played]) -> Iterator[Case]:
    """The results for a JUnit report: a suite a file, a test case a step."""
    for one in played:
        failing = dict(one.differences)
        for index, step in enumerate(one.scenario.steps):
            lines = failing.get(index, [])
            name = f"step {index + 1}: {step.method} {step.path}"
            yield Case(one.file, name, lines[0] if lines else "", "\n".join(lines))
