"""Options of commands that ask registries, and what they make together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mirror.seed.remote.network import Network
    from mirror.seed.remote.registries import Registries


@dataclass(frozen=True, kw_only=True)
class RemoteOptions:
    """How registries are reached."""

    authfile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Logins, in place of auth.json and config.json of podman and docker."),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Certificates are not looked at, and HTTP will do where there is no HTTPS."),
    ] = False
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Authorities (PEM) to trust besides those of the system."),
    ] = None
    connect: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Connects to this address, whatever the registries are called."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TransferOptions(RemoteOptions):
    """How much is moved between registries and a tree at once, and as whom."""

    creds: Annotated[
        str | None,
        typer.Option("--creds", metavar="USER:PASSWORD", help="The login for the registry that is named."),
    ] = None
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1024, metavar="N", help="Images under way at once.")
    ] = 8
    per_host: Annotated[
        int, typer.Option("--per-host", min=1, max=256, metavar="N", help="Requests to one registry at once.")
    ] = 8


def network(remote: RemoteOptions, per_host: int = 8) -> Network:
    """The connections of a run (raises `InputError` for options that cannot be used)."""
    from mirror.addresses import parse_address
    from mirror.config import read_file
    from mirror.seed.remote.network import Network
    from mirror.seed.remote.proxies import Proxies

    return Network(
        ca=None if remote.ca is None else read_file(remote.ca),
        connect=None if remote.connect is None else parse_address("--connect", remote.connect),
        proxies=Proxies(os.environ),
        limit=per_host,
    )


def registries(
    connections: Network,
    hosts: Iterable[str],
    remote: RemoteOptions,
    *,
    creds: str | None = None,
    per_host: int = 8,
    mirrors: bool = True,
) -> Registries:
    """The registries of a run; `hosts` are those that the user named, `mirrors` whether registries.conf is read.

    Raises:
        InputError: options or files that cannot be used.
    """
    from mirror.errors import InputError
    from mirror.seed.pull_sources import PullSources, load_pull_sources
    from mirror.seed.remote.credentials import Logins, login_files, parse_login
    from mirror.seed.remote.registries import Registries

    named = sorted(set(hosts))
    if creds is not None and len(named) != 1:
        raise InputError(f"--creds: is for one registry, but there are {', '.join(named)}; --authfile has several")
    given = {} if creds is None else {named[0]: parse_login(creds)}
    home = Path.home()
    logins = Logins(login_files(os.environ, home, remote.authfile), given)
    sources = load_pull_sources(os.environ, home) if mirrors else PullSources()
    return Registries(connections, logins, sources, insecure=remote.insecure, limit=per_host)
