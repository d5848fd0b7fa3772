"""``ismirror serve``: a fixture tree as registries, and the image API of a cluster that imports from them."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.option_groups import grouped
from mirror.cli.options import DataOption
from mirror.cli.server_options import ServerFlags

if TYPE_CHECKING:
    import socket

    from fake_registry.config import ServerCertificate
    from fake_registry.core.changes import Configure
    from fake_registry.processes import Plan
    from fake_registry.tls import CertificateAuthority
    from mirror.api.access import Access
    from mirror.api.kubeconfig import Login
    from mirror.cli.server_options import ServerOptions
    from mirror.config import Config
    from mirror.serving import ApiSettings, ReadyApi

DEFAULT_API = "127.0.0.1:6443"
DEFAULT_KUBECONFIG = Path("ismirror.kubeconfig")


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """How the API is served: where, what it keeps and begins with, who may ask, what it does by itself."""

    api: Annotated[str, typer.Option(metavar="ADDR", help="host:port of the API.")] = DEFAULT_API
    http: Annotated[
        bool, typer.Option("--http", help="The API in clear text: clients send no credentials, everybody is admin.")
    ] = False
    state: Annotated[
        str, typer.Option(metavar="FILE", help="Keeps the objects, in SQLite; or the URL of a database.")
    ] = ""
    load: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Objects to start with, YAML or JSON. Repeatable.")
    ] = None
    access: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Users, and what they may do: see 'ismirror schema access'.")
    ] = None
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Answer requests without credentials, too.")] = False
    controllers: Annotated[
        bool, typer.Option("--controllers/--no-controllers", help="Import by itself what streams ask for.")
    ] = True
    require_namespaces: Annotated[
        bool, typer.Option("--require-namespaces", help="Create objects only in namespaces that are there.")
    ] = False
    scheduled_interval: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Least time between two imports of a scheduled tag.")
    ] = 900

    def settings(self, config: Config | None) -> ApiSettings:
        """What the options say, and the configuration of the cluster (raises `InputError` for a bad file)."""
        from mirror.api.controllers import ControllerSettings
        from mirror.config import ClusterConfig
        from mirror.serving import ApiSettings

        return ApiSettings(
            cluster=ClusterConfig() if config is None else config.cluster,
            state=self.state,
            load=self.load or (),
            access=self._access(),
            controllers=ControllerSettings(interval=self.scheduled_interval) if self.controllers else None,
            require_namespaces=self.require_namespaces,
        )

    def _access(self) -> Access:
        """Who may ask: the users of the file, else one administrator; in clear text nobody has to say who they are."""
        from mirror.api.access import Access

        if self.access is not None:
            return Access.load(self.access, anonymous=self.anonymous)
        return Access() if self.http else Access.of_administrator(anonymous=self.anonymous)


@dataclass(frozen=True, kw_only=True)
class KubeconfigOptions:
    """Where it is written how clients find the API."""

    kubeconfig: Annotated[Path, typer.Option(metavar="FILE", help="Where to write how clients find the API.")] = (
        DEFAULT_KUBECONFIG
    )
    merge: Annotated[
        bool, typer.Option("--merge", help="Add to the kubeconfig that is there, in place of replacing it.")
    ] = False

    def write(self, login: Login, *, again: bool = False) -> None:
        """Writes it (raises `InputError` if it cannot be); `again` replaces nothing but what was written before."""
        from mirror.api.kubeconfig import write_kubeconfig

        write_kubeconfig(self.kubeconfig, login, merge=self.merge or again)


@grouped
def serve(data: DataOption, *, flags: ServerFlags, api: ApiOptions, clients: KubeconfigOptions) -> None:
    """Serves the registries of a tree, and a cluster's image API.

    Imports come from these registries. Writes a kubeconfig, prints how to use it, and serves until interrupted. Files
    after --load may be listed one by one: --load a.yaml --load b.yaml.
    """
    from fake_registry.core.registry import RegistryCore
    from fake_registry.directory import directory_of
    from fake_registry.processes import Listening, Plan
    from mirror.cli.reloading import reading_again
    from mirror.cli.running import closed_with, listen, tree_to_serve
    from mirror.cli.server_options import authority, control_sockets, settle

    options = settle(flags)
    core = RegistryCore(
        tree_to_serve(data, read_only=options.read_only),
        options.hosts,
        token_key=options.token_key,
        read_only=options.read_only,
        require_references=options.require_references,
        default_host=options.default_host,
        certificates=options.certificates,
        directories=directory_of,
    )
    settings = api.settings(options.config)
    with contextlib.ExitStack() as stack:
        registry_sockets = closed_with(stack, listen("--registry", options.address))
        api_sockets = closed_with(stack, listen("--api", api.api))
        plane = closed_with(stack, control_sockets(options))
        signing, ca_file = authority(stack, options.tls_dir)
        typer.echo(f"CA certificate: {ca_file}")
        plan = Plan(
            core=core,
            authority=signing,
            listening=[Listening(registry_sockets)],
            control=plane,
            token=options.token,
            access_log=options.access_log,
            reload=reading_again(options),
        )
        _run(plan, options, settings, api_sockets, None if api.http else signing, clients)


def _login(
    listeners: list[socket.socket],
    authority: CertificateAuthority | None,
    given: ServerCertificate | None,
    token: str,
) -> Login:
    """How clients find the API; without an authority in clear text."""
    from fake_registry.listening import Address
    from mirror.api.kubeconfig import Login

    address = Address.of(listeners[0])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    reachable = Address(host, address.port)
    if authority is None:
        return Login(f"http://{reachable}")
    if given is None:
        return Login(f"https://{reachable}", authority.ca_pem, token)
    from fake_registry.given_certificates import name_at, vouching

    return Login(f"https://{reachable}", vouching(given).encode(), token, server_name=name_at(host, given))


def _run(
    plan: Plan,
    options: ServerOptions,
    settings: ApiSettings,
    sockets: list[socket.socket],
    authority: CertificateAuthority | None,
    clients: KubeconfigOptions,
) -> None:
    """Serves until interrupted; the API without TLS where there is no authority."""
    from fake_registry.processes import serving, stop_signal
    from mirror.api.server import ApiServer
    from mirror.cli.loop import run
    from mirror.cli.notes import note, problem
    from mirror.cli.server_options import say_what_is_served
    from mirror.collector import spare_the_collector
    from mirror.errors import InputError
    from mirror.serving import ready_api

    token = "" if settings.access is None else settings.access.token
    login = _login(sockets, authority, options.for_everything, token)
    where_it_is = clients.kubeconfig.resolve()

    def reloaded(ready: ReadyApi, api: ApiServer, configuration: Configure) -> None:
        ready.transport.configure(configuration.hosts)
        given = (configuration.certificates or {}).get("*") if options.certificate is not None else None
        if authority is not None and given is not None:
            try:
                api.show(given)
                clients.write(_login(sockets, authority, given, token), again=True)
            except InputError as error:
                problem(str(error))

    async def served() -> None:
        stopped = stop_signal()
        async with (
            ready_api(plan.core, options.hosts, settings) as ready,
            ApiServer(ready.api, authority, certificate=options.for_everything) as api,
            serving(plan, lambda configuration: reloaded(ready, api, configuration)),
        ):
            for one in ready.loaded:
                note(f"{one.source}: {one.name} {'created' if one.created else 'is there already'}")
                for warning in one.warnings:
                    note(f"{one.source}: warning: {warning}")
            await api.listen(sockets)
            clients.write(login)
            _print_addresses(plan, login, settings.state)
            typer.echo(f"use it with: export KUBECONFIG={where_it_is}")
            say_what_is_served(plan.core, options)
            gc.collect()
            spare_the_collector()  # of what has been loaded, too
            await stopped.wait()

    run(served())


def _print_addresses(plan: Plan, login: Login, state: str) -> None:
    from fake_registry.control.documents import PREFIX
    from fake_registry.listening import Address

    typer.echo(f"registry listening on {Address.of(plan.listening[0].sockets[0])}")
    typer.echo(f"API listening on {login.server}")
    if plan.control:
        typer.echo(f"control plane: http://{Address.of(plan.control[0])}{PREFIX}")
    typer.echo(f"state is {f'kept in {state}' if state else 'in memory: it is gone when this ends'}")
