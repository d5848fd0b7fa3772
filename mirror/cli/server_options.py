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

from mirror.cli.server_certificates import CertificateFiles, certificate_files, certificates_of, say_oddities

if TYPE_CHECKING:
    import socket

    from fake_registry.config import Certificates, Hosts
    from fake_registry.core.registry import RegistryCore
    from fake_registry.tls import CertificateAuthority
    from mirror.config import Config

DEFAULT_REGISTRY = "127.0.0.1:5000"

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The hosts: see 'ismirror schema policy'. Read again on SIGHUP."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--registry",
        metavar="ADDR",
        help=f"host:port to listen on, port 0 for a free one; {DEFAULT_REGISTRY} if nothing is said.",
    ),
]
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
ControlOption = Annotated[
    str | None,
    typer.Option("--control", metavar="ADDR", help="host:port of the control plane: journal, faults, health, metrics."),
]
ControlTokenOption = Annotated[
    Path | None,
    typer.Option("--control-token", metavar="FILE", help="The token that the control plane is to ask for."),
]
AccessLogOption = Annotated[
    bool, typer.Option("--access-log", help="Write a line of JSON for each request to standard error.")
]


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
    access_log: bool = False
    workers: int = 1
    certificate: CertificateFiles | None = None
    certificates: Certificates = field(default_factory=dict)

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


def settle(
    file: Path | None,
    *,
    address: str | None = None,
    tls_dir: Path | None = None,
    read_only: bool = False,
    host_ports: Sequence[str] | None = None,
    control: str | None = None,
    control_token: Path | None = None,
    access_log: bool = False,
    workers: int | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> ServerOptions:
    """What flags and files say together. With any file SIGHUP does not end the process any more.

    Raises:
        InputError: something of it cannot be used.
    """
    flags = ServerOptions(
        address=address or DEFAULT_REGISTRY,
        tls_dir=tls_dir,
        read_only=read_only,
        host_ports=_host_ports(host_ports, {}),
        control=control or "",
        token=_token(control_token) if control_token is not None else "",
        access_log=access_log,
        workers=workers or 1,
        certificate=certificate_files(tls_cert, tls_key),
    )
    if flags.certificate is not None:
        flags = replace(flags, certificates=certificates_of(flags.certificate, {}))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if file is None:
        return flags
    from mirror.config import load_config

    config = load_config(file)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is to have the file read again, and does not end what is starting
    server = config.server
    return replace(
        flags,
        config=config,
        file=file,
        address=address or server.registry or DEFAULT_REGISTRY,
        tls_dir=tls_dir or (Path(server.tlsDir) if server.tlsDir else None),
        read_only=read_only or server.readOnly,
        host_ports=_host_ports(host_ports, server.hostPorts),
        control=control or server.control,
        token=flags.token or (_token(Path(server.controlTokenFile)) if server.controlTokenFile else ""),
        access_log=access_log or server.accessLog,
        workers=workers or server.workers,
        certificates={**server.certificates, **flags.certificates},
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
