"""``ismirror seed push``: images of a tree into a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.copy_progress import copy_progress, line_of
from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable
from mirror.cli.remote_options import TransferOptions, network, registries
from mirror.cli.sizes import counted, size_text

if TYPE_CHECKING:
    from mirror.seed.pushing import PushSummary


@grouped
def push(
    tree: Annotated[str, typer.Argument(metavar="TREE", help="The directory of the fixture tree.")],
    registry: Annotated[
        str, typer.Argument(metavar="REGISTRY[/PATH]", help="Where to, such as registry.example.com:5000/mirror.")
    ],
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="NAME", help="Only this image or repository; may be repeated."),
    ] = None,
    keep_hosts: Annotated[
        bool, typer.Option("--keep-hosts", help="REGISTRY/quay.io/app for quay.io/app; else it is REGISTRY/app.")
    ] = False,
    mirror_sets: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the cluster's mirror objects are written, in place of printing them."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Asks what is there, says what would be pushed, and pushes nothing.")
    ] = False,
    *,
    transfer: TransferOptions,
    output: OutputOption = Format.TABLE,
) -> None:
    """Pushes the images of a tree to a registry.

    Prints the ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy that point a cluster to it. What is
    there is not sent again; digests stay the same. Exits with 1 if some image cannot be pushed; the others are there
    all the same.
    """
    from fake_registry.fixtures import Tree
    from mirror.cli.loop import run
    from mirror.seed.pushing import push_images
    from mirror.seed.targets import parse_target, shipments

    target = parse_target(registry, keep_hosts=keep_hosts)
    found = shipments(Tree.open(tree), target, image or ())

    async def work() -> PushSummary:
        async with network(transfer, transfer.per_host) as connections:
            servers = registries(
                connections,
                [target.host],
                transfer,
                creds=transfer.creds,
                per_host=transfer.per_host,
                mirrors=False,
            )
            with copy_progress() as progress:
                return await push_images(
                    found, target, servers, progress, dry_run=dry_run, concurrency=transfer.concurrency
                )

    summary = run(work())
    if mirror_sets is not None:
        _write(mirror_sets, summary.mirror_sets)
    _show(summary, registry, output, dry_run=dry_run, printed=mirror_sets is None)


def _write(directory: Path, objects: list[dict[str, object]]) -> None:
    """A file for each object, named by its kind."""
    from mirror.kubejson import to_yaml

    directory.mkdir(parents=True, exist_ok=True)
    for one in objects:
        (directory / f"{str(one['kind']).lower()}.yaml").write_text(to_yaml(one))


def _show(summary: PushSummary, registry: str, output: Format, *, dry_run: bool, printed: bool) -> None:
    from mirror.kubejson import to_yaml

    if output is not Format.TABLE:
        print_document(summary, output)
    elif dry_run:
        rows = ((one.image, one.target, one.status, one.blobs, one.bytes) for one in summary.images)
        print_table(("IMAGE", "TARGET", "STATUS", "BLOBS", "BYTES"), rows)
    elif printed:
        typer.echo("---\n".join(map(to_yaml, summary.mirror_sets)), nl=False)
    done = summary.planned if dry_run else summary.pushed
    note(
        f"{registry}: {counted(done, 'image')} {'to push' if dry_run else 'pushed'}, "
        f"{summary.unchanged} unchanged, {summary.failed} failed; {counted(summary.blobs, 'blob')}, "
        f"{size_text(summary.bytes)}, {summary.mounted} mounted, {counted(summary.requests, 'request')}"
    )
    failed = [one for one in summary.images if one.status == "failed"]
    for one in failed:
        typer.echo(printable(line_of(one)), err=True)
    if failed:
        raise typer.Exit(1)
