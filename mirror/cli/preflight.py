"""``ismirror preflight``: which image streams will import, and why the others will not."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.live_options import LiveOptions
from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.output import Format, print_document, print_table, printable
from mirror.cli.preflight_question import QuestionOptions
from mirror.cli.preflight_reports import ReportFiles, ReportFormat, ReportFormatOption, require_places, write_reports
from mirror.cli.sizes import counted

if TYPE_CHECKING:
    from mirror.preflight.causes import Cause
    from mirror.preflight.comparing import Changes
    from mirror.preflight.explaining import Explanation
    from mirror.preflight.report import Report, TagResult
    from mirror.streams import Found


@grouped
def preflight(
    streams: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STREAMS]...",
            help="Image streams and ImageStreamImports: files, directories, lists; - is standard input.",
        ),
    ] = None,
    *,
    asked: QuestionOptions,
    cluster: LiveOptions,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", metavar="NAMESPACE", help="For objects that name none; of a cluster only this one."
        ),
    ] = "",
    explain: Annotated[
        str | None, typer.Option(metavar="TAG", help="Explain one tag, [NAMESPACE/]STREAM:TAG, and nothing else.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="BEFORE.json", help="Show what changes since this report; exit code 1 if it gets worse."),
    ] = None,
    output: ReportFormatOption = ReportFormat.TABLE,
    files: ReportFiles,
) -> None:
    """Says which image streams will import, and why others will not.

    Of every tag it says from which mirror it comes, or why it fails and what to do about it. Every import is tried as
    the cluster would: with its mirrors, pull secrets, allowed registries and limits. Exits with 1 if a tag fails; with
    --compare, if something gets worse.
    """
    from mirror.cli.loop import run
    from mirror.cli.progress import progress
    from mirror.errors import InputError
    from mirror.preflight.explaining import explain as explained
    from mirror.preflight.running import answer

    if (asked.data is None) == (not asked.against):
        raise InputError("give either --data TREE or --against HOST=URL: what the registries hold")
    if not streams and not cluster.is_wanted:
        raise InputError("nothing to check: name image streams, or a cluster with --live or --kubeconfig")
    if output is ReportFormat.PULLSPECS and (compare is not None or explain is not None):
        option = "--explain" if explain is not None else "--compare"
        raise InputError(f"-o pullspecs: is for a whole report, not for {option}; take table, json or yaml")
    require_places(files, asked.cache)
    earlier = _earlier(compare)
    found = _found(streams or [], namespace)
    if cluster.is_wanted:
        found += _live(cluster, namespace)
    _check_found(found)
    question = asked.about(found)
    if explain is not None:
        _show_explanation(run(explained(question(), explain), sockets=asked.data is None), output)
        return
    del found  # the question has them, and lets go of them
    with progress("image streams") as tell:
        report = run(answer(question(), tell), sockets=asked.data is None)
    write_reports(report, files)
    if earlier is None:
        _show(report, output)
        if report.summary.fails:
            raise typer.Exit(1)
        return
    from mirror.preflight.comparing import compare as compared

    changes = compared(earlier, report)
    _show_changes(changes, output)
    if changes.is_worse:
        raise typer.Exit(1)


def _earlier(path: Path | None) -> Report | None:
    from mirror.preflight.comparing import read_earlier

    return None if path is None else read_earlier(path)


def _found(paths: list[str], namespace: str) -> list[Found]:
    from mirror.streams import read_streams

    return read_streams(paths, sys.stdin.buffer, namespace or "default")


def _live(cluster: LiveOptions, namespace: str) -> list[Found]:
    from mirror.cli.loop import run
    from mirror.streams import live_streams

    connection = cluster.connection()
    found = run(live_streams(connection, namespace))
    note(f"{connection.server}: {counted(len(found), 'image stream')}")
    return found


def _check_found(found: list[Found]) -> None:
    """Refuses to check what has nothing to import."""
    from mirror.errors import InputError
    from mirror.streams import has_tags

    if not found:
        raise InputError("nothing to check: the cluster has no image streams there")
    if not any(map(has_tags, found)):
        names = f"{found[0].source}: " if len({one.source for one in found}) == 1 else ""
        raise InputError(f"{names}nothing to check: no image stream has tags; expected spec.tags that follow images")


# Output


def _show(report: Report, output: ReportFormat) -> None:
    """Prints a report."""
    if output is ReportFormat.PULLSPECS:
        from mirror.preflight.lists import pull_specs

        for name in pull_specs(report):
            typer.echo(printable(name))
    elif output is ReportFormat.JSON:
        from mirror.preflight.report import report_text

        sys.stdout.flush()
        for piece in report_text(report):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    elif output is ReportFormat.TABLE:
        _show_table(report)
    else:
        print_document(report, Format(output))
    for one in report.notes:
        note(printable(f"note: {one.explanation} {one.remedy}".rstrip()))
    summary = report.summary
    remarks = f", {summary.remarks} of them with a remark" if summary.remarks else ""
    note(
        f"{summary.imports} of {summary.tags} tags import{remarks}, {summary.fails} fail; "
        f"{counted(summary.streams, 'image stream')}"
    )


def _show_table(report: Report) -> None:
    """The tags that fail, by cause, the worst first; what is to be known of others; and where all others come from."""
    sections: dict[tuple[bool, Cause], list[TagResult]] = {}
    for one in sorted(report.tags, key=lambda one: (one.imports, _rank(one))):
        if one.cause is not None:
            sections.setdefault((one.imports, one.cause), []).append(one)
    for (imports, cause), tags in sections.items():
        verb = f"{'import' if imports else 'fail'}{'s' if len(tags) == 1 else ''}"
        typer.echo(f"{counted(len(tags), 'tag')} {verb}: {cause.heading} ({cause})")
        for one in tags:
            typer.echo(printable(f"  {one.name}  {one.from_}"))
            typer.echo(printable(f"    {one.explanation}"))
            typer.echo(printable(f"    -> {one.remedy}"))
        typer.echo()
    _show_sources(report)


def _show_sources(report: Report) -> None:
    """How many tags import from where."""
    sources = Counter(
        (one.registry or "-", one.tried[-1].host if one.tried else one.registry or "-")
        for one in report.tags
        if one.imports
    )
    rows = [
        (named, host if host != named else "itself", str(count))
        for (named, host), count in sorted(sources.items(), key=lambda item: (-item[1], item[0]))
    ]
    if rows:
        print_table(("REGISTRY", "IMPORTS FROM", "TAGS"), rows)


def _rank(tag: TagResult) -> int:
    return -1 if tag.cause is None else tag.cause.rank


def _show_changes(changes: Changes, output: ReportFormat) -> None:
    """Prints what changed."""
    if output in (ReportFormat.JSON, ReportFormat.YAML):
        print_document(changes, Format(output))
    elif changes.changes:
        print_table(
            ("CHANGE", "TAG", "BEFORE", "AFTER"),
            (
                (
                    one.change,
                    f"{one.namespace}/{one.stream}:{one.tag}",
                    "-" if one.before is None else one.before.source or one.before.cause or one.before.verdict,
                    "-" if one.after is None else one.after.source or one.after.cause or one.after.verdict,
                )
                for one in changes.changes
            ),
        )
        # Remedies are long: a column of them would not fit on a screen.
        for one in changes.changes:
            if one.remedy:
                typer.echo()
                typer.echo(printable(f"{one.namespace}/{one.stream}:{one.tag}"))
                typer.echo(printable(f"    -> {one.remedy}"))
    counts = ", ".join(f"{count} {kind}" for kind, count in changes.summary.items() if count)
    note(counts or "nothing changes")


def _show_explanation(explanation: Explanation, output: ReportFormat) -> None:
    from mirror.preflight.explaining import text_of

    if output in (ReportFormat.JSON, ReportFormat.YAML):
        print_document(explanation, Format(output))
    else:
        for line in text_of(explanation):
            typer.echo(printable(line))
    if not explanation.result.imports:
        raise typer.Exit(1)
