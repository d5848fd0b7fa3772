"""``ismirror seed streams``: the images that image streams name, from registries into a tree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import ConcurrencyOption, DataOption
from mirror.cli.output import Format, OutputOption
from mirror.cli.remote_options import (
    AuthfileOption,
    CaOption,
    ConnectOption,
    CredsOption,
    InsecureOption,
    PerHostOption,
)
from mirror.cli.seed_copy import (
    DryRunOption,
    ExcludeOption,
    LatestOption,
    MetadataOption,
    PlatformOption,
    ReferrersOption,
    RefreshOption,
    SemverOption,
    TagsOption,
    run_copy,
    tag_filter,
)

if TYPE_CHECKING:
    from mirror.seed.pullspecs import NamedSpec


def streams(
    data: DataOption,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE…",
            help="ImageStreams, ImageStreamImports, an ImageSetConfiguration, or pull specs; directories; - for stdin.",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The image streams of the cluster of the current kubeconfig, too.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The kubeconfig of that cluster. Implies --live.")
    ] = None,
    context: Annotated[str, typer.Option(metavar="NAME", help="The context in it. Implies --live.")] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Of the cluster only the streams of this namespace.")
    ] = "",
    tags: TagsOption = None,
    exclude: ExcludeOption = None,
    semver: SemverOption = None,
    latest: LatestOption = None,
    platform: PlatformOption = None,
    metadata_only: MetadataOption = False,
    referrers: ReferrersOption = True,
    refresh: RefreshOption = False,
    dry_run: DryRunOption = False,
    creds: CredsOption = None,
    authfile: AuthfileOption = None,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    connect: ConnectOption = None,
    concurrency: ConcurrencyOption = 8,
    per_host: PerHostOption = 8,
    output: OutputOption = Format.TABLE,
) -> None:
    """Copies every image that image streams, imports and lists name. A dockerImageRepository means all its tags.

    Exits with 1 if some image cannot be copied; the others are there all the same.
    """
    from mirror.errors import InputError
    from mirror.seed.pullspecs import pull_specs_of
    from mirror.seed.sources import distinct
    from mirror.seed.streams import sources_of

    live = live or kubeconfig is not None or bool(context)
    if not files and not live:
        raise InputError("nothing to read: name files or directories, or a cluster with --live or --kubeconfig")
    if namespace and not live:
        raise InputError("--namespace: is for the streams of a cluster; --live or --kubeconfig names one")
    specs = pull_specs_of(files or (), sys.stdin.buffer)
    if live:
        specs += _live(kubeconfig, context, namespace)
    sources, refused = sources_of(specs)
    chosen = tag_filter(sources, tags, exclude, semver, latest)
    run_copy(
        distinct(sources, whole=chosen.takes_all),
        data,
        chosen,
        refused=refused,
        platform=platform,
        metadata_only=metadata_only,
        referrers=referrers,
        refresh=refresh,
        dry_run=dry_run,
        creds=creds,
        authfile=authfile,
        insecure=insecure,
        ca=ca,
        connect=connect,
        concurrency=concurrency,
        per_host=per_host,
        output=output,
    )


def _live(kubeconfig: Path | None, context: str, namespace: str) -> list[NamedSpec]:
    from mirror.cli.loop import run
    from mirror.live_api import load_connection
    from mirror.seed.streams import live_pull_specs

    connection = load_connection(os.environ, Path.home(), kubeconfig, context)

    async def work() -> list[NamedSpec]:
        return [spec async for spec in live_pull_specs(connection, namespace)]

    found = run(work())
    note(f"{connection.server}: its image streams name {len(found)} image{'' if len(found) == 1 else 's'}")
    return found
