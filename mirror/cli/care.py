"""``ismirror data verify``, ``gc``, ``rm`` and ``tag``: keeping a fixture tree in order."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.options import DataOption, DryRunOption, NowOption
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable
from mirror.cli.progress import progress
from mirror.cli.remote_options import RemoteOptions, network, registries
from mirror.cli.sizes import counted, size_text

if TYPE_CHECKING:
    from fake_registry.fixtures import Tree
    from mirror.seed.registry_source import RegistrySource
    from mirror.seed.remote.registries import Registries


def tree_to_look_at(data: str) -> Tree:
    """Opens a tree, and says so if there is none: nothing is what is in it, then.

    Raises:
        TreeError: the directory holds something else.
    """
    from fake_registry.fixtures import Tree

    tree = Tree.open(data)
    if not tree.root.is_dir():
        note(f"{data}: no such directory, which is a tree with nothing in it")
    return tree


@grouped
def verify(
    data: DataOption,
    complete: Annotated[
        bool, typer.Option("--complete", help="Absent layers, and absent manifests of indexes, are problems, too.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mends what can be mended without any other source.")
    ] = False,
    repair_from: Annotated[
        list[str] | None,
        typer.Option(metavar="TREE", help="Takes what is damaged or missing from another tree; may be repeated."),
    ] = None,
    repair_from_registries: Annotated[
        bool, typer.Option("--repair-from-registries", help="Takes it from the registries of the repositories' names.")
    ] = False,
    *,
    remote: RemoteOptions,
    output: OutputOption = Format.TABLE,
) -> None:
    """Checks digests, sizes and what every index leads to.

    Exits with 1 if something is wrong, and is not repaired; files that belong to nothing are named, but harm nobody.
    """
    from fake_registry.fixtures import verify as verify_tree
    from mirror.seed.repairing import Repair, Source, TreeSource
    from mirror.seed.repairing import repair as repair_tree
    from mirror.seed.selection import existing_tree

    tree = tree_to_look_at(data)
    sources: list[Source] = [TreeSource(existing_tree(other)) for other in repair_from or []]
    repairs: list[Repair] = []
    with ExitStack() as stack:
        if repair_from_registries:
            sources.append(stack.enter_context(_registries(remote)))
        with progress("Verifying") as tell:
            problems = list(verify_tree(tree, tell, complete=complete))
            if repair or sources:
                repairs, problems = repair_tree(tree, problems, sources, complete=complete, progress=tell)
    for one in repairs:
        note(f"{printable(one.file)}: mended, from {one.source}")
    if output is not Format.TABLE:
        print_document(problems, output)
    else:
        for problem in problems:
            typer.echo(printable(str(problem)))
    wrong = sum(not problem.harmless for problem in problems)
    mended = f", {len(repairs)} mended" if repairs else ""
    note(f"{data}: {counted(wrong, 'problem', 'no')}{mended}")
    if wrong:
        raise typer.Exit(1)


@contextmanager
def _registries(remote: RemoteOptions) -> Iterator[RegistrySource]:
    """The registries that the tree's hosts are called after, and in the end what they said in place of content."""
    from mirror.seed.registry_source import RegistrySource

    @asynccontextmanager
    async def connected() -> AsyncIterator[Registries]:
        async with network(remote) as connections:
            yield registries(connections, (), remote)

    with RegistrySource(connected) as source:
        yield source
    for problem in dict.fromkeys(source.problems):
        typer.echo(printable(problem), err=True)


def gc(
    data: DataOption,
    grace: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="What is younger stays: somebody may be about to name it."),
    ] = 3600.0,
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Removes content that no repository leads to.

    What interrupted writers left goes, too. The tree may be served and written to meanwhile.
    """
    from fake_registry.fixtures import collect_garbage
    from mirror.errors import InputError

    if math.isnan(grace):
        raise InputError("--grace: nan is no number of seconds")
    tree = tree_to_look_at(data)
    with progress("Collecting") as tell:
        found = []
        for item in collect_garbage(tree, grace=grace, dry_run=dry_run):
            found.append(item)
            tell(len(found), len(found) + 1)
    if output is not Format.TABLE:
        print_document([{"file": item.file, "size": item.size} for item in found], output)
    elif found:
        print_table(("FILE", "SIZE"), ((item.file, item.size) for item in found))
    size = size_text(sum(item.size for item in found))
    note(f"{data}: {counted(len(found), 'file')}, {size}, {'would be ' if dry_run else ''}removed")


def rm(
    names: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Pull specs, by tag or digest.")],
    data: DataOption,
    repository: Annotated[
        bool, typer.Option("--repository", help="The names are repositories, HOST/REPOSITORY: all of them goes.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Takes images out of a tree. With its last tag an image goes; its content goes with the next data gc."""
    from fake_registry.fixtures import Tree
    from mirror.seed.editing import remove_images, remove_repositories

    tree = Tree.open(data)
    removed = (remove_repositories if repository else remove_images)(tree, names, dry_run=dry_run)
    if output is not Format.TABLE:
        print_document(removed, output)
    else:
        print_table(("REMOVED", "NAME", "DIGEST"), ((one.what, one.name, one.digest or "-") for one in removed))


def prune(
    data: DataOption,
    repositories: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REPOSITORY]...", help="HOST/REPOSITORY; patterns, whose * stands for slashes, too."),
    ] = None,
    newest: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The so many newest images of each repository stay.")
    ] = None,
    within: Annotated[str, typer.Option(metavar="AGE", help="Images stay that are not older: 12h, 30d, 8w.")] = "",
    tags: Annotated[
        list[str] | None,
        typer.Option("--tags", metavar="PATTERN", help="Images stay that have such a tag. Repeatable."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Other rules for other repositories; see the documentation.")
    ] = None,
    now: NowOption = None,
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Takes old images out of a tree. What any of the options is true of stays; so does what does not say its age.

    What refers to an image, signatures and the like, goes with it. Content goes with the next data gc.
    """
    from datetime import UTC, datetime

    from fake_registry.fixtures import Tree
    from mirror.errors import InputError
    from mirror.seed.retention import Retention, read_retentions
    from mirror.seed.retention import prune as prune_tree
    from mirror.session import fixed_time

    if (rules is None) == (not repositories):
        raise InputError("name repositories, such as 'quay.io/team/*', or a file with --rules; not both")
    if rules is None:
        try:
            wanted = [
                Retention(repositories=one, newest=newest, within=within, tags=tags or []) for one in repositories or ()
            ]
        except ValueError as error:
            text = str(error).replace("Expected", "expected").replace("`", "")
            raise InputError(f"--newest, --within, --tags: {text}") from None
    elif newest is not None or within or tags:
        raise InputError("--rules: the file says what stays; leave --newest, --within and --tags out")
    else:
        wanted = read_retentions(rules)
    removed = prune_tree(Tree.open(data), wanted, fixed_time(now) or datetime.now(UTC), dry_run=dry_run)
    if output is not Format.TABLE:
        print_document(removed, output)
    elif removed:
        print_table(("REMOVED", "NAME", "DIGEST"), ((one.what, one.name, one.digest or "-") for one in removed))
    counts = [sum(one.what == what for one in removed) for what in ("tag", "manifest")]
    words = " and ".join(
        f"{count} {what}{'' if count == 1 else 's'}" for count, what in zip(counts, ("tag", "manifest"), strict=True)
    )
    note(f"{data}: {words} {'would be ' if dry_run else ''}removed")


def tag(
    source: Annotated[str, typer.Argument(metavar="IMAGE", help="A pull spec, by tag or digest.")],
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Tags of its repository, or pull specs of others.")
    ],
    data: DataOption,
) -> None:
    """Gives an image of a tree further names. Nothing is copied: what has the same digest is there once."""
    from fake_registry.fixtures import Tree
    from mirror.seed.editing import tag_image

    for name in tag_image(Tree.open(data), source, names):
        typer.echo(name)
