"""Bundles beside ``tar | zstd``: how fast one is made and applied, and how large it gets, for the same tree.

The tree has images of real layers, which do not compress, and many small blobs, as trees of metadata only have them.
Rounds of both take turns, and the medians are compared. The peer neither checks digests nor syncs what it writes.

    python benchmarks/bundles.py [--megabytes N] [--small N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from fake_registry.fixtures import Batch, Tree
from fake_registry.oci import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest, compute_digest

LAYER: Final = 8_000_000
ISMIRROR: Final = (sys.executable, "-m", "mirror.cli.main")


def put_images(batch: Batch, megabytes: int, small: int) -> None:
    """Images of one layer each, of 8 MB until there are so many megabytes, and of a few bytes."""
    source = random.Random(1)
    large = megabytes * 1_000_000 // LAYER
    for number in range(large + small):
        layer = source.randbytes(LAYER) if number < large else b"layer %d" % number
        config = b'{"os":"linux","architecture":"amd64","number":%d}' % number
        described = [
            Descriptor(media_type=media_type, digest=compute_digest(data), size=len(data))
            for media_type, data in ((OCI_CONFIG, config), (OCI_LAYER, layer))
        ]
        for data in (config, layer):
            batch.put_blob(data)
        manifest = Manifest(schema_version=2, media_type=OCI_MANIFEST, config=described[0], layers=described[1:])
        batch.put_manifest("quay.io", "bench/app", msgspec.json.encode(manifest), OCI_MANIFEST, f"v{number}")


def took(command: Sequence[str]) -> float:
    """The seconds that a program takes, which has to succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def piped(command: str, *paths: Path) -> list[str]:
    """A pipe of programs, any of which may fail."""
    return ["bash", "-o", "pipefail", "-c", command, "bash", *map(str, paths)]


def size_of(path: Path) -> int:
    """Bytes of the files below a directory."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=400, help="of layers that do not compress")
    parser.add_argument("--small", type=int, default=5000, help="images with a layer of a few bytes")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in ("create", "apply", "tar | zstd", "zstd | tar")}
    with tempfile.TemporaryDirectory(prefix="ismirror-bench-") as name:
        folder = Path(name)
        tree, bundle, peer = folder / "tree", folder / "out.tar.zst", folder / "peer.tar.zst"
        with Batch(Tree.open(tree, create=True)) as batch:
            put_images(batch, arguments.megabytes, arguments.small)
        for _ in range(arguments.rounds):
            create = (*ISMIRROR, "bundle", "create", str(bundle), "--data", str(tree), "--force", "-q")
            seconds["create"].append(took(create))
            seconds["tar | zstd"].append(took(piped('tar -C "$1" -c . | zstd -3 -q > "$2"', tree, peer)))
            for target in (folder / "ours", folder / "theirs"):
                shutil.rmtree(target, ignore_errors=True)
            apply = (*ISMIRROR, "bundle", "apply", str(bundle), "--data", str(folder / "ours"), "-q")
            seconds["apply"].append(took(apply))
            (folder / "theirs").mkdir()
            seconds["zstd | tar"].append(took(piped('zstd -dc "$2" | tar -C "$1" -x', folder / "theirs", peer)))
        total = size_of(tree)
        print(f"{total / 1e6:.0f} MB in {3 * (arguments.megabytes * 1_000_000 // LAYER + arguments.small)} blobs")
        median = {name: statistics.median(found) for name, found in seconds.items()}
        for what, value in median.items():
            print(f"  {what:11} {value:6.2f} s  {total / value / 1e6:5.0f} MB/s")
        for ours, theirs in (("create", "tar | zstd"), ("apply", "zstd | tar")):
            print(f"  {ours} takes {median[ours] / median[theirs]:.2f} times as long as {theirs}")
        print(f"  the bundle has {bundle.stat().st_size / peer.stat().st_size:.3f} times the bytes")


if __name__ == "__main__":
    main()
