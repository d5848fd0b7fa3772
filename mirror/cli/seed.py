"""``ismirror seed``: filling a fixture tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import DataOption

app = typer.Typer(help="Fills a fixture tree.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Fills a fixture tree."""


@app.command(epilog="Example: ismirror seed synth data/recipe.yaml --data data/tree")
def synth(
    data: DataOption,
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="A file that says which images to make.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="PULLSPEC", help="Makes an image for this pull spec; may be repeated."),
    ] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="OS/ARCH", help="Platforms of the images of --image; four by default."),
    ] = None,
) -> None:
    """Makes synthetic images: configs and manifests that look real, the same bytes every time.

    Exits with 1 if a pull spec of --image can have no image, as those by digest.
    """
    from fake_registry.fixtures import Tree
    from fake_registry.images import MULTI_ARCH
    from mirror.errors import InputError
    from mirror.seed.planting import plant_pull_specs, plant_recipe
    from mirror.seed.recipe import load_recipe

    if recipe is None and not image:
        raise InputError("nothing to make: name a recipe file, or pull specs with --image")
    wanted = None if recipe is None else load_recipe(recipe)
    tree = Tree.open(data, create=True)
    if wanted is not None:
        count = plant_recipe(tree, wanted)
        note(f"{data}: {count} images of {recipe}")
    refused = plant_pull_specs(tree, image or (), platform or MULTI_ARCH)
    for one in refused:
        typer.echo(f"{one.pull_spec}: {one.reason}", err=True)
    if refused:
        raise typer.Exit(1)
