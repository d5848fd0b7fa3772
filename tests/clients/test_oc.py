"""oc against the API: the recorded commands print what they printed against the real server, with the same exit codes.

It runs the one on the PATH, or the one that ``OC`` names; there is no package of it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.vectors import VECTORS

from fake_registry import FakeRegistry
from mirror import ImageApi

PROGRAM = os.environ.get("OC") or shutil.which("oc")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(PROGRAM is None, reason="no oc: put one on the PATH, or name it with OC"),
]

CLUSTER = {"maxImagesBulkImportedPerRepository": 5}
HOSTS = {"quay.io": {"scheme": "https"}, "registry.example.com:5000": {"scheme": "http"}}
VOLATILE = (
    (re.compile(r"(Less than a second|About an? \w+|\d+ \w+) ago"), "<age> ago"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r'resourceVersion"?: "?\d+"?'), "<version>"),
    (re.compile(r"  +"), " "),  # columns are as wide as the ages in them
    (re.compile(r" $"), ""),
)
IN_ANY_ORDER = ("16-get-istag", "23-import-all-spec")  # that of Go's maps, in the server or in the client
WITH_MORE_AROUND = ("26-get-images", "33-api-resources")  # fewer images, more groups


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What oc needs to find an API over the registries of the recordings."""
    registry = FakeRegistry(VECTORS / "oc-tree", hosts=HOSTS, copy=True)
    with registry, ImageApi(registry, cluster=CLUSTER, controllers=False) as api:
        yield os.environ | api.environment() | {"HOME": str(tmp_path), "NO_PROXY": "*", "no_proxy": "*"}


def oc(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    assert (program, PROGRAM is not None) == ("oc", True)
    return subprocess.run([str(PROGRAM), *arguments], env=environment, capture_output=True, text=True, check=False)


def steady(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run."""
    found = []
    for line in lines:
        for pattern, written in VOLATILE:
            line = pattern.sub(written, line)  # noqa: PLW2901
        if line:
            found.append(line)
    return found


def outcome(name: str, code: int, stdout: list[str], stderr: list[str]) -> Any:
    printed = steady(stdout)
    return code, sorted(printed) if name in IN_ANY_ORDER else printed, steady(stderr)


def test_recorded_commands(environment: dict[str, str]) -> None:
    """One after the other: each builds on what the ones before have left."""
    oc("oc -n earlier import-image app:1.0.0 --from=quay.io/team/app:1.0.0 --confirm", environment)
    for path in sorted((VECTORS / "oc").glob("*.json")):
        recorded = json.loads(path.read_text())
        done = oc(recorded["command"], environment)
        expected = outcome(path.stem, recorded["exit"], recorded["stdout"], recorded["stderr"])
        found = outcome(path.stem, done.returncode, done.stdout.splitlines(), done.stderr.splitlines())
        if path.stem in WITH_MORE_AROUND:
            assert (found[0], found[2]) == (expected[0], expected[2])
            of_images = [line for line in found[1] if "quay.io/" in line or "image.openshift.io/v1 " in line]
            assert of_images
            assert set(of_images) <= set(expected[1]), path.stem
        else:
            assert found == expected, path.stem


def test_a_watch_shows_what_happens(environment: dict[str, str]) -> None:
    program = str(PROGRAM)
    oc("oc create is first", environment)
    command = [program, "get", "is", "-w", "--output-watch-events", "--no-headers"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        try:
            seen = [watch.stdout.readline().split()[:2]]
            for command_ in ("create is second", "tag quay.io/team/app:1.0.0 second:t", "delete is second"):
                oc(f"oc {command_}", environment)
                seen.append(watch.stdout.readline().split()[:2])
        finally:
            watch.kill()
    assert seen == [["ADDED", "first"], ["ADDED", "second"], ["MODIFIED", "second"], ["DELETED", "second"]]
