"""``ismirror data``: looking after a fixture tree."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import DataOption
from mirror.cli.output import Format, OutputOption, print_document, print_facts, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_registry.fixtures.verification import Progress
    from mirror.seed.listing import Description

app = typer.Typer(help="Looks after a fixture tree.", no_args_is_help=True)


@app.command(epilog="Example: ismirror data ls quay.io/example/web --data data/tree")
def ls(
    data: DataOption,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[HOST[/REPOSITORY]]", help="A host, or one repository, whose tags are listed."),
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Lists the repositories of a tree, or the tags of one."""
    from fake_registry.fixtures import Tree
    from mirror.seed import listing

    tree = Tree.open(data)
    host, _, repository = (name or "").strip("/").partition("/")
    if repository:
        tags = list(listing.tags(tree, host, repository))
        if output is Format.TABLE:
            rows = ((tag.tag or "<none>", tag.digest, tag.media_type, tag.size) for tag in tags)
            print_table(("TAG", "DIGEST", "MEDIA TYPE", "SIZE"), rows)
        else:
            print_document(tags, output)
        return
    found = list(listing.repositories(tree, host or None))
    if output is Format.TABLE:
        print_table(
            ("HOST", "REPOSITORY", "TAGS", "MANIFESTS"),
            ((entry.host, entry.repository, entry.tags, entry.manifests) for entry in found),
        )
    else:
        print_document(found, output)


@app.command(epilog="Example: ismirror data show quay.io/example/web:2.3 --data data/tree")
def show(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A pull spec, by tag or digest.")],
    data: DataOption,
    raw: Annotated[bool, typer.Option("--raw", help="The manifest as it stands, byte for byte.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Shows one image: its manifest, config, layers or platforms."""
    from fake_registry.fixtures import Tree
    from mirror.seed.listing import describe

    description, manifest = describe(Tree.open(data), image)
    if raw:
        sys.stdout.buffer.write(manifest)
    elif output is Format.TABLE:
        _show(description)
    else:
        print_document(description, output)


@app.command(epilog="Example: ismirror data verify --data data/tree")
def verify(data: DataOption, output: OutputOption = Format.TABLE) -> None:
    """Checks digests, sizes and what every index leads to, and names files that belong to nothing.

    Exits with 1 if something is wrong; files that belong to nothing are named, but harm nobody.
    """
    from fake_registry.fixtures import Tree
    from fake_registry.fixtures import verify as verify_tree

    tree = Tree.open(data)
    with _progress("Verifying") as progress:
        problems = list(verify_tree(tree, progress))
    if output is not Format.TABLE:
        print_document(problems, output)
    else:
        for problem in problems:
            typer.echo(printable(str(problem)))
    wrong = sum(not problem.harmless for problem in problems)
    note(f"{data}: {wrong or 'no'} problem{'' if wrong == 1 else 's'}")
    if wrong:
        raise typer.Exit(1)


def _show(description: Description) -> None:
    from msgspec import json

    facts: list[tuple[str, object]] = [
        ("Image", description.image),
        ("Digest", description.digest),
        ("Media type", description.media_type),
        ("Size", description.size),
        ("Tags", ", ".join(description.tags) or "<none>"),
    ]
    config = None if description.config is None else json.decode(description.config)
    if isinstance(config, dict):
        keys = {"Created": "created", "OS": "os", "Architecture": "architecture"}
        facts += [(name, config[key]) for name, key in keys.items() if key in config]
    print_facts(facts)
    if description.manifests:
        rows = ((entry.platform, entry.digest, entry.size) for entry in description.manifests)
        typer.echo()
        print_table(("PLATFORM", "DIGEST", "SIZE"), rows)
    if description.layers:
        typer.echo()
        print_table(
            ("LAYER", "SIZE", "IN THE TREE"),
            ((layer.digest, layer.size, "yes" if layer.present else "no") for layer in description.layers),
        )


@contextmanager
def _progress(what: str) -> Iterator[Progress | None]:
    """A progress bar on standard error; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
