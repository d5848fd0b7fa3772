"""``ismirror scenario``: playing, checking and recording scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import ConcurrencyOption, DataOption, NowOption, TransportOption, transport_kind
from mirror.cli.output import Format, OutputOption, print_document, printable

if TYPE_CHECKING:
    from mirror.playing import Played

app = typer.Typer(help="Plays, checks and records scenario files.", no_args_is_help=True)

_SHOWN = 20


@app.callback()
def _group() -> None:
    """Plays, checks and records scenario files."""


@app.command(epilog="Example: ismirror scenario run data/scenarios/*.yaml --data data/tree")
def run(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Scenario files, YAML or JSON.")],
    data: DataOption,
    transport: TransportOption = "embedded",
    record: Annotated[
        bool, typer.Option("--record", help="Write the answers into the files as what is expected.")
    ] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit XML report.")] = None,
    now: NowOption = None,
    concurrency: ConcurrencyOption = 8,
    output: OutputOption = Format.TABLE,
) -> None:
    """Plays scenarios, and compares the answers.

    Starts the registries of each file, and sends its steps to an empty API server. Without --now the clock of every
    scenario starts at the same fixed time, so that each run gives the same bytes. Exits with 1 if an answer differs
    from what is expected.
    """
    from mirror.cli.loop import run as run_loop
    from mirror.junit import write_junit
    from mirror.playing import junit_cases, play_files, record_files
    from mirror.scenario import START
    from mirror.session import fixed_time

    kind = transport_kind(transport)
    played = run_loop(
        play_files(files, data, kind, fixed_time(now) or START, concurrency=concurrency), sockets=kind == "http"
    )
    if record:
        record_files(played)
    if junit is not None:
        write_junit(junit, "ismirror scenario run", junit_cases(played))
    if output is not Format.TABLE:
        print_document([{"file": one.file, "steps": one.results} for one in played], output)
    failed = 0 if record else _report(played, quiet=output is not Format.TABLE)
    if failed:
        raise typer.Exit(1)


def _report(played: list[Played], *, quiet: bool) -> int:
    """Prints what differs, and a line for each scenario that does not; the number of scenarios that differ."""
    failed = 0
    for one in played:
        failed += not one.passed
        if not quiet:
            typer.echo(f"{'ok  ' if one.passed else 'FAIL'}  {one.file}")
        for step, found in one.differences:
            request = one.scenario.steps[step]
            note(f"{one.file}: step {step + 1}: {request.method} {request.path}")
            for line in found[:_SHOWN]:
                note(f"    {printable(line)}")
            if len(found) > _SHOWN:
                note(f"    and {len(found) - _SHOWN} more")
    note(f"{len(played) - failed} of {len(played)} scenarios as expected")
    return failed
