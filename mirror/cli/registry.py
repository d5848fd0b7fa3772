"""``ismirror registry``: a fixture tree as all the registries it holds, on one port."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.options import DataOption

if TYPE_CHECKING:
    import socket

    from fake_registry.core.registry import RegistryCore
    from fake_registry.server import RegistryServer
    from fake_registry.tls import CertificateAuthority

DEFAULT_ADDRESS = "127.0.0.1:5000"
LEISURE = 0.5
"""Seconds after the start that belong to clients that have waited for it."""


def registry(
    data: DataOption,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The hosts: see 'ismirror schema policy'.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="ADDR",
            help=f"host:port to listen on, port 0 for a free one; {DEFAULT_ADDRESS} if nothing is said.",
        ),
    ] = None,
    tls_dir: Annotated[
        Path | None,
        typer.Option("--tls-dir", metavar="DIR", help="Keeps the CA from run to run; made if it is not there."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse pushes and deletes.")] = False,
) -> None:
    """Serves a fixture tree: HTTP and HTTPS on one port, every host of it under its own name.

    Prints the address and the file of the CA that signs the certificates, and serves until interrupted.
    """
    import gc

    gc.disable()  # until everything is loaded: it would only look at modules, which stay
    from fake_registry.core.registry import RegistryCore
    from mirror.cli.running import listen, tree_to_serve

    hosts, require_references = None, False
    if config is not None:
        from mirror.config import load_config

        settings = load_config(config)
        hosts, require_references = settings.hosts, settings.server.requireReferences
        address = address or settings.server.registry
        tls_dir = tls_dir or (Path(settings.server.tlsDir) if settings.server.tlsDir else None)
    tree = tree_to_serve(data, read_only=read_only)
    core = RegistryCore(tree, hosts, read_only=read_only, require_references=require_references)
    _serve(core, listen("--registry", address or DEFAULT_ADDRESS), tls_dir)


def _serve(core: RegistryCore, listeners: list[socket.socket], tls_dir: Path | None) -> None:
    """Serves until interrupted. Without a directory the CA lives as long as this, and its file, too."""
    import tempfile

    from fake_registry.listening import Address
    from fake_registry.tls import CERTIFICATE_FILE, CertificateAuthority
    from mirror.cli.loop import run

    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.callback(listener.close)
        if tls_dir is not None:
            authority = CertificateAuthority.load_or_create(tls_dir)
        else:
            authority = CertificateAuthority.create()
            tls_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ismirror-")))
            (tls_dir / CERTIFICATE_FILE).write_bytes(authority.ca_pem)
        # Clients that connect from here on wait for the rest to be loaded, which takes longer than all that was before.
        typer.echo(f"registry listening on {Address.of(listeners[0])}")
        typer.echo(f"CA certificate: {tls_dir / CERTIFICATE_FILE}")
        run(_serving(core, listeners, authority))


async def _serving(core: RegistryCore, listeners: list[socket.socket], authority: CertificateAuthority) -> None:
    import asyncio
    import gc

    from fake_registry.server import RegistryServer
    from mirror.cli.running import stop_signal

    stopped = stop_signal()
    async with RegistryServer(core, authority) as server:
        await server.listen(listeners)
        gc.freeze()
        gc.enable()
        loading = asyncio.create_task(_load_at_leisure(server))
        await stopped.wait()
        loading.cancel()


async def _load_at_leisure(server: RegistryServer) -> None:
    """Loads the rest, which most first requests can do without, when those that waited for the start are answered."""
    import asyncio

    await asyncio.sleep(LEISURE)
    await server.load()
