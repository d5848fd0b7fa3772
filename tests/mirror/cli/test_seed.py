from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.command import ROOT, ismirror, served_registry

from fake_registry.fixtures import Tree

DIGEST = "sha256:" + "0" * 64


def test_synth_makes_the_images_of_a_recipe(tmp_path: Path) -> None:
    tree = str(tmp_path / "tree")
    recipe = str(ROOT / "data" / "recipe.yaml")
    assert ismirror("seed", "synth", recipe, "--data", tree) == (0, "", f"{tree}: 37 images of {recipe}\n")
    assert Tree.open(tree).repositories("docker.io") == ["bitnami/redis", "library/nginx"]


def test_synth_makes_images_for_pull_specs(tmp_path: Path) -> None:
    done = ismirror(
        *("seed", "synth", "--data", str(tmp_path), "--platform", "linux/arm64"),
        *("--image", "nginx", "--image", f"quay.io/a@{DIGEST}", "-q"),
    )
    reason = "its digest says what the content is, and only the original has that"
    assert done == (1, "", f"quay.io/a@{DIGEST}: {reason}\n")
    snapshot = Tree.open(tmp_path).snapshot("docker.io", "library/nginx")
    assert snapshot is not None
    assert len(list(snapshot.manifests())) == 2


def test_synth_needs_something_to_make(tmp_path: Path) -> None:
    done = ismirror("seed", "synth", "--data", str(tmp_path / "tree"))
    assert (done.exit_code, done.stdout) == (2, "")
    what = "name a recipe file, pull specs with --image, or files with --streams"
    assert done.stderr == f"ismirror: error: nothing to make: {what}\n"
    assert not (tmp_path / "tree").exists()


def test_a_recipe_that_is_wrong_makes_nothing(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("repositories: [{image: a/b}]\n")
    done = ismirror("seed", "synth", str(recipe), "--data", str(tmp_path / "tree"))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "tree").exists()


def test_streams_names_images_of_all_kinds_of_files(tmp_path: Path) -> None:
    stream = {
        "kind": "ImageStream",
        "spec": {"dockerImageRepository": "docker.io/bitnami/redis", "tags": [named("docker.io/library/nginx:latest")]},
    }
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "one.json").write_text(json.dumps(stream))
    images = tmp_path / "images.txt"
    images.write_text("quay.io/none/such:1\nUPPER:1\n")
    tree = tmp_path / "tree"
    with served_registry(ROOT / "data" / "tree") as registry:
        options = ("--connect", registry.address, "--ca", str(registry.ca), "--metadata-only", "--tags", "7*")
        done = ismirror(
            *("seed", "streams", str(tmp_path / "streams"), "-", "--data", str(tree), *options, "-o", "json"),
            stdin=images.read_text(),
        )
    assert done.exit_code == 1
    outcome = {one["image"]: one["status"] for one in done.json["images"]}
    assert outcome.pop("quay.io/none/such:1") == outcome.pop("UPPER:1") == "failed"
    assert outcome.pop("docker.io/library/nginx:latest") == "copied"
    assert outcome
    assert all(image.startswith("docker.io/bitnami/redis:7") for image in outcome)
    assert set(outcome.values()) == {"copied"}
    assert Tree.open(tree).repositories("docker.io") == ["bitnami/redis", "library/nginx"]
    problem = [line for line in done.stderr.splitlines() if line.startswith("failed UPPER:1")][-1]
    assert problem.startswith("failed UPPER:1: standard input, line 2: UPPER:1: ")


def named(pull_spec: str) -> dict[str, object]:
    return {"name": "x", "from": {"kind": "DockerImage", "name": pull_spec}}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "nothing to read: name files or directories, or a cluster with --live or --kubeconfig"),
        (("-n", "x", "a"), "--namespace: is for the streams of a cluster; --live or --kubeconfig names one"),
        (("--kubeconfig", "none"), "none: No such file or directory"),
        (("none.yaml",), "none.yaml: No such file or directory"),
    ],
)
def test_streams_needs_files_or_a_cluster(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    done = ismirror("seed", "streams", *arguments, "--data", "tree", cwd=tmp_path)
    assert done == (2, "", f"ismirror: error: {problem}\n")
    assert list(tmp_path.iterdir()) == []


def test_push_fills_a_registry_and_says_how_a_cluster_finds_it(tmp_path: Path) -> None:
    tree, target = tmp_path / "tree", tmp_path / "target"
    images = ("--image", "quay.io/team/app:1", "--image", "nginx", "--platform", "linux/amd64")
    assert ismirror("seed", "synth", "--data", str(tree), *images, "--real-layers").exit_code == 0
    target.mkdir()
    with served_registry(target) as registry:
        options = ("--connect", registry.address, "--ca", str(registry.ca))
        push = ("seed", "push", str(tree), "mirror.example.com/copies", *options)
        plan = ismirror(*push, "--dry-run")
        assert (plan.exit_code, plan.stdout.count(" planned ")) == (0, 2)
        done = ismirror(*push)
        assert done.exit_code == 0, done.stderr
        again = ismirror(*push, "-o", "json", "--mirror-sets", str(tmp_path / "sets"))
    documents = list(yaml.safe_load_all(done.stdout))
    assert [one["kind"] for one in documents] == [
        *("ImageDigestMirrorSet", "ImageTagMirrorSet", "ImageContentSourcePolicy")
    ]
    assert documents[0]["spec"]["imageDigestMirrors"] == [
        {"source": "docker.io/library/nginx", "mirrors": ["mirror.example.com/copies/library/nginx"]},
        {"source": "quay.io/team/app", "mirrors": ["mirror.example.com/copies/team/app"]},
    ]
    assert (again.json["unchanged"], again.json["requests"], again.json["mirrorSets"]) == (2, 2, documents)
    for document in documents:
        path = tmp_path / "sets" / f"{document['kind'].lower()}.yaml"
        assert yaml.safe_load(path.read_text()) == document
    assert Tree.open(target).repositories("mirror.example.com") == ["copies/library/nginx", "copies/team/app"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("none", "registry.example.com"), "/none: no image in it; expected a fixture tree"),
        ((".", "UPPER/CASE"), "UPPER/CASE: expected a registry, with or without a path: "),
        ((".", "registry.example.com", "--image", "nginx"), "no repository docker.io/library/nginx in "),
    ],
)
def test_push_needs_a_tree_and_a_registry(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    done = ismirror("seed", "push", *arguments, cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert problem in done.stderr.removeprefix("ismirror: error: ")


def test_a_tree_without_layers_cannot_be_pushed(tmp_path: Path) -> None:
    tree, target = tmp_path / "tree", tmp_path / "target"
    target.mkdir()
    assert ismirror("seed", "synth", "--data", str(tree), "--image", "quay.io/app:1").exit_code == 0
    with served_registry(target) as registry:
        options = ("--connect", registry.address, "--ca", str(registry.ca))
        done = ismirror("seed", "push", str(tree), "mirror.example.com", *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "is not in the tree, which may have metadata only" in done.stderr


def test_copy_says_what_it_did_and_what_it_could_not(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    with served_registry(ROOT / "data" / "tree") as registry:
        reach = ("--data", str(tree), "--connect", registry.address, "--ca", str(registry.ca), "--metadata-only")
        copy = ("seed", "copy", "docker.io/library/nginx:latest", "quay.io/none:1", *reach)
        plan = ismirror(*copy, "--dry-run")
        assert not tree.exists()
        done = ismirror(*copy)
        again = ismirror(*copy, "-o", "json", "-q")
        whole = ismirror(*copy, "-o", "json", "-q", "--refresh", "--referrers", "all")
    failed = (
        "failed quay.io/none:1: GET https://quay.io/v2/none/manifests/1: "
        "404 NAME_UNKNOWN: repository name not known to registry"
    )
    header, *rows = plan.stdout.splitlines()
    assert header.split() == ["IMAGE", "DIGEST", "STATUS", "BLOBS", "BYTES"]
    assert [row.split()[2] for row in rows] == ["planned", "failed"]
    assert (plan.exit_code, done.exit_code, again.exit_code) == (1, 1, 1)
    assert done.stdout == ""
    *lines, summary, unasked, last = done.stderr.splitlines()
    assert unasked in plan.stderr.splitlines()
    assert unasked.startswith("not asked for: what refers to the platforms of an index, as the registry lists nothing ")
    assert unasked.endswith("; --referrers all asks")
    assert sorted(line.partition(",")[0] for line in lines) == ["copied docker.io/library/nginx:latest", failed]
    assert last == failed
    blobs, size = rows[0].split()[3:]
    assert summary.startswith(f"{tree}: 1 image copied, 0 unchanged, 1 failed; {blobs} blobs, ")
    assert again.stderr == f"{failed}\n"
    assert (again.json["unchanged"], again.json["failed"], again.json["bytes"]) == (1, 1, 0)
    assert int(size) > 0
    assert whole.json["unaskedIndexes"] == 0
    assert whole.json["requests"] > again.json["requests"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "nothing to copy: name images or repositories, or a file with --by-digest-list"),
        (("quay.io/a:1", "--tags", "1*"), "choose among the tags of whole repositories; none is named"),
        (("quay.io/a", "docker.io/b", "--creds", "me:secret"), "--creds: is for one registry, but there are docker.io"),
        (("quay.io/a", "--ca", "none.pem"), "none.pem: No such file or directory"),
        (("quay.io/a", "--authfile", "none.json"), "none.json: no such file; expected logins as"),
        (("quay.io/a", "--platform", "linux"), "--platform: 'linux': expected OS/ARCHITECTURE"),
        (("quay.io/a", "docker.io/b", "--as", "m.example.com/c"), "takes images of one repository, but there are doc"),
        (("quay.io/a", "--as", "m.example.com/c:1"), "there are all tags of a repository; leave the tag away"),
        (("quay.io/a:1", "quay.io/a:2", "--as", "m.example.com/c:1"), "there are 2 images; leave the tag away"),
        (("quay.io/a", "--referrers", "all", "--no-referrers"), "--no-referrers: contradicts --referrers all"),
        (("quay.io/a:1", "--as", "m.example.com/C"), "--as m.example.com/C: "),
        (("quay.io/a:1", "--as", "m.example.com"), "--as m.example.com: "),
        (("quay.io/a:1", "--as", f"m.example.com/c@sha256:{'0' * 64}"), "expected HOST/REPOSITORY[:TAG]"),
    ],
)
def test_copy_with_wrong_options_asks_nobody(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    options = ("--data", "tree", "--connect", "127.0.0.1:1")
    done = ismirror("seed", "copy", *arguments, *options, cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr
