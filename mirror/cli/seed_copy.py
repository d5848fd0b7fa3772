"""``ismirror seed copy``: images from registries into a tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mirror.cli.copy_progress import copy_progress, line_of
from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.options import DataOption, DryRunOption, MetadataOnlyOption
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable
from mirror.cli.remote_options import TransferOptions, network, registries
from mirror.cli.sizes import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirror.seed.copy_options import WantedReferrers
    from mirror.seed.copying import CopySummary
    from mirror.seed.outcome import ImageResult
    from mirror.seed.sources import Source
    from mirror.seed.tag_filters import TagFilter


@dataclass(frozen=True, kw_only=True)
class TagOptions:
    """Which tags of whole repositories are copied."""

    tags: Annotated[
        list[str] | None, typer.Option("--tags", metavar="GLOB", help="Of repositories, tags that match one of these.")
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Of repositories, no tags that match one of these.")
    ] = None
    semver: Annotated[
        str | None,
        typer.Option(
            metavar="RANGE",
            help="Of repositories, tags that are versions such as '>=1.2 <2'; no pre-releases unless it names one.",
        ),
    ] = None
    latest: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Of each repository, the tags with the highest versions; pre-releases count: --semver '*' without.",
        ),
    ] = None

    def filter_for(self, sources: list[Source]) -> TagFilter:
        """The filter that these are (raises `InputError` where no source is a repository to choose from)."""
        from mirror.errors import InputError
        from mirror.seed.tag_filters import TagFilter
        from mirror.seed.versions import VersionRange

        versions = None if self.semver is None else VersionRange(self.semver)
        found = TagFilter(include=self.tags or (), exclude=self.exclude or (), versions=versions, latest=self.latest)
        if not found.takes_all and not any(one.is_repository for one in sources):
            raise InputError(
                "--tags, --exclude, --semver, --latest: choose among the tags of whole repositories; none is named"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What of each image is copied."""

    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform", metavar="OS/ARCH[/VARIANT],...", help="Of indexes only these manifests; all by default."
        ),
    ] = None
    metadata_only: MetadataOnlyOption = False
    referrers: Annotated[
        Literal["auto", "all", "none"],
        typer.Option(
            "--referrers",
            help="Signatures, attestations and what else refers to images. 'auto' asks for those of the platforms of "
            "an index where the index has some, 'all' always; a request for each.",
        ),
    ] = "auto"
    no_referrers: Annotated[bool, typer.Option("--no-referrers", help="The same as --referrers none.")] = False
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Asks for the referrers of images that have not changed, too.")
    ] = False

    @property
    def wanted_referrers(self) -> WantedReferrers:
        """Which referrers come along (raises `InputError` for options that contradict each other)."""
        from mirror.errors import InputError

        if self.no_referrers and self.referrers == "all":
            raise InputError("--no-referrers: contradicts --referrers all; give one of them")
        return "none" if self.no_referrers else self.referrers


@grouped
def copy(
    data: DataOption,
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE...", help="Images; without tag and digest, all tags of a repository."),
    ] = None,
    by_digest_list: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Images by digest, REPOSITORY[:TAG]@DIGEST a line, or an earlier summary."),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="HOST/REPOSITORY[:TAG]",
            help="Where they go in the tree, such as where a mirror has them; by default under their own names.",
        ),
    ] = "",
    *,
    tags: TagOptions,
    images: ImageOptions,
    dry_run: DryRunOption = False,
    transfer: TransferOptions,
    output: OutputOption = Format.TABLE,
) -> None:
    """Copies images from registries into a tree, with the same digests. What is there is not fetched again.

    Exits with 1 if some image cannot be copied; the others are there all the same.
    """
    from mirror.errors import InputError
    from mirror.seed.sources import parse_destination, parse_source, read_digest_list, require_one_repository

    sources = [parse_source(text) for text in source or ()]
    for path in by_digest_list or ():
        sources += read_digest_list(path)
    if not sources:
        raise InputError("nothing to copy: name images or repositories, or a file with --by-digest-list")
    destination = parse_destination(name) if name else None
    if destination is not None:
        require_one_repository(sources, destination)
    run_copy(sources, data, tags, images, transfer, output, dry_run=dry_run, destination=destination)


def run_copy(
    sources: list[Source],
    data: str,
    tags: TagOptions,
    images: ImageOptions,
    transfer: TransferOptions,
    output: Format,
    *,
    dry_run: bool,
    destination: Source | None = None,
    refused: Sequence[ImageResult] = (),
) -> None:
    """Copies sources as the options say, and prints what became of them, and of those that were `refused` before."""
    from fake_registry.fixtures import Tree
    from mirror.cli.loop import run
    from mirror.seed.copy_options import CopyOptions
    from mirror.seed.copying import copy_images
    from mirror.seed.platforms import parse_platforms
    from mirror.seed.sources import distinct

    chosen = tags.filter_for(sources)
    wanted = distinct(sources, whole=chosen.takes_all)
    options = CopyOptions(
        platforms=parse_platforms(images.platform or ()),
        metadata_only=images.metadata_only,
        referrers=images.wanted_referrers,
        refresh=images.refresh,
        destination=destination,
        dry_run=dry_run,
        concurrency=transfer.concurrency,
        list_images=dry_run or output is not Format.TABLE,
    )
    tree = Tree.open(data, create=not dry_run)

    async def work() -> CopySummary:
        async with network(transfer, transfer.per_host) as connections:
            hosts = (source.host for source in wanted)
            found = registries(connections, hosts, transfer, creds=transfer.creds, per_host=transfer.per_host)
            with copy_progress() as progress:
                return await copy_images(tree, found, wanted, options, progress, chosen, refused)

    _show(run(work()), data, output, dry_run=dry_run)


def _show(summary: CopySummary, data: str, output: Format, *, dry_run: bool) -> None:
    """Prints what became of a run; exit code 1 if something failed."""
    placed = any(one.target for one in summary.images)
    if output is not Format.TABLE:
        print_document(summary, output)
    elif dry_run:
        rows = (
            (one.image, *([one.target or "-"] if placed else ()), one.digest or "-", one.status, one.blobs, one.bytes)
            for one in summary.images
        )
        print_table(("IMAGE", *(["PLACE"] if placed else ()), "DIGEST", "STATUS", "BLOBS", "BYTES"), rows)
    failed = [one for one in summary.images if one.status == "failed"]
    done = summary.planned if dry_run else summary.copied
    note(
        f"{data}: {counted(done, 'image')} {'to copy' if dry_run else 'copied'}, "
        f"{summary.unchanged} unchanged, {summary.failed} failed; "
        f"{counted(summary.blobs, 'blob')}, {size_text(summary.bytes)}, {counted(summary.requests, 'request')}"
    )
    if summary.unasked_indexes:
        those = "an index" if summary.unasked_indexes == 1 else f"{summary.unasked_indexes} indexes"
        note(
            f"not asked for: what refers to the platforms of {those}, as the registry lists nothing that refers to "
            f"{'the index itself' if summary.unasked_indexes == 1 else 'the indexes themselves'}; --referrers all asks"
        )
    if failed:
        for one in failed:
            typer.echo(printable(line_of(one)), err=True)
        raise typer.Exit(1)
