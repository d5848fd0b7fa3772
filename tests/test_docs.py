"""The examples of README.md and docs/: every ``console`` block is run, and prints what stands below its commands.

A line ``...`` stands for any lines, and behind other text for the rest of the line. Commands that are expected to exit
with something else than 0 say so: ``|| echo "exit code $?"``.

Each command has a directory of its own, but for those between ``<!-- walk: SIDE -->`` and ``<!-- /walk -->``: the ones
of a page are run in order, in one directory. On the ``connected`` side the registries are there, for which a local one
stands in; on the ``disconnected`` side there is none but an empty one.

Every ``python`` block is run, too: by pytest if there are tests in it, with the block that begins ``# conftest.py``
beside it if the page has one, else as a program.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support import forking
from support.command import served_registry
from support.forked import server
from typer.main import get_command

from fake_registry.fixtures import Tree
from fake_registry.images import Template
from mirror.cli.application import app
from mirror.seed.comparing import differences
from mirror.seed.synth import plant_pull_specs

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALK = re.compile(r"^<!-- (?:walk: (connected|disconnected)|/walk) -->$", re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TESTS = re.compile(r"^ *(?:async )?def test_", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)?(#[^)]*)?\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Example(NamedTuple):
    """A command and the lines that it prints; of a walk, on which side it is."""

    where: str
    command: str
    output: list[str]
    side: str

    def run(self, directory: Path, **more: str) -> None:
        """Runs it, and compares."""
        assert self.command.startswith("ismirror "), "only ismirror is run here; use another kind of block"
        environment = os.environ | {
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SOURCE_DATE_EPOCH": "1767225600",
        }
        done = subprocess.run(
            ["sh", "-c", self.command],
            check=False,
            cwd=directory,
            env=environment | more,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (
            f"{self.command}: {done.stdout}{done.stderr}"
        )
        if self.output:
            pattern = "".join(map(_pattern, self.output))
            assert re.fullmatch(pattern, done.stdout), f"{self.command}: {done.stdout}"


def _pattern(line: str) -> str:
    """What lines an expected one stands for."""
    if line == "...":
        return "(?:.*\n)*?"
    return re.escape(line.removesuffix("...")) + (".*\n" if line.endswith("...") else "\n")


def examples(pages: Iterable[Path] = PAGES) -> Iterator[Example]:
    for page in pages:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            marks = list(WALK.finditer(text, 0, block.start()))
            side = (marks[-1][1] or "") if marks else ""
            line = text.count("\n", 0, block.start()) + 2
            for part in re.split(r"^(?=\$ )", block[1], flags=re.MULTILINE):
                if part:
                    command, *output = part.removeprefix("$ ").splitlines()
                    yield Example(f"{page.relative_to(ROOT)}:{line}", command, output, side)
                line += part.count("\n")


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A directory with the data of the project, and an ``ismirror`` of this interpreter in ``bin``.

    What serves is a program by itself, which signals stop; all else is forked, since loading takes longer than it does.
    """
    for name in ("data", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = tmp_path / "bin" / "ismirror"
    command.parent.mkdir()
    command.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = registry ] && exec "{sys.executable}" -m mirror.cli.main "$@"\n'
        f'exec "{sys.executable}" -I -S "{forking.__file__}" "{server()}" "$@"\n'
    )
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("example", [pytest.param(one, id=one.where) for one in examples() if not one.side])
def test_example(example: Example, sandbox: Path) -> None:
    example.run(sandbox)


@pytest.fixture
def registries(tmp_path: Path) -> Iterator[dict[str, dict[str, str]]]:
    """For each side of a walk, the variables with which programs find the registries that are there."""
    trees = {side: tmp_path / "registries" / side for side in ("connected", "disconnected")}
    shutil.copytree(ROOT / "data" / "tree", trees["connected"], symlinks=True)
    trees["disconnected"].mkdir()
    images = ["quay.io/team/app:1.0", "quay.io/team/app:1.1", "quay.io/team/tools:3"]
    plant_pull_specs(Tree.open(trees["connected"]), images, template=Template(real_layers=True))
    with ExitStack() as stack:
        found = {}
        for side, tree in trees.items():
            served = stack.enter_context(served_registry(tree))
            found[side] = {"HTTPS_PROXY": f"http://{served.address}", "SSL_CERT_FILE": str(served.ca)}
        yield found


@pytest.mark.parametrize("page", [pytest.param(one, id=one.name) for one in PAGES if WALK.search(one.read_text())])
def test_walk(page: Path, sandbox: Path, registries: dict[str, dict[str, str]]) -> None:
    key = Ed25519PrivateKey.generate()
    (sandbox / "mirror.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (sandbox / "mirror.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (sandbox / "out").mkdir()
    for example in examples([page]):
        if example.side:
            example.run(sandbox, **registries[example.side])
    left, right = (Tree.open(sandbox / "out" / name) for name in ("connected", "tree"))
    assert not list(differences(left, right))
    pushed = Tree.open(sandbox / "registries" / "disconnected")
    assert pushed.repositories("registry.lab.example.com") == ["team/app"]


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
        done = subprocess.run(command, check=False, cwd=sandbox, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command[-1]}: {done.stdout}{done.stderr}"


def test_there_are_examples() -> None:
    assert {one.where.partition(":")[0] for one in examples()} >= {
        "README.md",
        "docs/importing.md",
        "docs/scenarios.md",
    }
    assert {page.name for page in PAGES if programs(page)} >= {"README.md", "testing.md"}


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    wrong = []
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for link in LINK.finditer(page.read_text()):
            path, anchor = link[1] or "", link[2] or ""
            if path.startswith(("https://", "http://")):
                continue
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor[1:] not in anchors(target)):
                wrong.append(f"{page.relative_to(ROOT)}: {path}{anchor}")
    assert not wrong, "\n".join(wrong)


def test_pages_that_programs_and_examples_name_are_there() -> None:
    places = [path for top in ("fake_registry", "mirror", "benchmarks") for path in (ROOT / top).rglob("*.py")]
    found = {
        (page, anchor)
        for path in [*places, *PAGES]
        for page, anchor in re.findall(r"\bdocs/([\w-]+\.md)(?:#([\w-]+))?", path.read_text())
    }
    pages = {page.name: page for page in PAGES}
    assert len(found) > len(PAGES) / 2
    assert [
        one for one in sorted(found) if one[0] not in pages or (one[1] and one[1] not in anchors(pages[one[0]]))
    ] == []


def test_the_first_page_leads_to_all_others() -> None:
    linked = {link[1] for link in LINK.finditer((ROOT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in PAGES[1:]} - linked == set()


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The commands that do something, each by its name."""
    if not path or getattr(command, "invoke_without_command", True):
        yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def names(text: str, words: Iterable[str]) -> bool:
    """Whether one of some words stands in a text."""
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words)


def test_every_option_of_every_command_has_its_page() -> None:
    pages = {page.name: page.read_text() for page in PAGES}
    overview = pages.pop("commands.md")
    common = overview.partition("## What all commands have\n")[2].partition("\n## ")[0]
    wrong = []
    for name, command in commands(get_command(app)):
        own = [text for text in pages.values() if names(text, [name if " " in name else f"ismirror {name}"])]
        if name and not (own and names(overview, [name, f"`{name.rpartition(' ')[2]}`"])):
            wrong.append(name)
        for parameter in command.params:
            spellings = [*parameter.opts, *parameter.secondary_opts]
            if spellings[0].startswith("-") and not any(names(text, spellings) for text in (common, *own)):
                wrong.append(f"{name} {spellings[0]}")
    assert wrong == []


def test_make_run_runs(sandbox: Path) -> None:
    environment = os.environ | {"PATH": f"{sandbox / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "data/run.sh", "out"],
        cwd=sandbox,
        env=environment,
        capture_output=True,
        text=True,
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
