"""``ismirror`` as a program: told to end while it loads, and with standard streams that are not open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import ROOT

PROGRAM = (sys.executable, "-m", "mirror.cli.main")


@pytest.mark.parametrize("module", ["typer", "msgspec"])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [*PROGRAM, "schema", "policy"],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [
        (">&-", "schema policy", 0),
        ("2>&-", "schema none", 2),
        ("<&- >&- 2>&-", "scenario run -", 2),
    ],
)
def test_nothing_goes_wrong_where_streams_are_closed(closed: str, command: str, code: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {command} {closed}', "sh", *PROGRAM],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stdout + done.stderr


def test_no_file_takes_the_place_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    """What is printed would be in it."""
    code = (
        "import os; from mirror.cli.main import _open_streams\n"
        "_open_streams()\n"
        "file = os.open('file', os.O_CREAT | os.O_WRONLY)\n"
        "print('data', flush=True)\n"
        "os.write(file, b'%d' % file)"
    )
    subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", code],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert (tmp_path / "file").read_bytes() == b"3"


def test_a_reader_of_everything_who_has_gone_ends_it(tmp_path: Path) -> None:
    """Notes and data go the same way here (``2>&1 | head -0``)."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*PROGRAM, "data", "ls", "--data", str(tmp_path / "none")],
            check=False,
            stdout=writing,
            stderr=writing,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
