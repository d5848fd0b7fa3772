"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from mirror.session import TransportKind

UsageError: Final[Any] = typer.BadParameter.__bases__[0]
"""A command that is used in a way that cannot be: click's, which typer does not name."""

DataOption = Annotated[str, typer.Option("--data", metavar="TREE", help="The directory of the fixture tree.")]
TransportOption = Annotated[
    str,
    typer.Option(
        metavar="embedded|http", help="What lies between importer and registries: nothing, or sockets and TLS."
    ),
]
NowOption = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="Fixes the clock (RFC 3339): the same run then gives the same bytes. SOURCE_DATE_EPOCH does it, too.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only says what would happen.")]
MetadataOnlyOption = Annotated[
    bool, typer.Option("--metadata-only", help="Manifests and configs, no layers: all that an import looks at.")
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=1024, metavar="N", help="Requests under way at once; results never depend on it.")
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The cluster's configuration and the hosts: see 'ismirror schema policy'."),
]


def transport_kind(text: str) -> TransportKind:
    """Checks the value of ``--transport``.

    Raises:
        InputError: it is none.
    """
    from mirror.errors import InputError

    kinds: dict[str, TransportKind] = {"embedded": "embedded", "http": "http"}
    if text not in kinds:
        raise InputError(f"--transport: {text!r} is not one of {', '.join(kinds)}")
    return kinds[text]
