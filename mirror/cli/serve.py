"""``ismirror serve``: a fixture tree as registries, and the image API of a cluster that imports from them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.options import DataOption

if TYPE_CHECKING:
    import socket

    from fake_registry.core.registry import RegistryCore
    from fake_registry.tls import CertificateAuthority
    from mirror.api.access import Access
    from mirror.api.kubeconfig import Login
    from mirror.config import Config
    from mirror.serving import ApiSettings

DEFAULT_REGISTRY = "127.0.0.1:5000"
DEFAULT_API = "127.0.0.1:6443"
DEFAULT_KUBECONFIG = Path("ismirror.kubeconfig")


def serve(
    data: DataOption,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Cluster and hosts: see 'ismirror schema policy'."),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR", help=f"host:port of the registry; port 0: a free one. Default {DEFAULT_REGISTRY}."
        ),
    ] = None,
    api: Annotated[str | None, typer.Option(metavar="ADDR", help=f"host:port of the API ({DEFAULT_API}).")] = None,
    http: Annotated[
        bool, typer.Option("--http", help="The API in clear text: clients send no credentials, everybody is admin.")
    ] = False,
    tls_dir: Annotated[
        Path | None,
        typer.Option("--tls-dir", metavar="DIR", help="Keeps the CA from run to run; made if it is not there."),
    ] = None,
    kubeconfig: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write how clients find the API.")
    ] = DEFAULT_KUBECONFIG,
    merge: Annotated[
        bool, typer.Option("--merge", help="Add to the kubeconfig that is there, in place of replacing it.")
    ] = False,
    state: Annotated[
        str, typer.Option(metavar="FILE", help="Keeps the objects, in SQLite; or the URL of a database.")
    ] = "",
    load: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Objects to start with, YAML or JSON. Repeatable.")
    ] = None,
    access: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Users, and what they may do: see 'ismirror schema access'.")
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Answer requests without credentials, too.")] = False,
    controllers: Annotated[
        bool, typer.Option("--controllers/--no-controllers", help="Import by itself what streams ask for.")
    ] = True,
    require_namespaces: Annotated[
        bool, typer.Option("--require-namespaces", help="Create objects only in namespaces that are there.")
    ] = False,
    scheduled_interval: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Least time between two imports of a scheduled tag.")
    ] = 900,
    read_only: Annotated[bool, typer.Option("--read-only", help="The registry refuses pushes and deletes.")] = False,
) -> None:
    """Serves a fixture tree as registries, and the image API of a cluster that imports from them.

    Writes a kubeconfig, prints how to use it, and serves until interrupted. Files after --load may be listed one by
    one: --load a.yaml --load b.yaml.
    """
    from fake_registry.core.registry import RegistryCore
    from mirror.api.controllers import ControllerSettings
    from mirror.cli.running import listen, tree_to_serve
    from mirror.config import Config, load_config
    from mirror.serving import ApiSettings

    settings = load_config(config) if config is not None else Config()
    server = settings.server
    core = RegistryCore(
        tree_to_serve(data, read_only=read_only),
        settings.hosts,
        read_only=read_only,
        require_references=server.requireReferences,
    )
    who = _access(access, anonymous=anonymous, http=http)
    wanted = ApiSettings(
        cluster=settings.cluster,
        state=state,
        load=load or (),
        access=who,
        controllers=ControllerSettings(interval=scheduled_interval) if controllers else None,
        require_namespaces=require_namespaces,
    )
    with contextlib.ExitStack() as stack:
        sockets = []
        for option, address in (
            ("--registry", registry or server.registry or DEFAULT_REGISTRY),
            ("--api", api or DEFAULT_API),
        ):
            listeners = listen(option, address)
            for listener in listeners:
                stack.callback(listener.close)
            sockets.append(listeners)
        authority = _authority(stack, tls_dir or (Path(server.tlsDir) if server.tlsDir else None))
        login = _login(sockets[1], None if http else authority, who.token)
        _run(core, settings, wanted, sockets, authority, login, kubeconfig, merge=merge, http=http)


def _access(file: Path | None, *, anonymous: bool, http: bool) -> Access:
    """Who may ask: the users of the file, else one administrator; in clear text nobody has to say who they are."""
    from mirror.api.access import Access

    if file is not None:
        return Access.load(file, anonymous=anonymous)
    return Access() if http else Access.of_administrator(anonymous=anonymous)


def _authority(stack: contextlib.ExitStack, directory: Path | None) -> CertificateAuthority:
    """The CA, kept in a directory or for this run only; says where its certificate is."""
    import tempfile

    from fake_registry.tls import CERTIFICATE_FILE, CertificateAuthority

    if directory is not None:
        authority = CertificateAuthority.load_or_create(directory)
    else:
        authority = CertificateAuthority.create()
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ismirror-")))
        (directory / CERTIFICATE_FILE).write_bytes(authority.ca_pem)
    typer.echo(f"CA certificate: {directory / CERTIFICATE_FILE}")
    return authority


def _login(listeners: list[socket.socket], authority: CertificateAuthority | None, token: str) -> Login:
    from fake_registry.listening import Address
    from mirror.api.kubeconfig import Login

    address = Address.of(listeners[0])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    reachable = Address(host, address.port)
    if authority is None:
        return Login(f"http://{reachable}")
    return Login(f"https://{reachable}", authority.ca_pem, token)


def _run(
    core: RegistryCore,
    config: Config,
    wanted: ApiSettings,
    sockets: list[list[socket.socket]],
    authority: CertificateAuthority,
    login: Login,
    kubeconfig: Path,
    *,
    merge: bool,
    http: bool,
) -> None:
    from fake_registry.listening import Address
    from fake_registry.server import RegistryServer
    from mirror.api.kubeconfig import write_kubeconfig
    from mirror.api.server import ApiServer
    from mirror.cli.loop import run
    from mirror.cli.notes import note
    from mirror.cli.running import stop_signal
    from mirror.serving import ready_api

    where_it_is = kubeconfig.resolve()

    async def serving() -> None:
        stopped = stop_signal()
        async with (
            RegistryServer(core, authority) as registry,
            ready_api(core, config.hosts, wanted) as ready,
            ApiServer(ready.api, None if http else authority) as api,
        ):
            for one in ready.loaded:
                note(f"{one.source}: {one.name} {'created' if one.created else 'is there already'}")
                for warning in one.warnings:
                    note(f"{one.source}: warning: {warning}")
            await registry.listen(sockets[0])
            await api.listen(sockets[1])
            write_kubeconfig(kubeconfig, login, merge=merge)
            typer.echo(f"registry listening on {Address.of(sockets[0][0])}")
            typer.echo(f"API listening on {login.server}")
            where = f"kept in {wanted.state}" if wanted.state else "in memory: it is gone when this ends"
            typer.echo(f"state is {where}")
            typer.echo(f"use it with: export KUBECONFIG={where_it_is}")
            await stopped.wait()

    run(serving())
