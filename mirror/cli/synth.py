"""``ismirror seed synth``: synthetic images for a fixture tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.options import DataOption
from mirror.cli.progress import progress
from mirror.cli.sizes import counted

if TYPE_CHECKING:
    from fake_registry.images import Template


@dataclass(frozen=True, kw_only=True)
class TemplateOptions:
    """What the images are like."""

    layers: Annotated[int, typer.Option(min=0, max=127, metavar="N", help="Layers of each image.")] = 3
    layer_size: Annotated[
        int, typer.Option(min=64, metavar="BYTES", help="Mean size that manifests say layers have.")
    ] = 20_000_000
    real_layers: Annotated[
        bool, typer.Option("--real-layers", help="Makes the layers, too; they are a few thousand bytes each.")
    ] = False
    kind: Annotated[str, typer.Option(metavar="oci|docker", help="Whose media types the images have.")] = "oci"
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of the images; may be repeated.")
    ] = None
    created: Annotated[str, typer.Option(metavar="TIME", help="When the images say they were made (RFC 3339).")] = ""

    def template(self) -> Template:
        """The template that these are (raises `InputError`)."""
        import msgspec

        from fake_registry.images import RunConfig, Template
        from mirror.errors import InputError

        labels = {}
        for label in self.label or ():
            name, equals, value = label.partition("=")
            if not name or not equals:
                raise InputError(f"--label: {label!r}: expected NAME=VALUE")
            labels[name] = value
        fields: dict[str, object] = {
            "kind": self.kind,
            "layers": self.layers,
            "layer_size": self.layer_size,
            "real_layers": self.real_layers,
        }
        if self.created:
            fields["created"] = self.created
        try:
            template = msgspec.convert(fields, Template)
        except msgspec.ValidationError as error:
            raise InputError(f"--kind, --created: {str(error).replace('`', '')}") from None
        return msgspec.structs.replace(template, config=RunConfig(labels=labels))


@grouped
def synth(
    data: DataOption,
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="A file that says which images to make.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="PULLSPEC", help="Makes an image for this pull spec; may be repeated."),
    ] = None,
    streams: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Makes an image for every pull spec that image streams name, in a file or directory; may be repeated.",
        ),
    ] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform", metavar="OS/ARCH", help="Platforms of the images but the recipe's; four by default."
        ),
    ] = None,
    *,
    likeness: TemplateOptions,
    count: Annotated[
        int, typer.Option(min=0, max=1_000_000, metavar="N", help="N images for each pull spec, with numbers as tags.")
    ] = 0,
    count_tag: Annotated[
        str, typer.Option(metavar="FORM", help="What these tags are: {} stands for the number.")
    ] = "v{}",
) -> None:
    """Makes synthetic images, the same bytes every time.

    Configs and manifests look real. Exits with 1 if a pull spec can have no image, as those by digest.
    """
    from fake_registry.fixtures import Tree
    from fake_registry.images import DEFAULT_PLATFORM, MULTI_ARCH
    from mirror.errors import InputError
    from mirror.seed.pullspecs import pull_specs_of
    from mirror.seed.recipe import load_recipe
    from mirror.seed.synth import Numbered, plant_pull_specs, plant_recipe

    if recipe is None and not image and not streams:
        raise InputError("nothing to make: name a recipe file, pull specs with --image, or files with --streams")
    if count and "{}" not in count_tag:
        raise InputError(f"--count-tag: {count_tag!r}: expected {{}} in it, for the number")
    template = likeness.template()
    wanted = None if recipe is None else load_recipe(recipe)
    named = [*(image or []), *(spec.text for spec in pull_specs_of(streams or [], passed_over=note))]
    tree = Tree.open(data, create=True)
    if wanted is not None:
        with progress("Making images") as tell:
            made = plant_recipe(tree, wanted, tell)
        note(f"{data}: {made} images of {recipe}")
    numbered = Numbered(count, count_tag) if count else None
    platforms = platform or ([DEFAULT_PLATFORM] if count else MULTI_ARCH)
    with progress("Making images") as tell:
        refused = plant_pull_specs(tree, named, platforms, template, numbered=numbered, progress=tell)
    if named:
        specs = len(set(named)) - len(refused)
        note(f"{data}: images for {counted(specs, 'pull spec')}")
    for one in refused:
        typer.echo(f"{one.pull_spec}: {one.reason}", err=True)
    if refused:
        raise typer.Exit(1)
