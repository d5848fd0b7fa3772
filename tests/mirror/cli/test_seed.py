from __future__ import annotations

from pathlib import Path

from support.command import ROOT, ismirror

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
