"""Preflight of 5,000 image streams of 20 tags, 100,000 pull specs that are all different: seconds, and
memory, where all of them import and where none does.

The command runs as users run it, in a process of its own, JSON written to a file.

    python benchmarks/preflight.py [--streams N] [--tags N]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

from fake_registry.fixtures import Batch, Tree
from fake_registry.images import ImageSpec, build_image, plant

STREAMS, TAGS = 5_000, 20
PER_REPOSITORY = 500
HOSTS = ("quay.io", "registry.example.com")
GOAL_MEMORY = 500


def make_tree(path: Path, count: int) -> list[str]:
    """A tree with so many pull specs, in repositories of 500 tags; every repository has images of its own."""
    pull_specs = []
    with Batch(Tree.open(path, create=True)) as batch:
        for number in range(0, count, PER_REPOSITORY):
            host = HOSTS[number // PER_REPOSITORY % len(HOSTS)]
            repository = f"bench/app{number // PER_REPOSITORY}"
            tags = [f"v{one}" for one in range(min(PER_REPOSITORY, count - number))]
            for first in range(10):
                image = build_image(ImageSpec(name=f"{host}/{repository}", version=f"{first}"), "linux/amd64")
                plant(batch, host, repository, image, tags[first::10])
            pull_specs += [f"{host}/{repository}:{tag}" for tag in tags]
    return pull_specs


def make_streams(path: Path, pull_specs: list[str], tags: int) -> None:
    """One list of image streams, as ``oc get is -A -o json`` writes it."""
    items = []
    for number in range(0, len(pull_specs), tags):
        followed = [
            {"name": f"t{place}", "from": {"kind": "DockerImage", "name": name}}
            for place, name in enumerate(pull_specs[number : number + tags])
        ]
        meta = {"name": f"stream-{number // tags}", "namespace": f"team-{number // tags % 100}"}
        items.append(
            {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": meta, "spec": {"tags": followed}}
        )
    path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))


def run(streams: Path, tree: Path, output: Path, *options: str, expected: int = 0) -> tuple[float, float]:
    """Seconds and the most memory (MB) of one run that ends with the `expected` exit code."""
    command = [sys.executable, "-m", "mirror.cli.main", "-q", "preflight", str(streams), "--data", str(tree)]
    start = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen([*command, "-o", "json", "--now", "2026-01-02T03:04:05Z", *options], stdout=file)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != expected:
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}")
    scale = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - start, usage.ru_maxrss * scale / 1e6


def main() -> None:
    """Prints a table and the machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=STREAMS, help="how many image streams")
    parser.add_argument("--tags", type=int, default=TAGS, help="tags of each")
    chosen = parser.parse_args()
    count = chosen.streams * chosen.tags
    with tempfile.TemporaryDirectory() as directory:
        tree, streams = Path(directory) / "tree", Path(directory) / "streams.json"
        pull_specs = make_tree(tree, count)
        make_streams(streams, pull_specs, chosen.tags)
        outputs = [Path(directory) / f"{name}.json" for name in ("first", "second")]
        seconds, memory = run(streams, tree, outputs[0], "--concurrency", "1")
        os.environ["PYTHONHASHSEED"] = "1"
        run(streams, tree, outputs[1], "--concurrency", "64")
        same = outputs[0].read_bytes() == outputs[1].read_bytes()
        imports = _summary(outputs[0])["imports"]
        make_streams(streams, [f"{name}-absent" for name in pull_specs], chosen.tags)
        failing_seconds, failing_memory = run(streams, tree, outputs[0], expected=1)
        fails = _summary(outputs[0])["fails"]
    sys.stdout.write(
        f"preflight   {chosen.streams:,} streams, {count:,} tags\n"
        "            all import   all fail\n"
        f"seconds     {seconds:10.1f} {failing_seconds:10.1f}\n"
        f"tags/s      {count / seconds:10,.0f} {count / failing_seconds:10,.0f}\n"
        f"memory MB   {memory:10.0f} {failing_memory:10.0f}   goal: under {GOAL_MEMORY}\n"
        f"as expected {imports:10,d} {fails:10,d}\n"
        f"same bytes with another concurrency and hash seed: {'yes' if same else 'NO'}\n"
        f"{machine()}\n"
    )
    if not same or (imports, fails) != (count, count) or max(memory, failing_memory) >= GOAL_MEMORY:
        raise SystemExit(1)


def _summary(report: Path) -> dict[str, int]:
    """The totals, which stand at the beginning of a report."""
    with report.open() as file:
        head = "".join(itertools.takewhile(lambda line: '"tags": [' not in line, file))
    summary: dict[str, int] = json.loads(head.rstrip().rstrip(",") + "}")["summary"]
    return summary


if __name__ == "__main__":
    main()
