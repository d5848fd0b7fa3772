"""What points clients at the fake hosts: the files and variables of podman and skopeo, docker, containerd, and others.

Sources: containers-registries.conf(5), containers-certs.d(5), the configuration references of dockerd and containerd.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fake_registry.config import Host
from fake_registry.fixtures import canonical_host
from fake_registry.listening import Address
from fake_registry.testing.clients import proxy_environment
from fake_registry.tls import ClientPair

_DOCKER_HUB = "docker.io"
_ALIASES = ("index.docker.io", "registry-1.docker.io")
_WRITTEN_BY = "# Written by 'ismirror registry env'."


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A registry as clients are to reach it.

    `address` is where it listens, `hosts` are the fake hosts with their configuration, `ports` those that have a port
    of their own. `ca_file` is where clients find the certificate that they are to trust, `client` what they show to
    hosts that ask for a certificate of our authority.
    """

    address: Address
    hosts: Mapping[str, Host]
    ports: Mapping[str, int]
    ca_pem: bytes
    ca_file: Path
    client: ClientPair | None = None

    def own(self, host: str) -> Address | None:
        """The address that belongs to a host alone."""
        port = self.ports.get(host)
        return None if port is None else Address(self.address.host, port)


class ClientSetup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What there is for clients: variables, lines for ``/etc/hosts``, and files by their paths."""

    address: str
    ca_file: str
    environment: dict[str, str]
    hosts: list[str]
    files: dict[str, str]


def client_setup(reached: Reached, *, written_to: Path | None = None) -> ClientSetup:
    """Everything for the clients of a registry; `written_to` is the directory where the files will be, if any."""
    environment = proxy_environment(reached.address, reached.ca_file)
    lines = hosts_lines(reached)
    certificates = {f"{name}/ca.crt": reached.ca_pem.decode() for name in _trusting(reached)}
    if (client := reached.client) is not None:
        for name in _asking(reached):
            certificates[f"{name}/client.cert"] = client.certificate.decode()
            certificates[f"{name}/client.key"] = client.key.decode()
    files = {
        "containers/registries.conf": registries_conf(reached),
        **{f"containers/certs.d/{path}": text for path, text in certificates.items()},
        "docker/daemon.json": daemon_json(reached),
        **{f"docker/certs.d/{path}": text for path, text in certificates.items()},
        **{
            f"containerd/certs.d/{name}/hosts.toml": hosts_toml(reached, name, written_to)
            for name in _by_namespace(reached)
        },
        "hosts": "".join(f"{line}\n" for line in lines),
    }
    if written_to is not None:
        environment["CONTAINERS_REGISTRIES_CONF"] = str(written_to / "containers/registries.conf")
        files["ca.pem"] = reached.ca_pem.decode()
    files["environment"] = "".join(f"export {name}={_quoted(value)}\n" for name, value in environment.items())
    return ClientSetup(
        address=str(reached.address),
        ca_file=str(reached.ca_file),
        environment=environment,
        hosts=lines,
        files=files,
    )


def hosts_lines(reached: Reached) -> list[str]:
    """One line for ``/etc/hosts`` with all names. Ports are not in it: clients then ask at the port of the registry."""
    names: list[str] = []
    for host in _up(reached):
        name = _name(host)
        if not _is_address(name):
            names.append(name)
            names += _ALIASES if name == _DOCKER_HUB else ()
    return [f"{reached.address.host} {' '.join(dict.fromkeys(names))}"] if names else []


def registries_conf(reached: Reached) -> str:
    """For podman, skopeo, buildah and CRI-O. Hosts without a port of their own take a line in ``/etc/hosts``."""
    parts = [_WRITTEN_BY]
    if _DOCKER_HUB in reached.hosts:
        parts.append(f'unqualified-search-registries = ["{_DOCKER_HUB}"]')
    for host, config in reached.hosts.items():
        own = reached.own(host)
        location = str(own) if own is not None else f"{_name(host)}:{reached.address.port}"
        table = ["[[registry]]", f"prefix = {_toml(host)}", f"location = {_toml(location)}"]
        if config.scheme == "down":
            table.insert(0, "# This host is down.")
        elif own is None:
            table.insert(0, f"# Takes the line in /etc/hosts, the proxy, or a port of its own: --host-port {host}=PORT")
        if config.scheme == "http":
            table.append("insecure = true")
        parts.append("\n".join(table))
    return "\n\n".join(parts) + "\n"


def daemon_json(reached: Reached) -> str:
    """For dockerd, which takes the registry for its proxy; the mirror of Docker Hub only if that has a port."""
    proxy = f"http://{reached.address}"
    document: dict[str, object] = {
        "proxies": {"http-proxy": proxy, "https-proxy": proxy, "no-proxy": "localhost,127.0.0.0/8,::1"}
    }
    hub = reached.own(_DOCKER_HUB)
    if hub is not None:
        document["registry-mirrors"] = [f"{_scheme(reached, _DOCKER_HUB)}://{hub}"]
    insecure = [host for host in _up(reached) if reached.hosts[host].scheme == "http"]
    if insecure:
        document["insecure-registries"] = insecure
    return json.dumps(document, indent=2) + "\n"


def hosts_toml(reached: Reached, host: str, written_to: Path | None = None) -> str:
    """For containerd, which says by ``?ns=`` which host it wants. Both places are here: it is to go nowhere else."""
    at = f"{_scheme(reached, host)}://{reached.own(host) or reached.address}"
    lines = [_WRITTEN_BY, f"server = {_toml(at)}", "", f"[host.{_toml(at)}]"]
    lines.append('  capabilities = ["pull", "resolve", "push"]')
    if reached.hosts[host].scheme == "https":
        lines.append(f"  ca = {_toml(str(reached.ca_file))}")
    if written_to is not None and reached.client is not None and host in _asking(reached):
        place = written_to / "docker/certs.d" / str(reached.own(host) or host)
        lines.append(f"  client = [[{_toml(str(place / 'client.cert'))}, {_toml(str(place / 'client.key'))}]]")
    return "\n".join(lines) + "\n"


def _by_namespace(reached: Reached) -> list[str]:
    """The hosts that are what they are under another address, too: a certificate that nobody trusts takes a port, and
    so does one of the client."""
    other = (host for host in _up(reached) if reached.hosts[host].scheme != "selfsigned" or reached.own(host))
    return [host for host in other if reached.hosts[host].mtls is None or reached.own(host)]


def _up(reached: Reached) -> list[str]:
    return [host for host, config in reached.hosts.items() if config.scheme != "down"]


def _trusting(reached: Reached) -> list[str]:
    """Under which names hosts are met by TLS: their own, through a proxy; with the port; at a port of their own."""
    names: list[str] = []
    for host in _up(reached):
        names += _names(reached, host) if reached.hosts[host].scheme == "https" else ()
    return list(dict.fromkeys([str(reached.address), *names]))


def _asking(reached: Reached) -> list[str]:
    """Likewise of the hosts that ask for a certificate which our authority vouches for."""
    names: list[str] = []
    for host in _up(reached):
        mtls = reached.hosts[host].mtls
        names += _names(reached, host) if mtls is not None and not mtls.ca else ()
    return list(dict.fromkeys(names))


def _names(reached: Reached, host: str) -> list[str]:
    own = reached.own(host)
    names = [host, f"{_name(host)}:{reached.address.port}"] + ([] if own is None else [str(own)])
    return [*names, *(_ALIASES if host == _DOCKER_HUB else ())]


def _name(host: str) -> str:
    """A host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(name: str) -> bool:
    return name.startswith("[") or name.replace(".", "").isdigit() or name == "localhost"


def _scheme(reached: Reached, host: str) -> str:
    return "http" if reached.hosts[host].scheme == "http" else "https"


def _toml(text: str) -> str:
    """A string in TOML, whose escapes are those of JSON."""
    return json.dumps(text)


def _quoted(text: str) -> str:
    """A word for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def hosts_of(known: Sequence[str], configured: Mapping[str, Host] | None) -> dict[str, Host]:
    """The hosts of a tree and of a configuration, by their canonical names in byte order."""
    by_name = {canonical_host(name): host for name, host in (configured or {}).items()}
    return {name: by_name.get(name, Host()) for name in sorted({*known, *by_name})}
