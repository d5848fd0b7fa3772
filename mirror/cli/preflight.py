"""``ismirror preflight``: which image streams will import, and why the others will not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import NowOption
from mirror.cli.output import Format, print_document, print_table, printable
from mirror.cli.preflight_reports import (
    HtmlOption,
    ImageSetOption,
    JunitOption,
    ReportFiles,
    ReportFormat,
    ReportFormatOption,
    SarifOption,
    write_reports,
)

if TYPE_CHECKING:
    from mirror.preflight.report import Report

PolicyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="The cluster's policy: a policy file, or plain objects (mirror sets, image config, pull secrets, "
        "authorities). Several make one policy.",
    ),
]


def preflight(
    streams: Annotated[
        list[str],
        typer.Argument(
            metavar="STREAMS...",
            help="Image streams and ImageStreamImports: files, directories, lists; - is standard input.",
        ),
    ],
    policy: PolicyOption = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TREE", help="What the registries hold: this fixture tree.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST=URL", help="Ask this real registry for HOST; other hosts do not exist."),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="For objects that name none.")
    ] = "default",
    node_arch: Annotated[
        list[str] | None, typer.Option(metavar="ARCH", help="Architecture of nodes, such as arm64; once for each.")
    ] = None,
    without_source: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="As if this registry were gone; once for each.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first stream with a tag that fails.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, metavar="N", help="Streams at once; the report never depends on it.")
    ] = 16,
    per_host: Annotated[
        int, typer.Option(min=1, max=256, metavar="N", help="Requests to one real registry at once.")
    ] = 8,
    now: NowOption = None,
    output: ReportFormatOption = ReportFormat.TABLE,
    html: HtmlOption = None,
    junit: JunitOption = None,
    sarif: SarifOption = None,
    image_set: ImageSetOption = None,
) -> None:
    """Says of every tag whether the cluster will import it, from which mirror, or why not and what to do about it.

    Every import is tried as the cluster would: with its mirrors, pull secrets, allowed registries and limits. Exits
    with 1 if a tag fails.
    """
    from mirror.cli.loop import run
    from mirror.cli.progress import progress
    from mirror.clock import SystemClock
    from mirror.errors import InputError
    from mirror.preflight.content import of_registries, of_tree, parse_against
    from mirror.preflight.policy import read_policy
    from mirror.preflight.running import Question, answer
    from mirror.session import clock_of, fixed_time
    from mirror.streams import read_streams

    if (data is None) == (not against):
        raise InputError("give either --data TREE or --against HOST=URL: what the registries hold")
    found = read_streams(streams, sys.stdin.buffer, namespace)
    rules = read_policy(policy or [])
    clock, _ = clock_of(fixed_time(now), live=False)
    gone = without_source or []
    if data is not None:
        content = of_tree(data, rules.config.hosts, gone, clock)
    else:
        clock = SystemClock()
        content = of_registries(
            dict(map(parse_against, against or [])), gone, rules.ca, per_host=per_host, timeout=10.0
        )
    question = Question(
        found,
        rules,
        content,
        clock,
        tree=data,
        architectures=node_arch or [],
        concurrency=concurrency,
        fail_fast=fail_fast,
    )
    with progress("streams") as tell:
        report = run(answer(question, tell), sockets=data is None)
    write_reports(report, ReportFiles(html, junit, sarif, image_set))
    show(report, output)
    if report.summary.fails:
        raise typer.Exit(1)


def show(report: Report, output: ReportFormat) -> None:
    """Prints a report."""
    if output is ReportFormat.PULLSPECS:
        from mirror.preflight.lists import pull_specs

        for name in pull_specs(report):
            typer.echo(printable(name))
    elif output is ReportFormat.TABLE:
        show_table(report)
    else:
        print_document(report, Format(output))
    for one in report.notes:
        note(printable(f"note: {one.explanation} {one.remedy}".rstrip()))
    summary = report.summary
    note(f"{summary.imports} of {summary.tags} tags import, {summary.fails} fail; {summary.streams} image streams")


def show_table(report: Report) -> None:
    """Prints the tags that fail, grouped by cause, the causes in their order; then how many import from where."""
    failing = sorted(
        (one for one in report.tags if not one.imports), key=lambda one: one.cause.rank if one.cause else 0
    )
    if failing:
        print_table(
            ("CAUSE", "STREAM", "TAG", "FROM", "REMEDY"),
            (
                (one.cause or "", f"{one.namespace}/{one.stream}", one.tag or "-", one.from_, one.remedy or "")
                for one in failing
            ),
        )
