"""Killed at any moment, applying a bundle leaves a tree that is as it was, or becomes what the bundle says."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.bundles import create, noise, state_of
from support.command import ROOT
from support.registry import put_image

from fake_registry.fixtures import Tree, verify
from fake_registry.fixtures.switching import is_switching
from mirror.seed.bundles.journal import complete_interrupted

KILLS, REPOSITORIES = 20, 150


def command(file: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "mirror.cli.main", "bundle", "apply", str(file), "--data", str(target)]


def start(file: Path, target: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command(file, target), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
def test_killed_twenty_times(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    for number in range(REPOSITORIES):
        put_image(tree, f"app{number}", "1", b"%d" % number)
    (old,) = create(tree.root, tmp_path / "old")
    before = state_of(tree.root)
    for number in range(REPOSITORIES):
        put_image(tree, f"app{number}", "2", b"second %d" % number, [noise(number, 20_000)])
        tree.delete_tag("quay.io", f"app{number}", "1")
    put_image(tree, "large", "1", layers=[noise(1000, 5_000_000)])
    (new,) = create(tree.root, tmp_path / "new", old)
    after = state_of(tree.root)
    original = tmp_path / "original"
    subprocess.run(command(old, original), check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert state_of(original) == before

    began = time.monotonic()
    shutil.copytree(original, tmp_path / "timed", symlinks=True)
    assert start(new, tmp_path / "timed").wait() == 0
    duration = time.monotonic() - began
    assert state_of(tmp_path / "timed") == after

    seen = {"unchanged": 0, "between": 0, "done": 0}
    target = tmp_path / "target"
    for _ in range(KILLS):
        if not target.exists():
            shutil.copytree(original, target, symlinks=True)
        process = start(new, target)
        time.sleep(random.uniform(0.2, 1.0) * duration)  # when it is killed does not matter for what must hold
        process.send_signal(signal.SIGKILL)
        process.wait()
        opened = Tree.open(target)
        problems = [problem for problem in verify(opened) if not problem.harmless]
        if is_switching(target):
            assert [problem.kind for problem in problems] == ["switch"]
            seen["between"] += 1
            if random.random() < 0.5:
                continue  # the next run completes it
            assert complete_interrupted(opened)
            assert state_of(target) == after
        else:
            assert problems == []
            seen["unchanged" if state_of(target) == before else "done"] += 1
            assert state_of(target) in {before, after}
        if state_of(target) == after:
            shutil.rmtree(target)
    if not target.exists():
        shutil.copytree(original, target, symlinks=True)
    assert start(new, target).wait() == 0
    assert state_of(target) == after
    assert list(verify(Tree.open(target))) == []
    assert not (target / ".applying").exists()
    assert seen["unchanged"] + seen["between"] > 0, seen
