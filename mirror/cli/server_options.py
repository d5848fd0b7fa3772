"""Options of commands that serve, and what they and a configuration file make together: a flag wins over the file."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.server_certificates import (
    CertificateFiles,
    TlsCertOption,
    TlsKeyOption,
    certificate_files,
    certificates_of,
    say_oddities,
)
from mirror.cli.token_key import TokenKeyOption, load_or_create

if TYPE_CHECKING:
    import socket

    from fake_registry.config import Certificates, Hosts, ServerCertificate
    from fake_registry.core.registry import RegistryCore
    from fake_registry.tls import CertificateAuthority
    from mirror.config import Config

DEFAULT_REGISTRY = "127.0.0.1:5000"

TlsDirOption = Annotated[
    Path | None,
    typer.Option("--tls-dir", metavar="DIR", help="Keeps the CA from run to run; made if it is not there."),
]
HostPortOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host-port",
        metavar="HOST=PORT",
        help="A port that belongs to one host, for clients that cannot say which one they want. Repeatable.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ServerFlags:
    """What is said on the command line, as it is given there."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The configuration: see 'ismirror schema policy'. Its hosts are read again on SIGHUP.",
        ),
    ] = None
    address: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="ADDR",
            help=f"host:port of the registry, port 0 for a free one; {DEFAULT_REGISTRY} if nothing is said.",
        ),
    ] = None
    tls_dir: TlsDirOption = None
    tls_cert: TlsCertOption = None
    tls_key: TlsKeyOption = None
    read_only: Annotated[bool, typer.Option("--read-only", help="The registry refuses pushes and deletes.")] = False
    control: Annotated[
        str | None,
        typer.Option(
            "--control", metavar="ADDR", help="host:port of the control plane: journal, faults, health, metrics."
        ),
    ] = None
    control_token: Annotated[
        Path | None,
        typer.Option("--control-token", metavar="FILE", help="The token that the control plane is to ask for."),
    ] = None
    token_key: TokenKeyOption = None
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Write a line of JSON for each request to standard error.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class RegistryFlags(ServerFlags):
    """The same, where nothing but the registry is served."""

    host_port: HostPortOption = None
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="Serve by so many processes, on one port.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How a registry is to be served. Without a `file` there is no `config`, and what is in it need not be loaded."""

    config: Config | None = None
    file: Path | None = None
    address: str = DEFAULT_REGISTRY
    tls_dir: Path | None = None
    read_only: bool = False
    host_ports: Mapping[str, int] = field(default_factory=dict)
    control: str = ""
    token: str = ""
    token_key: bytes | None = None
    access_log: bool = False
    workers: int = 1
    certificate: CertificateFiles | None = None
    certificates: Certificates = field(default_factory=dict)

    @property
    def for_everything(self) -> ServerCertificate | None:
        """The certificate that the flags gave, for all that is served."""
        return None if self.certificate is None else self.certificates["*"]

    @property
    def hosts(self) -> Hosts | None:
        """The hosts of the configuration."""
        return None if self.config is None else self.config.hosts

    @property
    def require_references(self) -> bool:
        """Whether manifests that name what is not there are refused."""
        return self.config is not None and self.config.server.requireReferences

    @property
    def default_host(self) -> str:
        """The host of requests that name none that is known."""
        return "" if self.config is None else self.config.server.defaultHost


def settle(flags: ServerFlags) -> ServerOptions:
    """What flags and files say together. With any file SIGHUP does not end the process any more.

    Raises:
        InputError: something of it cannot be used.
    """
    alone = flags if isinstance(flags, RegistryFlags) else RegistryFlags()
    said = ServerOptions(
        address=flags.address or DEFAULT_REGISTRY,
        tls_dir=flags.tls_dir,
        read_only=flags.read_only,
        host_ports=_host_ports(alone.host_port, {}),
        control=flags.control or "",
        token="" if flags.control_token is None else _token(flags.control_token),
        token_key=None if flags.token_key is None else load_or_create(flags.token_key),
        access_log=flags.access_log,
        workers=alone.workers or 1,
        certificate=certificate_files(flags.tls_cert, flags.tls_key),
    )
    if said.certificate is not None:
        said = replace(said, certificates=certificates_of(said.certificate, {}))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if flags.config is None:
        return said
    from mirror.config import load_config

    config = load_config(flags.config)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is to have the file read again, and does not end what is starting
    server = config.server
    return replace(
        said,
        config=config,
        file=flags.config,
        address=flags.address or server.registry or DEFAULT_REGISTRY,
        tls_dir=said.tls_dir or (Path(server.tlsDir) if server.tlsDir else None),
        read_only=said.read_only or server.readOnly,
        host_ports=_host_ports(alone.host_port, server.hostPorts),
        control=said.control or server.control,
        token=said.token or (_token(Path(server.controlTokenFile)) if server.controlTokenFile else ""),
        token_key=said.token_key or (load_or_create(Path(server.tokenKey)) if server.tokenKey else None),
        access_log=said.access_log or server.accessLog,
        workers=alone.workers or server.workers,
        certificates={**server.certificates, **said.certificates},
    )


def _host_ports(flags: Sequence[str] | None, configured: Mapping[str, int]) -> dict[str, int]:
    """The ports of hosts by their canonical names, in byte order."""
    from fake_registry.fixtures import canonical_host, is_host
    from mirror.errors import InputError

    named = [(f"server.hostPorts[{host}]", host, port) for host, port in configured.items()]
    for flag in flags or ():
        host, _, digits = flag.rpartition("=")
        if not (host and digits.isascii() and digits.isdigit() and int(digits) <= 65535):
            raise InputError(f"--host-port: {flag!r} is not a host and its port such as quay.io=5001")
        named.append(("--host-port", host, int(digits)))
    ports = {}
    for where, host, port in named:
        if not is_host(canonical_host(host)):
            raise InputError(f"{where}: {host!r} is no host such as quay.io or quay.io:8443")
        ports[canonical_host(host)] = port
    for host, port in ports.items():
        if port and list(ports.values()).count(port) > 1:
            raise InputError(f"--host-port: port {port} of {host} is that of another host, too")
    return dict(sorted(ports.items()))


def _token(file: Path) -> str:
    from mirror.config import read_file
    from mirror.errors import InputError

    text = read_file(file).decode("utf-8", "replace").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise InputError(f"{file}: expected one line, the token: letters, digits and signs without blanks")
    return text


def control_sockets(options: ServerOptions) -> list[socket.socket]:
    """Where the control plane listens; nowhere if it is not wanted.

    Raises:
        InputError: nobody can listen there, or others can reach it, and there is no token.
    """
    import ipaddress

    from mirror.cli.running import listen
    from mirror.errors import InputError

    if not options.control:
        return []
    listeners = listen("--control", options.control)
    addresses = [listener.getsockname()[0].partition("%")[0] for listener in listeners]
    if not options.token and not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        for listener in listeners:
            listener.close()
        raise InputError(
            f"--control: {options.control} can be reached from other machines; use 127.0.0.1, or have it ask for a "
            "token with --control-token FILE"
        )
    return listeners


def authority(stack: contextlib.ExitStack, directory: Path | None) -> tuple[CertificateAuthority, Path]:
    """The CA and the file of its certificate: kept in a directory, or both as long as the stack is open."""
    from fake_registry.tls import CERTIFICATE_FILE, CertificateAuthority

    if directory is not None:
        return CertificateAuthority.load_or_create(directory), directory / CERTIFICATE_FILE
    made = CertificateAuthority.create()
    file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ismirror-"))) / CERTIFICATE_FILE
    file.write_bytes(made.ca_pem)
    return made, file


def say_what_is_served(core: RegistryCore, options: ServerOptions) -> None:
    """One line for people: the tree and its hosts."""
    from mirror.cli.notes import note
    from mirror.cli.output import printable

    hosts = core.known_hosts()
    shown = (
        ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "") if hosts else "no hosts yet"
    )
    mode = ", read-only" if options.read_only else ""
    several = f", {options.workers} workers" if options.workers > 1 else ""
    say_oddities(options.certificates)
    note(printable(f"serving {core.tree.root}{mode}{several}: {shown}"))
