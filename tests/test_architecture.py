"""The arrows between the packages, read from the import statements, and what every file of the project keeps to."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the bottom up. A module imports what lies below its own layer, and its own package; never a neighbour
# of the same layer. A name is a module or a package directly below fake_registry or mirror.
LAYERS = {
    "fake_registry": (
        {"addresses", "errors", "ldap_text"},
        {"client_hello", "config", "handshakes", "oci", "racing", "replacing", "resets", "sendfile"},
        {"mtls", "simple_signing"},
        {"tls"},
        {"given_certificates"},
        {"fixtures"},
        {"core", "images"},
        {"control", "conversation", "directory", "files", "listening", "tunnel"},
        {"exchange", "quick"},
        {"server"},
        {"one_host"},
        {"processes", "testing"},
        {"pytest_plugin"},
    ),
    "mirror": (
        {"client_tls", "clock", "collector", "errors", "gotext", "hostport", "source_lines"},
        {"addresses", "gojson", "junit", "reference"},
        {"kubejson"},
        {"v1"},
        {"importer", "store"},
        {"config", "session"},
        {"exec_credentials"},
        {"api", "documents", "live_api"},
        {"client_setup", "recording", "scenario", "seed", "specs"},
        {"loading", "playing", "recorder", "streams"},
        {"preflight"},
        {"serving"},
        {"testing"},
        {"cli", "pytest_plugin"},
    ),
}


def modules(package: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / package).rglob("*.py")) if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports, also inside functions, also for types only.

    ``from a import b`` counts as ``a.b``: b may be a module.
    """
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the whole name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def layer(package: str, unit: str) -> int:
    found = [number for number, units in enumerate(LAYERS[package]) if unit in units]
    assert found, f"{package}.{unit} has no place in LAYERS"
    return found[0]


def unit_of(path: Path) -> tuple[str, str]:
    """Package and unit of a file: ``mirror/cli/data.py`` is ``("mirror", "cli")``."""
    package, unit, *_ = path.relative_to(ROOT).with_suffix("").parts
    return package, unit


@pytest.mark.parametrize("package", LAYERS)
def test_every_module_has_a_layer(package: str) -> None:
    known = set().union(*LAYERS[package]) | {"__init__", "__main__"}
    assert {unit_of(path)[1] for path in modules(package)} <= known


@pytest.mark.parametrize("package", LAYERS)
def test_the_page_names_every_module(package: str) -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    found = re.search(rf"^{package}/\n((?:  .*\n)+)", picture, re.MULTILINE)
    assert found is not None
    assert set().union(*LAYERS[package]) - set(re.findall(r"\w+", found[1])) == set()


@pytest.mark.parametrize("package", LAYERS)
def test_arrows_point_down(package: str) -> None:
    wrong = []
    for path in modules(package):
        unit = unit_of(path)[1]
        if unit in {"__init__", "__main__"}:  # the public face of a package may show anything of it
            continue
        for line, name in imports(path):
            head, target, *_ = *name.split("."), "", ""
            if head != package or target in {unit, "__version__"}:
                continue
            # What is no module comes through the public face, and so from anywhere.
            is_module = (ROOT / package / target).is_dir() or (ROOT / package / f"{target}.py").is_file()
            if not target or not is_module or layer(package, target) >= layer(package, unit):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_registry_knows_nothing_of_openshift() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules("fake_registry")
        for line, name in imports(path)
        if name.split(".")[0] == "mirror"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("unit", ["errors", "oci", "fixtures", "core"])
def test_what_has_no_sockets_imports_none(unit: str) -> None:
    forbidden = {"aiohttp", "socket", "ssl", "urllib.request", "http.client", "http.server"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules("fake_registry")
        if unit_of(path)[1] == unit
        for line, name in imports(path)
        if any(name == module or name.startswith(f"{module}.") for module in forbidden)
    ]
    assert not wrong, "\n".join(wrong)


def tracked() -> list[Path]:
    """The files of the project: what git tracks, or all but what setting up and testing leaves behind."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        names = ("fake_registry", "mirror", "tests", "docs", "data", "benchmarks", ".ci")
        paths = [path for name in names for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
        paths += [ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml")]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def written() -> list[Path]:
    """Those of them that people write: recordings and content-addressed bytes are as they are."""
    given = (ROOT / "tests" / "vectors", ROOT / "data" / "tree")
    return [path for path in tracked() if not any(path.is_relative_to(top) for top in given)]


MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(?:home|Users)/[a-z]\w*|(?<![\w.~-])/(?:root|work)/[\w.]")


def test_files_are_plain_text() -> None:
    wrong = []
    for path in written():
        name = str(path.relative_to(ROOT))
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            wrong.append(f"{name}: not UTF-8")
            continue
        if text and not text.endswith("\n"):
            wrong.append(f"{name}: no newline at the end")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                wrong.append(f"{name}:{number}: white space at the end")
            if "\t" in line and path.name not in {"Makefile", "LICENSE"}:
                wrong.append(f"{name}:{number}: tab")
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                wrong.append(f"{name}:{number}: conflict marker")
    assert not wrong, "\n".join(wrong)


def test_no_file_names_a_machine() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {found.group()}"
        for path in written()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (found := MACHINE_PATHS.search(line))
    ]
    assert not wrong, "\n".join(wrong)


def test_links_stay_inside() -> None:
    """A fixture tree is full of links; all of them are relative and lead to something in the project."""
    for top in (ROOT / "data", ROOT / "tests"):
        for path in top.rglob("*"):
            if path.is_symlink():
                assert not path.readlink().is_absolute(), path
                assert path.resolve(strict=True).is_relative_to(ROOT), path


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-clients.lock"])
def test_lock_files_name_no_index(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; .+)?", line) for line in lines)
