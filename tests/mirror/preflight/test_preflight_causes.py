"""Every cause, produced for real over sockets, TLS and tokens; and what its remedy says, done, makes the tag import."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.administrator import Action
from support.command import ROOT
from support.preflight_alternatives import ALTERNATIVES, TREES
from support.preflight_cases import CASES, MIRRORED
from support.preflight_world import APP, BOTH, MIRROR, Setup, report_on, tag

from fake_registry import FakeRegistry
from mirror.preflight.causes import Cause
from mirror.preflight.report import Report, TagResult


def the_tag(report: Report) -> TagResult:
    return next(one for one in report.tags if one.tag == "1")


async def with_digest(setup: Setup, folder: Path) -> Setup:
    """The set-up in which ``DIGEST`` is the digest of the image."""
    if not any(one["from"]["name"] == "DIGEST" for one in setup.tags):
        return setup
    with FakeRegistry(folder / "digest") as registry:
        digest = registry.push_image(APP, platforms=BOTH)
    return replace(setup, tags=(tag(source=f"quay.io/team/app@{digest}"),))


@pytest.mark.parametrize(
    ("cause", "setup", "action", "word"),
    [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate([*CASES, *ALTERNATIVES, *TREES])],
)
async def test_a_cause_is_found_and_what_the_remedy_says_helps(
    cause: Cause, setup: Setup, action: Action, word: str, tmp_path: Path
) -> None:
    setup = await with_digest(setup, tmp_path)
    broken = the_tag(await report_on(setup, tmp_path / "world"))
    assert (broken.verdict, broken.cause) == ("fails", cause), broken
    assert broken.explanation is not None
    assert word in broken.explanation
    assert broken.remedy is not None
    corrected = await action.follow(broken.remedy, setup, tmp_path / "world")
    assert action.runs or corrected != setup
    repaired = the_tag(await report_on(corrected, tmp_path / "world"))
    assert (repaired.verdict, repaired.cause) == ("imports", None), repaired
    assert repaired.digest is not None
    assert repaired.status is not None
    assert repaired.status.status == "Success"


async def test_the_printed_commands_run_in_a_shell(tmp_path: Path) -> None:
    """As they are printed, by a shell that finds ``ismirror`` and reaches the registries by their names."""
    remedy = the_tag(await report_on(replace(MIRRORED, images=()), tmp_path / "world")).remedy
    assert remedy is not None
    commands = remedy.partition(": ")[2]
    assert commands == f"ismirror seed copy {APP} --data TREE && ismirror seed push TREE {MIRROR}"
    async with FakeRegistry(tmp_path / "tree", hosts={"quay.io": {}, MIRROR: {}}) as registry:
        digest = registry.push_image(APP, platforms=BOTH)
        done = await asyncio.to_thread(in_shell, commands, tmp_path, registry.environment())
        assert done.returncode == 0, done.stderr
        assert registry.manifest(f"{MIRROR}/team/app:1") == registry.manifest(f"quay.io/team/app@{digest}")


def in_shell(commands: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Runs commands where there is nothing but a program ``ismirror``."""
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "ismirror"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mirror.cli.main "$@"\n')
    program.chmod(0o755)
    here = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        ["sh", "-c", commands],
        check=False,
        cwd=folder,
        env={**here, **environment},
        capture_output=True,
        timeout=100,
    )
