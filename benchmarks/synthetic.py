"""Synthetic images a second: made in memory, and planted in a fixture tree, durably.

python benchmarks/synthetic.py [--seconds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

from fake_registry.fixtures import Tree
from fake_registry.images import MULTI_ARCH, ImageSpec, RunConfig, build, plant

CONFIG = RunConfig(env=["PATH=/usr/bin:/bin", "PORT=8080"], cmd=["web"], exposed_ports={"8080/tcp": {}})


def single(number: int) -> ImageSpec:
    """An image for one platform."""
    return ImageSpec(name="quay.io/example/web", version=str(number), config=CONFIG)


def multi(number: int) -> ImageSpec:
    """An index of four images."""
    return ImageSpec(name="quay.io/example/web", version=str(number), config=CONFIG, platforms=MULTI_ARCH)


def rate(call: Callable[[int], object], seconds: float) -> float:
    """Calls ``call(0)``, ``call(1)``, … for some seconds; how many a second that were."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        call(count)
        count += 1
    return count / elapsed


def main() -> None:
    """Prints a line a row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each row runs")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as directory:
        tree = Tree.open(directory, create=True)

        def planted(number: int) -> None:
            # A hundred tags a repository: each one more rewrites the index of its repository.
            plant(tree, "quay.io", f"example/web{number // 100}", build(single(number)), [f"1.{number}"])

        rows = [
            ("made, one platform", rate(lambda number: build(single(number)), seconds)),
            ("made, an index of four platforms", rate(lambda number: build(multi(number)), seconds)),
            ("planted, one platform, 100 tags a repository", rate(planted, seconds)),
        ]
    for what, images in rows:
        print(f"{what:<48} {images:>10,.0f} a second")


if __name__ == "__main__":
    main()
