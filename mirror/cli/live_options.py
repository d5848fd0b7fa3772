"""Options of commands that read the image streams of a cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mirror.live_api import Connection


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """Whether a cluster is read, and which."""

    live: Annotated[
        bool, typer.Option("--live", help="The image streams of the cluster of the current kubeconfig, too.")
    ] = False
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The kubeconfig of that cluster. Implies --live.")
    ] = None
    context: Annotated[str, typer.Option(metavar="NAME", help="The context in it. Implies --live.")] = ""

    @property
    def is_wanted(self) -> bool:
        """Whether any of them is given."""
        return self.live or self.kubeconfig is not None or bool(self.context)

    def connection(self) -> Connection:
        """How to reach the cluster (raises `InputError` where the kubeconfig does not say)."""
        from mirror.live_api import load_connection

        return load_connection(os.environ, Path.home(), self.kubeconfig, self.context)
