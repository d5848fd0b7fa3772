"""``ismirror registry env``: what points clients at the fake hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirror.cli.output import Format, OutputOption
from mirror.cli.server_options import DEFAULT_REGISTRY, HostPortOption, RegistryFlags, TlsDirOption

if TYPE_CHECKING:
    from fake_registry.listening import Address
    from fake_registry.tls import ClientPair
    from mirror.client_setup import ClientSetup


def env(
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", metavar="TREE", help="The tree, for its hosts.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The configuration that the registry has.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--registry", metavar="ADDR", help=f"Where the registry listens; {DEFAULT_REGISTRY}."),
    ] = None,
    tls_dir: TlsDirOption = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="The certificate of the CA, in place of --tls-dir.")
    ] = None,
    host_port: HostPortOption = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="DIR", help="Write the files into a directory, in place of printing."),
    ] = None,
    client_name: Annotated[
        str,
        typer.Option("--client-name", metavar="USER", help="Whose certificate it is that hosts with mtls are shown."),
    ] = "client",
    force: Annotated[bool, typer.Option("--force", help="Replace files that say something else.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Prints what points clients at the fake hosts.

    That is: files of podman and skopeo, docker and containerd, lines for /etc/hosts, environment variables. It asks no
    registry: give it the options that the registry has, here or in front of 'env'.
    """
    from mirror.cli.output import print_document
    from mirror.cli.server_options import settle
    from mirror.client_setup import Reached, client_setup, hosts_of

    before: dict[str, Any] = context.parent.params if context.parent is not None else {}
    options = settle(
        RegistryFlags(
            config=config or _path(before.get("config")),
            address=address or before.get("address"),
            tls_dir=tls_dir or _path(before.get("tls_dir")),
            host_port=[*(before.get("host_port") or ()), *(host_port or ())],
        )
    )
    pem, ca_file = _certificate(ca, options.tls_dir)
    hosts = hosts_of([*_known_hosts(data or before.get("data")), *options.host_ports], options.hosts)
    asked = any(host.mtls is not None and not host.mtls.ca for host in hosts.values())
    directory = None if write is None else write.resolve()
    reached = Reached(
        address=_reachable(options.address),
        hosts=hosts,
        ports=options.host_ports,
        ca_pem=pem,
        ca_file=ca_file if directory is None else directory / "ca.pem",
        client=_client(options.tls_dir, client_name) if asked and ca is None else None,
    )
    setup = client_setup(reached, written_to=directory)
    if directory is not None:
        _write(directory, setup, force=force)
    if output is not Format.TABLE:
        print_document(setup, output)
    elif directory is None:
        _print_sections(setup)
    else:
        typer.echo("".join(f"{directory / path}\n" for path in sorted(setup.files)), nl=False)


def _path(given: str | None) -> Path | None:
    """A path as it was given in front of 'env', where nothing was made of it yet."""
    return None if given is None else Path(given)


def _certificate(file: Path | None, tls_dir: Path | None) -> tuple[bytes, Path]:
    """The certificate of the CA, and where it is. A directory that has none yet gets one, which the registry takes."""
    import ssl

    from fake_registry.tls import CERTIFICATE_FILE, CertificateAuthority
    from mirror.config import read_file
    from mirror.errors import InputError

    if file is not None:
        pem = read_file(file)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise InputError(f"{file}: not a certificate (PEM)") from None
        return pem, file.resolve()
    if tls_dir is None:
        raise InputError("give --tls-dir DIR, where the registry keeps its CA, or --ca FILE, the certificate of the CA")
    return CertificateAuthority.load_or_create(tls_dir).ca_pem, (tls_dir / CERTIFICATE_FILE).resolve()


def _client(tls_dir: Path | None, user: str) -> ClientPair | None:
    """The certificate of a client, and its key, as they are kept beside the CA; made if there are none."""
    from fake_registry.tls import CertificateAuthority

    return None if tls_dir is None else CertificateAuthority.load_or_create(tls_dir).keep_client(tls_dir, user)


def _known_hosts(data: str | None) -> list[str]:
    from fake_registry.fixtures import Tree

    return [] if data is None else Tree.open(data).hosts()


def _reachable(address: str) -> Address:
    """Where clients on this machine find a listener."""
    from fake_registry.listening import Address
    from mirror.addresses import parse_address
    from mirror.errors import InputError

    host, port = parse_address("--registry", address)
    if port == 0:
        raise InputError(f"--registry: {address}: give the port that the registry listens on")
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)


def _write(directory: Path, setup: ClientSetup, *, force: bool) -> None:
    """Writes the files, or none of them if one is there that says something else (raises `InputError`)."""
    from fake_registry.replacing import replace_file
    from mirror.errors import InputError

    changed = {}
    for name, text in setup.files.items():
        path = directory / name
        there = path.read_bytes() if path.is_file() else None
        if there != text.encode():
            changed[path] = text
            if not force and (there is not None or path.exists() or path.is_symlink()):
                raise InputError(f"{path}: is there already and says something else; move it away, or use --force")
    for path, text in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o600 if path.suffix == ".key" else None)


def _print_sections(setup: ClientSetup) -> None:
    """Each text once, under the paths that it is for."""
    by_text: dict[str, list[str]] = {}
    for path, text in setup.files.items():
        by_text.setdefault(text, []).append(path)
    for text, paths in by_text.items():
        for path in paths:
            typer.echo(f"# ==> {path}")
        typer.echo(text)
