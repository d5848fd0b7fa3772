"""Runs the benchmarks beside this file: ``python benchmarks/run.py [NAME…]``.

A benchmark is a module ``bench_NAME.py`` with a function ``measure() -> Iterator[Result]``. Each result is a line:
what was done, how often in a second, and how long one took.
"""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> None:
    sys.path.insert(0, str(HERE))
    found = {path.stem.removeprefix("bench_"): path.stem for path in sorted(HERE.glob("bench_*.py"))}
    unknown = set(names) - set(found)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    write = sys.stdout.write
    write(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n")
    for name in names or found:
        for result in importlib.import_module(found[name]).measure():
            write(f"{result.what:<58} {result.rate:>12,.0f}/s {result.seconds * 1e6:>10,.1f} us\n")


if __name__ == "__main__":
    main(sys.argv[1:])
