"""A hundred thousand blobs: memory stays flat."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.bundles import state_of
from support.command import ROOT

from fake_registry.fixtures import Batch, Tree
from fake_registry.oci import OCI_CONFIG, OCI_MANIFEST, compute_digest

# What getrusage says begins with the memory of the process that this one was forked from.
PEAK = "import sys; sys.stderr.write('peak ' + open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"


def peak(*arguments: str) -> int:
    """Runs a command, which has to succeed; the most memory that it had, in bytes."""
    code = f"import atexit, sys; atexit.register(lambda: exec({PEAK!r})); from mirror.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rpartition("peak ")[2]) * 1024


def tree_of(path: Path, repositories: int, images: int) -> Path:
    """A tree of images that have a config and nothing else."""
    with Batch(Tree.open(path, create=True)) as batch:
        for repository in range(repositories):
            for number in range(images):
                config = b'{"r":%d,"n":%d}' % (repository, number)
                digest = batch.put_blob(config)
                manifest = (
                    f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","layers":[],'
                    f'"config":{{"mediaType":"{OCI_CONFIG}","digest":"{digest}","size":{len(config)}}}}}'
                ).encode()
                batch.put_manifest("quay.io", f"app{repository}", manifest, OCI_MANIFEST, f"v{number}")
                assert digest == compute_digest(config)
    return path


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    peaks = {}
    for name, repositories in (("few", 1), ("many", 100)):
        tree = tree_of(tmp_path / name, repositories, 500)
        file, target = str(tmp_path / f"{name}.tar.zst"), str(tmp_path / f"{name} elsewhere")
        peaks[name] = {
            "create": peak("bundle", "create", file, "--data", str(tree)),
            "verify": peak("bundle", "verify", file),
            "apply": peak("bundle", "apply", file, "--data", target),
            "since": peak("bundle", "create", f"{file}.2", "--data", str(tree), "--since", file),
        }
        assert state_of(Path(target)) == state_of(tree)
    blobs = sum(1 for _ in (tmp_path / "many elsewhere" / "blobs" / "sha256").iterdir())
    assert blobs == 100_000
    more = {what: peaks["many"][what] - peaks["few"][what] for what in peaks["few"]}
    assert more["verify"] < 16 << 20, peaks
    assert more["apply"] < 64 << 20, peaks
    # caches that have a limit, and a hundred bytes or so for each digest
    assert more["create"] < 160 << 20, peaks
    assert more["since"] < 160 << 20, peaks
