"""The files that ``ismirror preflight`` writes beside what it prints."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.output import Format, document_text

if TYPE_CHECKING:
    from mirror.preflight.report import Report


class ReportFormat(StrEnum):
    """What ``-o`` accepts here."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    PULLSPECS = "pullspecs"


ReportFormatOption = Annotated[
    ReportFormat,
    typer.Option("--output", "-o", help="How to print the report; pullspecs: only what to mirror, for seed streams."),
]


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Which files are wanted."""

    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for any browser.")] = None
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit XML report.")] = None
    sarif: Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write a SARIF log.")] = None
    image_set: Annotated[
        Path | None,
        typer.Option(
            "--image-set", metavar="FILE", help="Write an ImageSetConfiguration for oc-mirror: what to mirror."
        ),
    ] = None


def require_places(wanted: ReportFiles, cache: Path | None) -> None:
    """Refuses files that cannot be written there, before anything is done for them (raises `InputError`)."""
    from mirror.errors import InputError

    places = {
        "--html": wanted.html,
        "--junit": wanted.junit,
        "--sarif": wanted.sarif,
        "--image-set": wanted.image_set,
        "--cache": cache,
    }
    for option, path in places.items():
        if path is not None and path.is_dir():
            raise InputError(f"{option}: {path}: is a directory; expected a file")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{option}: {path}: there is no directory {path.parent}")


def write_reports(report: Report, wanted: ReportFiles) -> None:
    """Writes the files that are wanted.

    Raises:
        InputError: a file cannot be written.
    """
    if wanted.html is not None:
        from mirror.preflight.html import html_report

        _write(wanted.html, html_report(report))
    if wanted.junit is not None:
        from mirror.junit import write_junit
        from mirror.preflight.cases import junit_cases

        write_junit(wanted.junit, "ismirror preflight", junit_cases(report))
    if wanted.sarif is not None:
        from importlib.metadata import version

        from mirror.preflight.sarif import sarif

        _write(wanted.sarif, document_text(sarif(report, version("ismirror")), Format.JSON))
    if wanted.image_set is not None:
        from mirror.preflight.lists import image_set_configuration

        _write(wanted.image_set, document_text(image_set_configuration(report), Format.YAML))


def _write(path: Path, text: str) -> None:
    from mirror.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
