"""``ismirror`` as a program: told to end while it loads, and with standard streams that are not open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import ROOT

from fake_registry import FakeRegistry

PROGRAM = (sys.executable, "-m", "mirror.cli.main")
HEEDS_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a program as a terminal would, also where the tests are in the background, which makes shells ignore SIGINT."""


@pytest.mark.parametrize("module", ["typer", "msgspec"])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-c", HEEDS_CTRL_C, *PROGRAM, "schema", "policy"],
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


def test_copies_and_pushes_are_made_without_aiohttp(fake_registry: FakeRegistry, tmp_path: Path) -> None:
    fake_registry.push_image("quay.io/team/app:1", layers=[b"layer"])
    (tmp_path / "ca.pem").write_bytes(fake_registry.ca_pem)
    (tmp_path / "images.txt").write_text("quay.io/team/app:1\n")
    remote = ["--ca", "ca.pem", "--connect", str(fake_registry.address)]
    commands = [
        ["seed", "copy", "quay.io/team/app:1", "--data", "tree", *remote],
        ["seed", "streams", "images.txt", "--data", "tree", *remote],
        ["seed", "push", "tree", "registry.example.com", *remote],
    ]
    code = (
        "import sys; from mirror.cli.main import main\n"
        f"for sys.argv[1:] in {commands!r}:\n"
        "    try: main()\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""},
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "httptools" in loaded
    assert not loaded & {"aiohttp", "cryptography", "rich"}
    hosts = {entry.host for entry in fake_registry.journal}
    assert hosts == {"quay.io", "registry.example.com"}


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


def test_a_disk_that_is_full_is_said_to_be() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "schema", "policy"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 2
    assert done.stderr == b"ismirror: error: standard output, or a file: No space left on device\n"


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
