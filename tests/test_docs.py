"""The examples of README.md and docs/: every ``console`` block is run, and prints what stands below its commands.

A line ``...`` stands for any lines. Commands that are expected to exit with something else than 0 say so:
``|| echo "exit code $?"``.

Every ``python`` block is run, too: by pytest if there are tests in it, with the block that begins ``# conftest.py``
beside it if the page has one, else as a program.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TESTS = re.compile(r"^ *(?:async )?def test_", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+?)(#[^)]*)?\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Example(NamedTuple):
    """A command and the lines that it prints."""

    where: str
    command: str
    output: list[str]


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 2
            for part in re.split(r"^(?=\$ )", block[1], flags=re.MULTILINE):
                if part:
                    command, *output = part.removeprefix("$ ").splitlines()
                    yield Example(f"{page.relative_to(ROOT)}:{line}", command, output)
                line += part.count("\n")


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A directory with the data of the project, and an ``ismirror`` of this interpreter in ``bin``."""
    for name in ("data", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = tmp_path / "bin" / "ismirror"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mirror.cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("example", [pytest.param(one, id=one.where) for one in examples()])
def test_example(example: Example, sandbox: Path) -> None:
    assert example.command.startswith("ismirror "), "only ismirror is run here; use another kind of block"
    environment = os.environ | {
        "PATH": f"{sandbox / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SOURCE_DATE_EPOCH": "1767225600",
    }
    done = subprocess.run(
        ["sh", "-c", example.command],
        check=False,
        cwd=sandbox,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if example.output:
        pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in example.output)
        assert re.fullmatch(pattern, done.stdout), done.stdout


def programs(page: Path) -> dict[str, str]:
    """The Python of a page, as files by their names."""
    files = {}
    text = page.read_text()
    for block in PYTHON.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        kind = "test" if TESTS.search(block[1]) else "program"
        name = "conftest" if block[1].startswith("# conftest.py\n") else f"{kind}_{page.stem}_line_{line}"
        assert f"{name}.py" not in files, "one conftest.py a page"
        files[f"{name}.py"] = block[1]
    return files


@pytest.mark.parametrize("page", [pytest.param(one, id=one.name) for one in PAGES if programs(one)])
def test_python_examples(page: Path, sandbox: Path) -> None:
    for name, text in programs(page).items():
        (sandbox / name).write_text(text)
    strict = [sys.executable, "-X", "dev", "-W", "error"]
    commands = [[*strict, path.name] for path in sorted(sandbox.glob("program_*.py"))]
    tests = sorted(path.name for path in sandbox.glob("test_*.py"))
    if tests:
        options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "--strict-markers"]
        commands.append([*strict, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", *options, *tests])
    for command in commands:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, check=False, cwd=sandbox, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command[-1]}: {done.stdout}{done.stderr}"


def test_there_are_examples() -> None:
    assert {one.where.partition(":")[0] for one in examples()} >= {
        "README.md",
        "docs/importing.md",
        "docs/scenarios.md",
    }
    assert {page.name for page in PAGES if programs(page)} >= {"README.md", "testing.md"}


def test_links_lead_somewhere() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {link[1]}"
        for page in PAGES
        for link in LINK.finditer(page.read_text())
        if not link[1].startswith(("https://", "http://")) and not (page.parent / link[1]).exists()
    ]
    assert not wrong, "\n".join(wrong)


def test_make_run_runs(sandbox: Path) -> None:
    environment = os.environ | {"PATH": f"{sandbox / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "data/run.sh", "out"],
        cwd=sandbox,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "29 of 29 imported" in done.stderr
    assert "0 of 6 imported" in done.stderr
    statuses = json.loads((sandbox / "out" / "statuses.json").read_text())
    assert [item["metadata"]["name"] for item in statuses["items"]] == [
        "app",
        "cli",
        "docker-hub",
        "httpd",
        "vendor",
        "web-all",
        "web",
    ]
    assert len(json.loads((sandbox / "out" / "failing.json").read_text())["items"]) == 2
    assert sorted(path.name for path in (sandbox / "out").iterdir()) == [
        "failing.json",
        "registry.log",
        "statuses.json",
        "tls",
    ]
