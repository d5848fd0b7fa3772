from __future__ import annotations

from pathlib import Path

import pytest

from fake_registry.fixtures import Tree, verify
from mirror.errors import InputError
from mirror.seed.recipe import load_recipe
from mirror.seed.synth import plant_recipe

ROOT = Path(__file__).resolve().parents[3]

RECIPE = """
repositories:
  - image: quay.io/example/web
    tags: [[latest, "2.0"], "1.0"]
    created: 2024-03-01T00:00:00Z
    also: [mirror.example.com/web]
    config: {Cmd: [web]}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def files(top: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(top)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in top.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_the_sample_tree_is_what_its_recipe_makes(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    plant_recipe(tree, load_recipe(ROOT / "data" / "recipe.yaml"))
    assert files(tmp_path / "tree") == files(ROOT / "data" / "tree")
    assert list(verify(tree)) == []


def test_planting_again_changes_nothing(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "recipe.yaml", RECIPE))
    tree = Tree.open(tmp_path / "tree", create=True)
    assert plant_recipe(tree, recipe) == 4
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tree").rglob("*.json")}
    assert plant_recipe(tree, recipe) == 4
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tree").rglob("*.json")} == before


def test_an_image_may_have_several_tags_and_lie_in_several_places(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    plant_recipe(tree, load_recipe(write(tmp_path / "recipe.yaml", RECIPE)))
    found = {
        place: {tag: tree.repository(*place).resolve(tag).digest for tag in ("latest", "2.0", "1.0")}  # type: ignore[union-attr]
        for place in (("quay.io", "example/web"), ("mirror.example.com", "web"))
    }
    one, other = found.values()
    assert one == other
    assert one["latest"] == one["2.0"] != one["1.0"]


def test_older_images_are_a_day_older_each(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "recipe.yaml", RECIPE))
    times = [(spec.version, spec.created.isoformat()) for spec, _ in recipe.repositories[0].specs()]
    assert times == [("2.0", "2024-03-01T00:00:00+00:00"), ("1.0", "2024-02-29T00:00:00+00:00")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repositories: [{image: quay.io/a}]", "{file}: repositories[0]: Object missing required field `tags`"),
        (
            "repositories: [{image: a/b, tags: [x], layers: 200}]",
            "{file}: repositories[0].layers: Expected `int` <= 127",
        ),
        ("repositories: [{image: a/b, tags: [x], size: 1}]", "{file}: repositories[0]: Object contains unknown field"),
        ("repositories: [{image: a/b, tags: [[]]}]", "tags of a/b: an image without a tag; take the empty list away"),
        ("repositories: [{image: web, tags: [x]}]", "image: 'web' has to be HOST/REPOSITORY"),
        ("repositories: [{image: quay.io/Web, tags: [x]}]", "quay.io/Web: repository 'Web': expected lower-case"),
        ("repositories: [{image: quay.io/a, tags: [a b]}]", "quay.io/a: tag 'a b': expected"),
        (
            "repositories: [{image: a.b/c, tags: [a, b], created: 0001-01-01T00:00:00Z}]",
            "created of a.b/c: 0001-01-01 is too early for 1 older images",
        ),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "recipe.yaml", text)
    with pytest.raises(InputError) as caught:
        plant_recipe(Tree.open(tmp_path / "tree", create=True), load_recipe(path))
    assert str(caught.value).startswith(message.replace("{file}", str(path)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipe\.yaml: No such file or directory"):
        load_recipe(tmp_path / "recipe.yaml")
