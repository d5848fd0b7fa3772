"""``ismirror data``: looking after a fixture tree."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.archives import export
from mirror.cli.care import gc, prune, rm, tag, tree_to_look_at, verify
from mirror.cli.notes import note
from mirror.cli.options import DataOption
from mirror.cli.output import Format, OutputOption, print_document, print_facts, print_table
from mirror.cli.progress import progress
from mirror.cli.sizes import counted, size_text

if TYPE_CHECKING:
    from mirror.seed.listing import Description, PlatformEntry
    from mirror.seed.statistics import Amount

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
    from mirror.seed import listing

    tree = tree_to_look_at(data)
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
    """Shows one image in full.

    That is its manifest, config, layers or platforms, and what refers to it.
    """
    from fake_registry.fixtures import Tree
    from mirror.seed.listing import describe

    description, manifest = describe(Tree.open(data), image)
    if raw:
        sys.stdout.buffer.write(manifest)
    elif output is Format.TABLE:
        _show(description)
    else:
        print_document(description, output)


@app.command(epilog="Example: ismirror data stats --data data/tree")
def stats(data: DataOption, output: OutputOption = Format.TABLE) -> None:
    """Counts repositories, tags, manifests and bytes.

    What is there is told from what is not, and from what nobody needs.
    """
    from mirror.seed.statistics import statistics_of

    tree = tree_to_look_at(data)
    with progress("Counting") as tell:
        found = statistics_of(tree, tell)
    if output is not Format.TABLE:
        print_document(found, output)
        return
    print_facts(
        [
            ("Repositories", found.repositories),
            ("Tags", found.tags),
            ("Manifests", f"{found.manifests}, {found.indexes} of them indexes"),
            ("Content", _amount(found.present)),
            ("In copies apart", _amount(found.apart)),
            ("Layers not here", _amount(found.absent_layers)),
            ("Manifests not here", _amount(found.absent_manifests)),
            ("Without a name", _amount(found.unnamed)),
        ]
    )
    if found.hosts:
        typer.echo()
        rows = (
            (host.host, host.repositories, host.tags, host.manifests, size_text(host.content.bytes))
            for host in found.hosts
        )
        print_table(("HOST", "REPOSITORIES", "TAGS", "MANIFESTS", "CONTENT"), rows)


@app.command(epilog="Example: ismirror data diff old-tree data/tree")
def diff(
    left: Annotated[str, typer.Argument(metavar="TREE", help="A tree.")],
    right: Annotated[str, typer.Argument(metavar="TREE", help="The tree that it is compared with.")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Says what two trees do not have in common.

    What the second has more, less or otherwise: repositories, tags, manifests without a tag, content. Exits with 1 if
    they differ.
    """
    from mirror.seed.comparing import differences
    from mirror.seed.selection import existing_tree

    trees = existing_tree(left), existing_tree(right)
    with progress("Comparing") as tell:
        found = list(differences(*trees, tell))
    if output is not Format.TABLE:
        print_document(found, output)
    elif found:
        rows = ((one.change, one.what, one.name, one.left or "-", one.right or "-") for one in found)
        print_table(("CHANGE", "WHAT", "NAME", "LEFT", "RIGHT"), rows)
    note(f"{left}, {right}: {counted(len(found), 'difference', 'no')}")
    if found:
        raise typer.Exit(1)


app.command(epilog="Example: ismirror data verify --data data/tree")(verify)
app.command(epilog="Example: ismirror data gc --dry-run --data data/tree")(gc)
app.command(epilog="Example: ismirror data prune 'quay.io/example/*' --newest 3 --dry-run --data data/tree")(prune)
app.command(epilog="Example: ismirror data rm quay.io/example/web:1.0 --dry-run --data data/tree")(rm)
app.command(epilog="Example: ismirror data tag quay.io/example/web:2.3 newest --data tree")(tag)
app.command(
    epilog="Example: ismirror data export quay.io/example/web:2.3 --to dir:web --metadata-only --data data/tree"
)(export)


def _amount(amount: Amount) -> str:
    return f"{amount.count}, {size_text(amount.bytes)}"


def _show(description: Description) -> None:
    from msgspec import json

    facts: list[tuple[str, object]] = [
        ("Image", description.image),
        ("Digest", description.digest),
        ("Media type", description.media_type),
        ("Size", description.size),
        ("Tags", ", ".join(description.tags) or "<none>"),
        ("Content", size_text(description.total)),
    ]
    if description.subject:
        facts.append(("Refers to", description.subject))
    facts += [("Named by", digest) for digest in description.named_by]
    config = None if description.config is None else json.decode(description.config)
    if isinstance(config, dict):
        keys = {"Created": "created", "OS": "os", "Architecture": "architecture"}
        facts += [(name, config[key]) for name, key in keys.items() if key in config]
    print_facts(facts)
    if description.manifests:
        typer.echo()
        rows = [row for entry in description.manifests for row in _platform_rows(entry, "")]
        print_table(("PLATFORM", "DIGEST", "SIZE", "LAYERS", "CONTENT", "IN THE TREE"), rows)
    if description.layers:
        typer.echo()
        print_table(
            ("LAYER", "SIZE", "IN THE TREE"),
            ((layer.digest, layer.size, "yes" if layer.present else "no") for layer in description.layers),
        )
    if description.referrers:
        typer.echo()
        print_table(
            ("REFERRER", "ARTIFACT TYPE", "SIZE"),
            ((one.digest, one.artifact_type or one.media_type, one.size) for one in description.referrers),
        )


def _platform_rows(entry: PlatformEntry, indent: str) -> list[tuple[object, ...]]:
    layers = entry.layers or []
    here = sum(layer.present for layer in layers)
    there = "no" if not entry.present else f"yes, {here} of {len(layers)} layers" if layers else "yes"
    total = "" if entry.total is None else size_text(entry.total)
    row = (indent + (entry.platform or "-"), entry.digest, entry.size, len(layers), total, there)
    return [row, *(below for child in entry.manifests or [] for below in _platform_rows(child, f"{indent}  "))]
