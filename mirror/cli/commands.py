"""The commands of ``ismirror``, each loaded when it is asked for.

Reading the parameters of a command takes longer than most commands need to do their work, so nobody waits for those of
another. A list of the commands needs no more than the table here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Place(NamedTuple):
    """Where a command is: a `typer.Typer` or a function of a module; its help in one line, and an example, which a
    group has itself."""

    module: str
    name: str
    help: str
    example: str = ""


PLACES: Final[Mapping[str, Place]] = {
    "registry": Place(
        "mirror.cli.registry",
        "app",
        "Serves a fixture tree as all the registries that are in it.",
    ),
    "serve": Place(
        "mirror.cli.serve",
        "serve",
        "Serves the registries of a tree, and a cluster's image API.",
        "ismirror serve --data data/tree --kubeconfig ismirror.kubeconfig",
    ),
    "import": Place(
        "mirror.cli.import_",
        "import_",
        "Resolves ImageStreamImports as the API server would.",
        "ismirror import data/specs/web.yaml --data data/tree",
    ),
    "preflight": Place(
        "mirror.cli.preflight",
        "preflight",
        "Says which image streams will import, and why others will not.",
        "ismirror preflight streams/ --policy policy.yaml --data tree",
    ),
    "scenario": Place("mirror.cli.scenario", "app", "Plays, checks and records scenario files."),
    "seed": Place("mirror.cli.seed", "app", "Fills a fixture tree, and registries from one."),
    "data": Place("mirror.cli.data", "app", "Looks after a fixture tree."),
    "bundle": Place("mirror.cli.bundle", "app", "Carries a fixture tree over a gap, or what has changed in it."),
    "schema": Place(
        "mirror.cli.schema",
        "schema",
        "Prints the JSON Schema of a file format.",
        "ismirror schema scenario",
    ),
}


class _Loaded(Mapping[str, Any]):
    """The commands by name."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = _load(name, PLACES[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


def _load(name: str, place: Place) -> Any:
    """The command, as typer makes it of a part of an application."""
    part = getattr(import_module(place.module), place.name)
    whole = typer.Typer(rich_markup_mode=None, add_completion=False)
    whole.callback()(_nothing)
    if isinstance(part, typer.Typer):
        whole.add_typer(part, name=name)
    else:
        whole.command(name, epilog=f"Example: {place.example}")(part)
    group = typer.main.get_command(whole)
    assert isinstance(group, TyperGroup)
    return group.commands[name]


def _nothing() -> None:
    """What comes before a command has been done by then."""


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Loaded()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order in which they are listed."""
        del ctx
        return list(PLACES)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Lists them without loading them."""
        del ctx
        width = formatter.width - 6 - max(map(len, PLACES))
        rows = [
            (name, TyperCommand(name, help=place.help, rich_markup_mode=None).get_short_help_str(width))
            for name, place in PLACES.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
