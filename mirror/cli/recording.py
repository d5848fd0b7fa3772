"""The options of ``ismirror registry`` that record real registries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fake_registry.fixtures import Tree
    from mirror.cli.server_options import ServerOptions
    from mirror.recorder.plan import RecordingPlan
    from mirror.seed.remote.credentials import Logins


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """Which real registries answer and are recorded, how they are reached, and where what they say goes."""

    record_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[HOST=]URL",
            help="Answers come from here, and are recorded. Once for each registry, token endpoint, store of blobs.",
        ),
    ] = None
    record_to: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The configuration that answers the same later, with --config."),
    ] = Path("recorded.yaml")
    record_missing: Annotated[
        bool,
        typer.Option(
            "--record-missing",
            help="A cache: what the tree or the recording has is not asked again. Clients need not log in.",
        ),
    ] = False
    record_refresh: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="With --record-missing: tags, lists and errors that are older (5m, 1h; 0s: all) are asked again.",
        ),
    ] = None
    record_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Authorities (PEM) to trust besides those of the system."),
    ] = None
    record_insecure: Annotated[bool, typer.Option("--record-insecure", help="Certificates are not looked at.")] = False
    record_creds: Annotated[
        str | None,
        typer.Option(metavar="USER:PASSWORD", help="Logs in at the registry that is named first; clients need not."),
    ] = None
    record_authfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Logs in as this file says; clients need not.")
    ] = None
    record_anonymous: Annotated[
        bool,
        typer.Option("--record-anonymous", help="Fetches tokens as nobody in particular; clients need not."),
    ] = False
    record_connect: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Connects to this address, whatever the registries are called."),
    ] = None
    record_proxy: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The proxy to go through; those of the environment do not count."),
    ] = None

    def require_sources(self) -> None:
        """Raises `InputError` for options that say how to record, where nothing says what."""
        from mirror.errors import InputError

        said = {
            "missing": self.record_missing,
            "refresh": self.record_refresh,
            "ca": self.record_ca,
            "insecure": self.record_insecure,
            "creds": self.record_creds,
            "authfile": self.record_authfile,
            "anonymous": self.record_anonymous,
            "connect": self.record_connect,
            "proxy": self.record_proxy,
        }
        first = next((name for name, value in said.items() if value), None)
        if first is not None and not self.record_from:
            raise InputError(f"--record-{first}: goes with --record-from, which says what is recorded")

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
        upstreams = Upstreams(parse_upstream(text) for text in self.record_from or ())
        connect = None if self.record_connect is None else parse_address("--record-connect", self.record_connect)
        try:
            access = Access(
                ca=None if self.record_ca is None else read_file(self.record_ca),
                insecure=self.record_insecure,
                logins=self._logins(next(iter(upstreams)).host),
                connect=connect,
                proxy=self.record_proxy,
            )
            return recording_plan(
                tree,
                upstreams,
                self.record_to,
                access,
                note,
                hosts=options.hosts,
                default_host=options.default_host,
                missing=self.record_missing,
                refresh=self._refresh(),
            )
        except InputError as error:
            text = str(error)
            own = text.startswith("--") and not text.startswith("--record-")
            raise InputError(f"--record-{text[2:]}" if own else text) from None

    def _refresh(self) -> float | None:
        from fake_registry.config import seconds
        from mirror.errors import InputError

        if self.record_refresh is None:
            return None
        if not self.record_missing:
            raise InputError("--record-refresh: goes with --record-missing; without it everything is asked again")
        try:
            return seconds(self.record_refresh)
        except ValueError as error:
            raise InputError(f"--record-refresh: {error}") from None

    def _logins(self, first: str) -> Logins | None:
        from mirror.seed.remote.credentials import Logins, login_files, parse_login

        anonymous = self.record_anonymous or self.record_missing
        if self.record_creds is None and self.record_authfile is None and not anonymous:
            return None
        files = [] if self.record_authfile is None else login_files(os.environ, Path.home(), self.record_authfile)
        return Logins(files, {} if self.record_creds is None else {first: parse_login(self.record_creds)})
