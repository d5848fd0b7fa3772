"""Dataclasses of options as parameters of commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from mirror.cli.option_groups import grouped


@dataclass(frozen=True, kw_only=True)
class Reach:
    host: Annotated[str, typer.Option("--host", metavar="HOST")]
    port: Annotated[int, typer.Option(min=1)] = 443


@dataclass(frozen=True, kw_only=True)
class FarReach(Reach):
    proxy: Annotated[list[str] | None, typer.Option()] = None


def application() -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @grouped
    def ask(
        name: Annotated[str, typer.Argument()],
        quiet: Annotated[bool, typer.Option("--quiet")] = False,
        *,
        reach: FarReach,
        last: Annotated[str, typer.Option()] = "end",
    ) -> None:
        """Asks for something."""
        typer.echo(f"{name} {quiet} {reach} {last}")

    return app


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["web", "--host", "quay.io"], 0, "web False FarReach(host='quay.io', port=443, proxy=None) end\n"),
        (
            ["web", "--quiet", "--host", "a", "--port", "5000", "--proxy", "p", "--proxy", "q", "--last", "z"],
            0,
            "web True FarReach(host='a', port=5000, proxy=['p', 'q']) z\n",
        ),
        (["web"], 2, "Missing option '--host'"),
        (["web", "--host", "a", "--port", "0"], 2, "'--port': 0 is not in the range"),
        (["web", "--reach", "a"], 2, "No such option: --reach"),
    ],
)
def test_fields_are_options(arguments: list[str], exit_code: int, said: str) -> None:
    result = CliRunner().invoke(application(), arguments)
    assert (result.exit_code, said in result.output) == (exit_code, True), result.output


def test_options_stand_where_the_parameter_does() -> None:
    text = CliRunner().invoke(application(), ["--help"]).output
    places = [text.index(option) for option in ("--quiet", "--host HOST", "--port", "--proxy", "--last")]
    assert places == sorted(places)
    assert "Asks for something." in text
