"""The options of ``ismirror registry`` that record real registries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from fake_registry.fixtures import Tree
    from mirror.cli.server_options import ServerOptions
    from mirror.recorder.plan import RecordingPlan
    from mirror.seed.remote.credentials import Logins

_PANEL = "Recording"

RecordFromOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[HOST=]URL",
        help="Answers come from here, and are recorded. Once for each registry, token endpoint, store of blobs.",
        rich_help_panel=_PANEL,
    ),
]
RecordToOption = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="The configuration that answers the same later, with --config.", rich_help_panel=_PANEL
    ),
]
RecordCaOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Authorities (PEM) to trust besides those of the system.", rich_help_panel=_PANEL
    ),
]
RecordInsecureOption = Annotated[
    bool, typer.Option("--record-insecure", help="Certificates are not looked at.", rich_help_panel=_PANEL)
]
RecordCredsOption = Annotated[
    str | None,
    typer.Option(
        metavar="USER:PASSWORD",
        help="Logs in at the registry that is named first; clients need not.",
        rich_help_panel=_PANEL,
    ),
]
RecordAuthfileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Logs in as this file says; clients need not.", rich_help_panel=_PANEL),
]
RecordAnonymousOption = Annotated[
    bool,
    typer.Option(
        "--record-anonymous", help="Fetches tokens as nobody in particular; clients need not.", rich_help_panel=_PANEL
    ),
]
RecordConnectOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Connects to this address, whatever the registries are called.",
        rich_help_panel=_PANEL,
    ),
]
RecordProxyOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The proxy to go through; those of the environment do not count.", rich_help_panel=_PANEL
    ),
]


class RecordingOptions(NamedTuple):
    """What the options say."""

    sources: Sequence[str]
    to: Path
    ca: Path | None
    insecure: bool
    creds: str | None
    authfile: Path | None
    anonymous: bool
    connect: str | None
    proxy: str | None

    def plan(self, tree: Tree, options: ServerOptions) -> RecordingPlan:
        """What records into a tree, besides what `options` say.

        Raises:
            InputError: options or files that cannot be used.
        """
        from mirror.addresses import parse_address
        from mirror.cli.notes import note
        from mirror.config import read_file
        from mirror.errors import InputError
        from mirror.recorder.plan import Access, recording_plan
        from mirror.recorder.upstreams import Upstreams, parse_upstream

        if options.workers > 1:
            raise InputError("--record-from: one process writes a recording; leave --workers out")
        upstreams = Upstreams(parse_upstream(text) for text in self.sources)
        connect = None if self.connect is None else parse_address("--record-connect", self.connect)
        try:
            access = Access(
                ca=None if self.ca is None else read_file(self.ca),
                insecure=self.insecure,
                logins=self._logins(next(iter(upstreams)).host),
                connect=connect,
                proxy=self.proxy,
            )
            return recording_plan(
                tree, upstreams, self.to, access, note, hosts=options.hosts, default_host=options.default_host
            )
        except InputError as error:
            text = str(error)
            own = text.startswith("--") and not text.startswith("--record-")
            raise InputError(f"--record-{text[2:]}" if own else text) from None

    def _logins(self, first: str) -> Logins | None:
        from mirror.seed.remote.credentials import Logins, login_files, parse_login

        if self.creds is None and self.authfile is None and not self.anonymous:
            return None
        files = [] if self.authfile is None else login_files(os.environ, Path.home(), self.authfile)
        return Logins(files, {} if self.creds is None else {first: parse_login(self.creds)})
