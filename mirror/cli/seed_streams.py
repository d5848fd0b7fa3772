"""``ismirror seed streams``: the images that image streams name, from registries into a tree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.live_options import LiveOptions
from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.options import DataOption, DryRunOption
from mirror.cli.output import Format, OutputOption, printable
from mirror.cli.remote_options import TransferOptions
from mirror.cli.seed_copy import ImageOptions, TagOptions, run_copy
from mirror.cli.sizes import counted

if TYPE_CHECKING:
    from mirror.seed.pullspecs import NamedSpec


@grouped
def streams(
    data: DataOption,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...",
            help="ImageStreams, ImageStreamImports, an ImageSetConfiguration, or pull specs; directories; - for stdin.",
        ),
    ] = None,
    *,
    cluster: LiveOptions,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", metavar="NAMESPACE", help="Of the cluster only the streams of this namespace."
        ),
    ] = "",
    tags: TagOptions,
    images: ImageOptions,
    dry_run: DryRunOption = False,
    transfer: TransferOptions,
    output: OutputOption = Format.TABLE,
) -> None:
    """Copies every image that image streams, imports and lists name. A dockerImageRepository means all its tags.

    Exits with 1 if some image cannot be copied; the others are there all the same.
    """
    from mirror.errors import InputError
    from mirror.seed.pullspecs import pull_specs_of
    from mirror.seed.streams import sources_of

    if not files and not cluster.is_wanted:
        raise InputError("nothing to read: name files or directories, or a cluster with --live or --kubeconfig")
    if namespace and not cluster.is_wanted:
        raise InputError("--namespace: is for the streams of a cluster; --live or --kubeconfig names one")
    specs = pull_specs_of(files or (), sys.stdin.buffer, lambda line: note(printable(line)))
    if cluster.is_wanted:
        specs += _live(cluster, namespace)
    sources, refused = sources_of(specs)
    run_copy(sources, data, tags, images, transfer, output, dry_run=dry_run, refused=refused)


def _live(cluster: LiveOptions, namespace: str) -> list[NamedSpec]:
    from mirror.cli.loop import run
    from mirror.seed.streams import live_pull_specs

    connection = cluster.connection()

    async def work() -> list[NamedSpec]:
        return [spec async for spec in live_pull_specs(connection, namespace)]

    found = run(work())
    note(f"{connection.server}: its image streams name {counted(len(found), 'image')}")
    return found
