"""``ismirror schema``: the JSON Schema of the files that people write, and of the report that programs read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from mirror.cli.output import Format, OutputOption, print_document


class FileFormat(StrEnum):
    """The file formats that have a schema."""

    SCENARIO = "scenario"
    POLICY = "policy"
    ACCESS = "access"
    RECIPE = "recipe"
    REPORT = "report"


def schema(
    file_format: Annotated[FileFormat, typer.Argument(metavar="|".join(FileFormat), help="Which format.")],
    output: OutputOption = Format.JSON,
) -> None:
    """Prints the JSON Schema of a file format.

    Formats are those of scenario files, of policy and configuration files, of access files, of recipes for synthetic
    images, and of reports. A report is what `ismirror preflight -o json` prints.
    """
    import msgspec

    from mirror.api.access import AccessConfig
    from mirror.config import Config
    from mirror.preflight.report import Report
    from mirror.scenario import Scenario
    from mirror.seed.recipe import Recipe

    types: dict[FileFormat, type[Any]] = {
        FileFormat.SCENARIO: Scenario,
        FileFormat.POLICY: Config,
        FileFormat.ACCESS: AccessConfig,
        FileFormat.RECIPE: Recipe,
        FileFormat.REPORT: Report,
    }
    type_ = types[file_format]
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(type_)}
    print_document(document, Format.JSON if output is Format.TABLE else output)
