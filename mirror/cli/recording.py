"""The options of ``ismirror registry`` that record real registries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from fake_registry.config import Hosts
    from fake_registry.fixtures import Tree
    from mirror.cli.server_options import ServerOptions
    from mirror.recorder.session import Recorder
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
        from mirror.cli.addresses import parse_address
        from mirror.cli.notes import note
        from mirror.config import read_file
        from mirror.errors import InputError
        from mirror.recorder.recording import Recording
        from mirror.recorder.session import Recorder
        from mirror.recorder.upstreams import Upstreams, parse_upstream
        from mirror.seed.remote.network import Network, Proxies, parse_proxy

        if options.workers > 1:
            raise InputError("--record-from: one process writes a recording; leave --workers out")
        upstreams = Upstreams(parse_upstream(text) for text in self.sources)
        proxy = {}
        if self.proxy is not None:
            parse_proxy(self.proxy, "--record-proxy")
            proxy = {"HTTP_PROXY": self.proxy, "HTTPS_PROXY": self.proxy}
        try:
            logins = self._logins(next(iter(upstreams)).host)
            network = Network(
                ca=None if self.ca is None else read_file(self.ca),
                connect=None if self.connect is None else parse_address("--record-connect", self.connect),
                proxies=Proxies(proxy),
            )
        except InputError as error:
            raise InputError(str(error).replace("--c", "--record-c", 1)) from None
        recording = Recording(self.to, tree, upstreams)
        recorder = Recorder(tree, upstreams, recording, network, note, logins=logins, insecure=self.insecure)
        default_host = upstreams.only or options.default_host
        return RecordingPlan(recorder, upstreams.hosts(options.hosts), default_host)

    def _logins(self, first: str) -> Logins | None:
        from mirror.seed.remote.credentials import Logins, login_files, parse_login

        if self.creds is None and self.authfile is None and not self.anonymous:
            return None
        files = [] if self.authfile is None else login_files(os.environ, Path.home(), self.authfile)
        return Logins(files, {} if self.creds is None else {first: parse_login(self.creds)})


class RecordingPlan(NamedTuple):
    """What records, the hosts that there are, and the one that is meant by requests to the bare address."""

    recorder: Recorder
    hosts: Hosts
    default_host: str
