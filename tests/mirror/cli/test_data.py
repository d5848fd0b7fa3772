from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import pytest
import yaml
from support.command import ismirror
from support.forked import server
from support.forking import begin, line
from typer.testing import CliRunner

from fake_registry.errors import TreeError
from mirror.cli.data import app
from mirror.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = str(ROOT / "data" / "tree")
VECTORS = str(ROOT / "tests" / "vectors" / "tree")

WEB = "sha256:2427fc0544e7c6fff8d69ea4c35e543cbd2f3fadbc00d77c0f79ade97672e5a8"


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes


Run = Callable[..., Outcome]


@pytest.fixture
def run() -> Run:
    def call(*arguments: str, tree: str = SAMPLE) -> Outcome:
        result = CliRunner().invoke(app, [*arguments, "--data", tree])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)

    return call


def test_ls_shows_the_repositories(run: Run) -> None:
    lines = run("ls").stdout.splitlines()
    assert lines[0].split() == ["HOST", "REPOSITORY", "TAGS", "MANIFESTS"]
    assert lines[1:] == [
        "docker.io               bitnami/redis     2     1",
        "docker.io               library/nginx     4     8",
        "mirror.example.com      quay/example/web  19    14",
        "plain.example.com:5000  tools/cli         2     1",
        "private.example.com     team/app          3     2",
        "quay.io                 example/web       19    14",
        "quay.io                 example/web/docs  1     1",
        "registry.example.com    ubi9/httpd-24     3     10",
    ]


def test_ls_of_a_host(run: Run) -> None:
    found = json.loads(run("ls", "index.docker.io", "-o", "json").stdout)
    assert found == [
        {"host": "docker.io", "repository": "bitnami/redis", "tags": 2, "manifests": 1},
        {"host": "docker.io", "repository": "library/nginx", "tags": 4, "manifests": 8},
    ]


def test_ls_of_a_repository(run: Run) -> None:
    found = yaml.safe_load(run("ls", "quay.io/example/web", "-o", "yaml").stdout)
    assert len(found) == 19
    assert {
        "tag": "2.3",
        "digest": WEB,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "size": 813,
    } in found


def test_ls_shows_manifests_without_a_tag(run: Run) -> None:
    lines = run("ls", "quay.io/app/untagged", tree=VECTORS).stdout.splitlines()
    assert any(line.startswith("<none>") for line in lines)


def test_an_empty_tree_has_nothing(run: Run, tmp_path: Path) -> None:
    assert run("ls", tree=str(tmp_path)).stdout.split() == ["HOST", "REPOSITORY", "TAGS", "MANIFESTS"]
    assert run("ls", "-o", "json", tree=str(tmp_path)).stdout == "[]\n"


def test_show_an_image(run: Run) -> None:
    found = json.loads(run("show", "quay.io/example/web:2.3", "-o", "json").stdout)
    assert found["digest"] == WEB
    assert found["tags"] == ["2.3", "latest", "stable", "v2.3.1"]
    assert found["config"]["config"]["Labels"]["version"] == "2.3"
    assert [layer["present"] for layer in found["layers"]] == [False, False, False]
    assert "manifests" not in found


def test_show_an_index(run: Run) -> None:
    lines = run("show", "nginx").stdout.splitlines()
    assert lines[:3] == [
        "Image:       nginx",
        "Digest:      sha256:51fa3a27dd3cb321b9fdf3fc56f48059c5e38d622b5093b070bad7c21f8ba7a0",
        "Media type:  application/vnd.docker.distribution.manifest.list.v2+json",
    ]
    assert [line.split()[0] for line in lines[7:]] == ["PLATFORM", "linux/amd64", "linux/arm64/v8", "linux/arm/v7"]


def test_show_raw_is_the_manifest(run: Run) -> None:
    result = run("show", f"quay.io/example/web@{WEB}", "--raw")
    assert result.stdout_bytes == (Path(SAMPLE) / "blobs" / WEB.replace(":", "/")).read_bytes()


def test_layers_that_are_there_are_said_to_be(run: Run) -> None:
    lines = run("show", "plain.example.com:5000/tools/cli").stdout.splitlines()
    assert [line.split()[-1] for line in lines[-2:]] == ["yes", "yes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ls", "nowhere.example.com"], "no host nowhere.example.com in "),
        (["ls", "quay.io/nothing"], "no repository quay.io/nothing in "),
        (["show", "quay.io/nothing"], "no repository quay.io/nothing in "),
        (["show", "quay.io/example/web:9"], "quay.io/example/web:9: no 9 in that repository; its tags are 1.0, 1.1"),
        (["show", "Not Valid"], "Not Valid: invalid reference format"),
    ],
)
def test_what_is_not_there_is_named(run: Run, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert str(caught.value).startswith(message)


def test_a_directory_with_other_things_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all")
    with pytest.raises(TreeError, match="neither empty nor a fixture tree"):
        run("ls", tree=str(tmp_path))


def test_verify_is_content_with_the_sample(run: Run) -> None:
    assert ismirror("data", "verify", "--data", SAMPLE) == (0, "", f"{SAMPLE}: no problems\n")
    assert ismirror("data", "verify", "--data", SAMPLE, "-q") == (0, "", "")
    assert run("verify", "-o", "json").stdout == "[]\n"


def damaged(tmp_path: Path) -> Path:
    """A tree in which one config is damaged."""
    from fake_registry.fixtures import Tree
    from mirror.seed.synth import plant_pull_specs

    tree = Tree.open(tmp_path / "tree", create=True)
    plant_pull_specs(tree, ["quay.io/a/b:1"], ["linux/amd64"])
    config = next(path for path in (tree.root / "blobs" / "sha256").iterdir() if b"rootfs" in path.read_bytes())
    config.write_bytes(b"{}")
    return tree.root


def test_verify_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    root = damaged(tmp_path)
    result = run("verify", tree=str(root))
    assert result.exit_code == 1
    first, *_ = result.stdout.splitlines()
    assert first.startswith("blobs/sha256/")
    assert ": content does not match the digest in its name; expected content of sha256:" in first
    kinds = [problem["kind"] for problem in json.loads(run("verify", "-o", "json", tree=str(root)).stdout)]
    assert kinds == ["digest", "size"]


def test_verify_names_strays_without_complaint(run: Run, tmp_path: Path) -> None:
    from fake_registry.fixtures import Tree
    from mirror.seed.synth import plant_pull_specs

    tree = Tree.open(tmp_path / "tree", create=True)
    plant_pull_specs(tree, ["quay.io/a/b:1"])
    (tree.root / "registries" / "quay.io" / "a" / "b" / "notes.txt").write_text("")
    result = run("verify", tree=str(tree.root))
    assert result.exit_code == 0
    assert "registries/quay.io/a/b/notes.txt" in result.stdout


def test_what_comes_from_outside_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    layout = tmp_path / "registries" / "quay.io" / "a"
    layout.mkdir(parents=True)
    tag = "\x1b[2J\nhello"
    entry = {"mediaType": "", "digest": WEB, "size": 1, "annotations": {"org.opencontainers.image.ref.name": tag}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    lines = run("ls", "quay.io/a", tree=str(tmp_path)).stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("\\x1b[2J\\nhello  sha256:")


def test_names_that_are_no_utf_8(run: Run, tmp_path: Path) -> None:
    (tmp_path / "registries").mkdir()
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / "sha256" / "\udcff").write_bytes(b"")
    assert json.loads(run("verify", "-o", "json", tree=str(tmp_path)).stdout)[0]["file"] == r"blobs/sha256/\udcff"
    assert r"blobs/sha256/\udcff: belongs to no registry" in run("verify", tree=str(tmp_path)).stdout


def test_a_tree_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    """Whoever mistypes a name would else read that there are no problems."""
    tree = str(tmp_path / "no")
    for command in ("ls", "stats", "verify", "gc"):
        done = ismirror("data", command, "--data", tree)
        assert done.exit_code == 0
        assert done.stderr.startswith(f"{tree}: no such directory, which is a tree with nothing in it\n")


@pytest.mark.parametrize("arguments", [("ls",), ("ls", "-o", "json"), ("show", "quay.io/example/web:2.3")])
def test_nobody_who_has_gone_is_told_the_answer_no(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """As of a program that SIGPIPE ends, with nothing said about it."""
    reading, writing = os.pipe()
    os.close(reading)
    with TemporaryFile() as said, Path(os.devnull).open() as nothing:
        try:
            streams = (nothing.fileno(), writing, said.fileno())
            words = ("data", *arguments, "--data", SAMPLE)
            connection, _ = begin(server(), words, os.environ, str(tmp_path), streams)
            with connection:
                assert int(line(connection)) == 141
        finally:
            os.close(writing)
        said.seek(0)
        assert said.read() == b""
