"""``ismirror seed copy``: images from registries into a tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.copy_progress import copy_progress, line_of, size_text
from mirror.cli.notes import note
from mirror.cli.options import ConcurrencyOption, DataOption
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable
from mirror.cli.remote_options import (
    AuthfileOption,
    CaOption,
    ConnectOption,
    CredsOption,
    InsecureOption,
    PerHostOption,
    network,
    registries,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirror.seed.copying import CopySummary
    from mirror.seed.outcome import ImageResult
    from mirror.seed.sources import Source
    from mirror.seed.tag_filters import TagFilter

PlatformOption = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="OS/ARCH[/VARIANT],…", help="Of indexes only these manifests; all by default."),
]
MetadataOption = Annotated[
    bool, typer.Option("--metadata-only", help="Manifests and configs, no layers: all that imports look at.")
]
ReferrersOption = Annotated[
    bool,
    typer.Option("--referrers/--no-referrers", help="Signatures, attestations and what else refers to images."),
]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Asks for the referrers of images that have not changed, too.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Says what would be copied, and writes nothing.")]
TagsOption = Annotated[
    list[str] | None, typer.Option("--tags", metavar="GLOB", help="Of repositories, tags that match one of these.")
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", help="Of repositories, no tags that match one of these.")
]
SemverOption = Annotated[
    str | None, typer.Option(metavar="RANGE", help="Of repositories, tags that are versions such as '>=1.2 <2'.")
]
LatestOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Of each repository, the tags with the highest versions.")
]


def copy(
    data: DataOption,
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE…", help="Images; without tag and digest, all tags of a repository."),
    ] = None,
    by_digest_list: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Images by digest, REPOSITORY[:TAG]@DIGEST a line, or an earlier summary."),
    ] = None,
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
    """Copies images from registries into a tree, with the same digests. What is there is not fetched again.

    Exits with 1 if some image cannot be copied; the others are there all the same.
    """
    from mirror.errors import InputError
    from mirror.seed.sources import distinct, parse_source, read_digest_list

    sources = [parse_source(text) for text in source or ()]
    for path in by_digest_list or ():
        sources += read_digest_list(path)
    if not sources:
        raise InputError("nothing to copy: name images or repositories, or a file with --by-digest-list")
    chosen = tag_filter(sources, tags, exclude, semver, latest)
    run_copy(
        distinct(sources, whole=chosen.takes_all),
        data,
        chosen,
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


def tag_filter(
    sources: list[Source],
    tags: list[str] | None,
    exclude: list[str] | None,
    semver: str | None,
    latest: int | None,
) -> TagFilter:
    """Which tags of whole repositories are meant (raises `InputError` where there is nothing to choose from)."""
    from mirror.errors import InputError
    from mirror.seed.tag_filters import TagFilter
    from mirror.seed.versions import VersionRange

    versions = None if semver is None else VersionRange(semver)
    chosen = TagFilter(include=tags or (), exclude=exclude or (), versions=versions, latest=latest)
    if not chosen.takes_all and not any(one.is_repository for one in sources):
        raise InputError(
            "--tags, --exclude, --semver, --latest: choose among the tags of whole repositories; none is named"
        )
    return chosen


def run_copy(
    sources: list[Source],
    data: str,
    tags: TagFilter,
    *,
    refused: Sequence[ImageResult] = (),
    platform: list[str] | None,
    metadata_only: bool,
    referrers: bool,
    refresh: bool,
    dry_run: bool,
    creds: str | None,
    authfile: Path | None,
    insecure: bool,
    ca: Path | None,
    connect: str | None,
    concurrency: int,
    per_host: int,
    output: Format,
) -> None:
    """Copies sources as the options say, and prints what became of them, and of those that were `refused` before."""
    from fake_registry.fixtures import Tree
    from mirror.cli.loop import run
    from mirror.seed.copying import CopyOptions, copy_images
    from mirror.seed.platforms import parse_platforms

    options = CopyOptions(
        platforms=parse_platforms(platform or ()),
        metadata_only=metadata_only,
        referrers=referrers,
        refresh=refresh,
        dry_run=dry_run,
        concurrency=concurrency,
    )
    tree = Tree.open(data, create=not dry_run)

    async def work() -> CopySummary:
        async with network(ca, connect, per_host) as connections:
            found = registries(
                connections,
                (source.host for source in sources),
                creds=creds,
                authfile=authfile,
                insecure=insecure,
                per_host=per_host,
            )
            with copy_progress() as progress:
                return await copy_images(tree, found, sources, options, progress, tags, refused)

    show(run(work()), data, output, dry_run=dry_run)


def show(summary: CopySummary, data: str, output: Format, *, dry_run: bool) -> None:
    """Prints what became of a run; exit code 1 if something failed."""
    if output is not Format.TABLE:
        print_document(summary, output)
    elif dry_run:
        rows = ((one.image, one.digest or "-", one.status, one.blobs, one.bytes) for one in summary.images)
        print_table(("IMAGE", "DIGEST", "STATUS", "BLOBS", "BYTES"), rows)
    failed = [one for one in summary.images if one.status == "failed"]
    done = summary.planned if dry_run else summary.copied
    note(
        f"{data}: {done} image{'' if done == 1 else 's'} {'to copy' if dry_run else 'copied'}, "
        f"{summary.unchanged} unchanged, {summary.failed} failed; "
        f"{summary.blobs} blobs, {size_text(summary.bytes)}, {summary.requests} requests"
    )
    if failed:
        for one in failed:
            typer.echo(printable(line_of(one)), err=True)
        raise typer.Exit(1)
