"""Configuration files: what cluster there is and what registries it sees.

One format for scenarios, ``--policy`` and ``--config``: YAML or JSON with the parts ``cluster``, ``hosts`` and
``server``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from fake_registry.config import Certificates, Hosts, Ldap, ServerCertificate
from fake_registry.core.links import ready_redirects
from fake_registry.core.realms import RealmError, check_realms
from fake_registry.fixtures.names import canonical_host, is_host
from fake_registry.mtls import check_authority
from mirror.errors import InputError
from mirror.importer.allowed import AllowedRegistry
from mirror.v1.imagestream import LEGACY

T = TypeVar("T")

MAX_FILE: Final = 64 * 1024 * 1024
MAX_NAMED: Final = 1024 * 1024
"""Bytes of the largest file that a configuration names."""

INTERNAL_REGISTRY: Final = "image-registry.openshift-image-registry.svc:5000"


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the cluster's configuration says about imports. Every field may be left out."""

    maxImagesBulkImportedPerRepository: Annotated[
        int, Meta(description="Tags of one repository that are imported at once; -1: no limit, 0: the default of 50.")
    ] = 50
    allowedRegistriesForImport: Annotated[
        list[AllowedRegistry], Meta(description="Registries that may be imported from; empty: all.")
    ] = []
    denyCreateImages: Annotated[
        bool, Meta(description="The user may not create images, so the list of allowed registries applies.")
    ] = False
    insecureRegistries: Annotated[list[str], Meta(description="registrySources.insecureRegistries")] = []
    blockedRegistries: Annotated[list[str], Meta(description="registrySources.blockedRegistries")] = []
    icsp: Annotated[list[dict[str, Any]], Meta(description="Whole ImageContentSourcePolicy objects.")] = []
    idms: Annotated[list[dict[str, Any]], Meta(description="Whole ImageDigestMirrorSet objects.")] = []
    itms: Annotated[list[dict[str, Any]], Meta(description="Whole ImageTagMirrorSet objects.")] = []
    secrets: Annotated[
        list[dict[str, Any]],
        Meta(description="Pull secrets, whole Secret objects; without metadata.namespace they are of every namespace."),
    ] = []
    globalPullSecret: Annotated[
        dict[str, Any],
        Meta(description="The cluster's own pull secret, {auths: …}; for what no pull secret of the namespace is for."),
    ] = {}
    limitRanges: Annotated[
        list[dict[str, Any]],
        Meta(
            description="Whole LimitRange objects, of which the limits of openshift.io/ImageStream count; without "
            "metadata.namespace they are of every namespace."
        ),
    ] = []
    internalRegistryHostname: str = INTERNAL_REGISTRY
    externalRegistryHostnames: list[str] = []
    imageStreamImportMode: Annotated[
        Literal["", "Legacy", "PreserveOriginal"], Meta(description="The import mode of specs that have none.")
    ] = LEGACY  # type: ignore[assignment]
    architecture: Annotated[
        str, Meta(description="Of the control plane: what Legacy mode prefers in an index, in Go's names.")
    ] = "amd64"
    pace: Annotated[
        Literal["none", "real"],
        Meta(description="real: two images a second, three at once, counted on the clock of the import."),
    ] = "none"


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only servers have."""

    registry: Annotated[str, Meta(description="Address of the registry, host:port; port 0: a free one.")] = ""
    tlsDir: Annotated[str, Meta(description="Directory that keeps the CA from run to run.")] = ""
    certificates: Annotated[
        Certificates,
        Meta(description="Certificates that hosts show in place of made ones, by their names; *: all other hosts."),
    ] = {}
    hostPorts: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=65535)]],
        Meta(description="Ports that belong to one host each, for clients that cannot say which one they want."),
    ] = {}
    control: Annotated[str, Meta(description="Address of the control plane, host:port; port 0: a free one.")] = ""
    controlTokenFile: Annotated[str, Meta(description="File with the token that the control plane asks for.")] = ""
    tokenKey: Annotated[
        str, Meta(description="File with the key that signs tokens, for several registries; made if it is not there.")
    ] = ""
    workers: Annotated[int, Meta(ge=1, le=64, description="Processes of 'ismirror registry'.")] = 1
    accessLog: Annotated[bool, Meta(description="A line of JSON for each request, on standard error.")] = False
    readOnly: Annotated[bool, Meta(description="Refuse pushes and deletes.")] = False
    defaultHost: Annotated[
        str, Meta(description="The host that is asked by requests that name none, such as those to 127.0.0.1:5000.")
    ] = ""
    requireReferences: Annotated[
        bool, Meta(description="Refuse manifests that refer to absent blobs (MANIFEST_BLOB_UNKNOWN).")
    ] = False


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy or configuration file. Without ``hosts`` every directory of the tree is a host."""

    cluster: ClusterConfig = ClusterConfig()
    hosts: Hosts | None = None
    server: ServerConfig = ServerConfig()


def load_config(path: Path) -> Config:
    """Reads a policy or configuration file.

    Raises:
        InputError: it cannot be read, or something in it is not as it should be; names file and field.
    """
    content = read_file(path)
    config = decode_document(content, Config, str(path))
    if config.hosts:
        config = msgspec.structs.replace(config, hosts=checked_hosts(config.hosts, path, content))
    if config.server.certificates:
        certificates = _checked_certificates(config, path, content)
        server = msgspec.structs.replace(config.server, certificates=certificates)
        config = msgspec.structs.replace(config, server=server)
    default = config.server.defaultHost
    if default and not is_host(canonical_host(default)):
        where = _at_line(content, ["server", "defaultHost"])
        raise InputError(f"{path}: server.defaultHost: {_one_line(default)!r}: expected a host such as quay.io{where}")
    return config


def checked_hosts(hosts: Hosts, path: Path, content: bytes, name: str = "") -> Hosts:
    """The hosts of a file (`path`, which holds `content`, and is called `name` in messages), with the authorities and
    passwords that it names other files for.

    Raises:
        InputError: a name is none of a host, a host has two, or a file that it names cannot be used; says where.
    """
    name = name or str(path)
    check_hosts(hosts, name, content)
    found = dict(hosts)
    for host, config in hosts.items():
        for part, field, resolve in (
            ("mtls", "ca", _authority),
            ("auth", "htpasswd", _htpasswd),
            ("auth", "keys", _trusted_keys),
        ):
            said = getattr(getattr(config, part), field, "")
            if not said:
                continue
            try:
                resolved = msgspec.structs.replace(getattr(found[host], part), **{field: resolve(said, path.parent)})
            except (InputError, ValueError) as error:
                line = _at_line(content, ["hosts", host, part, field])
                raise InputError(f"{name}: hosts[{_one_line(host)}].{part}.{field}: {error}{line}") from None
            found[host] = msgspec.structs.replace(found[host], **{part: resolved})
        auth = found[host].auth
        if auth is not None and auth.ldap is not None:
            try:
                resolved = msgspec.structs.replace(auth, ldap=_directory(auth.ldap, path.parent))
            except ValueError as error:
                field = str(error).partition(": ")[0]
                line = _at_line(content, ["hosts", host, "auth", "ldap", field])
                raise InputError(f"{name}: hosts[{_one_line(host)}].auth.ldap.{error}{line}") from None
            found[host] = msgspec.structs.replace(found[host], auth=resolved)
        if config.blob_redirects is not None:
            try:
                ready = ready_redirects(config.blob_redirects, hosts, _reader(path.parent), os.environ)
            except ValueError as error:
                place = ["hosts", host, "blobRedirects", *str(error).partition(": ")[0].split(".")]
                where = f"{name}: hosts[{_one_line(host)}].blobRedirects"
                raise InputError(f"{where}.{error}{_at_line(content, place)}") from None
            found[host] = msgspec.structs.replace(found[host], blob_redirects=ready)
    try:
        check_realms(found)
    except RealmError as error:
        line = _at_line(content, ["hosts", error.host, "auth", error.field])
        raise InputError(f"{name}: hosts[{error.host}].auth.{error.field}: {error}{line}") from None
    return found


def _reader(directory: Path) -> Callable[[str], str]:
    """Reads files that a configuration in this directory names (raises `ValueError`)."""

    def read(file: str) -> str:
        try:
            return read_file(directory / Path(file).expanduser(), MAX_NAMED).decode("utf-8", "replace")
        except (InputError, RuntimeError) as error:  # there may be no home
            raise ValueError(str(error)) from None

    return read


def _directory(ldap: Ldap, directory: Path) -> Ldap:
    """What is said of a directory of users, with the files that it names read (raises `ValueError`)."""
    from fake_registry.directory import usable  # noqa: PLC0415 - few have any

    return usable(ldap, _reader(directory))


def _htpasswd(text: str, directory: Path) -> str:
    """The text of a password file, which is said or is in a file (raises `InputError`, `ValueError`)."""
    from fake_registry.core.passwords import read_htpasswd  # noqa: PLC0415 - few have any

    found = text if ":$2" in text else read_file(directory / text, MAX_NAMED).decode("utf-8", "replace")
    read_htpasswd(found)
    return found


def _trusted_keys(text: str, directory: Path) -> str:
    """The text of public keys, which is said or is in a file (raises `InputError`, `ValueError`)."""
    from fake_registry.core.trusted_keys import read_keys  # noqa: PLC0415 - few have any

    is_text = "-----BEGIN" in text or text.lstrip()[:1] == "{"
    found = text if is_text else read_file(directory / text, MAX_NAMED).decode("utf-8", "replace")
    try:
        read_keys(found)
    except ValueError as error:
        raise ValueError(str(error) if is_text else f"{directory / text}: {error}") from None
    return found


def _checked_certificates(config: Config, path: Path, content: bytes) -> Certificates:
    """The certificates of a file, with the files that it names for them read (raises `InputError`)."""
    found = {}
    schemes = {host.lower(): one.scheme for host, one in (config.hosts or {}).items()}
    for name, given in config.server.certificates.items():
        where = f"{path}: server.certificates[{_one_line(name)}]"
        scheme = schemes.get(name.lower(), "https")
        try:
            if scheme != "https":
                raise ValueError(f"the scheme of the host is {scheme}; expected https")
            found[name] = read_certificate(given, path.parent)
        except (InputError, ValueError) as error:
            field = str(error).partition(": ")[0]
            place = ["server", "certificates", name, *([field] if field in {"cert", "key"} else ())]
            dot = "." if len(place) > 3 else ": "
            raise InputError(f"{where}{dot}{error}{_at_line(content, place)}") from None
    return found


def read_certificate(given: ServerCertificate, directory: Path = Path()) -> ServerCertificate:
    """A certificate and its key, each of which is said or is in a file.

    Raises:
        InputError: a file cannot be read.
        ValueError: they cannot be used; begins with the field, ``cert`` or ``key``.
    """
    from fake_registry.given_certificates import usable  # noqa: PLC0415 - few have any

    return usable(given, lambda file: read_file(directory / file, MAX_NAMED).decode("ascii", "replace"))


def _authority(ca: str, directory: Path) -> str:
    """The certificate of an authority (PEM), which is said or is in a file (raises `InputError`, `ValueError`)."""
    pem = ca if "-----BEGIN" in ca else read_file(directory / ca).decode("ascii", "replace")
    check_authority(pem)
    return pem


def check_hosts(hosts: Hosts, name: str, content: bytes) -> None:
    """Checks that the names of hosts are such names, and no host has two.

    Raises:
        InputError: names the file (`name`, which holds `content`) and the host.
    """
    spelled: dict[str, str] = {}
    for host in hosts:
        port = host.rpartition(":")[2]
        if not is_host(host.lower()) or (port.isdigit() and ":" in host and int(port) > 65535):
            expected = "expected a host such as quay.io or quay.io:8443"
            raise InputError(f"{name}: hosts[{_one_line(host)}]: {expected}{_at_line(content, ['hosts', host])}")
        other = spelled.setdefault(host.lower(), host)
        if other != host:
            line = _at_line(content, ["hosts", host])
            raise InputError(f"{name}: hosts[{host}]: {other} is the same host{line}")


def read_file(path: Path, most: int = MAX_FILE) -> bytes:
    """The content of an input file of at most so many bytes.

    Raises:
        InputError: it cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if len(content) > most:
        raise InputError(f"{path}: larger than {most} bytes")
    return content


def decode_document(content: bytes, type_: type[T], name: str) -> T:
    """Decodes one YAML or JSON document.

    Raises:
        InputError: names the file (`name`), the field and what is wrong.
    """
    data = _json_of(content, name)
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        problem = describe(error)
        if problem in _OF_OBJECTS and (kind := _kind(data)):
            raise InputError(
                f"{name}: found an object of kind {kind}; expected a file of another sort (see 'ismirror schema')"
            ) from None
        keys = _keys(problem, data, type_)
        raise InputError(f"{name}: {_with_keys(problem, keys)}{_line(content, problem, keys)}") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply") from None


_OF_OBJECTS: Final = frozenset(f"Object contains unknown field `{field}`" for field in ("apiVersion", "kind"))


def _kind(data: bytes) -> str:
    kind = msgspec.json.decode(data).get("kind")
    return kind if isinstance(kind, str) and kind.isalnum() else ""


def _json_of(content: bytes, name: str) -> bytes:
    data = content if content.lstrip()[:1] == b"{" and is_json(content) else _yaml_to_json(content, name)
    return b"{}" if data.strip() in (b"", b"null") else data


def _yaml_to_json(content: bytes, name: str) -> bytes:
    from mirror.kubejson import yaml_to_json  # noqa: PLC0415 - YAML is only loaded where there is some

    try:
        return yaml_to_json(content)
    except ValueError as error:
        raise InputError(f"{name}: {_one_line(str(error))}") from None


def is_json(content: bytes) -> bool:
    """Whether a text is JSON (RFC 8259)."""
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


_AT: Final = re.compile(r" - at `(?:key in )?\$?\.?(.*)`$", re.DOTALL)


def describe(error: msgspec.ValidationError) -> str:
    """What a validation found, as ``field: problem``."""
    text = str(error)
    match = _AT.search(text)
    where = match[1] if match else ""
    problem = _AT.sub("", text)
    return _one_line(f"{where}: {problem}" if where else problem)


_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_MAX_KEYS: Final = 1000


def _keys(problem: str, data: bytes, type_: type[Any]) -> list[str]:
    """The keys of mappings for which msgspec only says ``[...]``: found by leaving the others out."""
    if "[...]" not in problem:
        return []
    document = msgspec.json.decode(data)
    keys: list[str] = []
    while problem.partition(": ")[0].count("[...]") > len(keys):
        mapping = _at(document, problem.partition(": ")[0], keys)
        if not isinstance(mapping, dict) or len(mapping) > _MAX_KEYS:
            break
        for key, value in list(mapping.items()):
            mapping.clear()
            mapping[key] = value
            try:
                msgspec.convert(document, type_)
            except msgspec.ValidationError as error:
                if describe(error) == problem:
                    keys.append(key)
                    break
        else:
            break
    return keys


def _with_keys(problem: str, keys: list[str]) -> str:
    for key in keys:
        problem = problem.replace("[...]", f"[{_one_line(key)}]", 1)
    return problem


def _line(content: bytes, problem: str, keys: list[str]) -> str:
    """Where in the file the problem is, as the end of a message."""
    where = problem.partition(": ")[0]
    found = re.search(r"`([^`]+)`$", problem) if "unknown field" in problem else None
    known = iter(keys)
    path: list[str | int] = []
    for name, index, unknown in _STEP.findall("" if where == problem else where):
        key = next(known, None) if unknown else name
        if key is None:
            break
        path.append(int(index) if index else key)
    return _at_line(content, path if found is None else [*path, found[1]])


def _at_line(content: bytes, path: Sequence[str | int]) -> str:
    """`` (line 7)``, or nothing if that cannot be told."""
    from mirror.source_lines import line_of  # noqa: PLC0415 - only who errs needs it

    line = line_of(content, path)
    return "" if line is None else f" (line {line})"


def _at(document: Any, where: str, keys: list[str]) -> Any:
    """What stands at a place, up to the first ``[...]`` for which there is no key yet."""
    known = iter(keys)
    for name, index, unknown in _STEP.findall(where):
        key = next(known, None) if unknown else name
        if key is None:
            break
        document = document[int(index)] if index else document[key]
    return document


def _one_line(text: str) -> str:
    return " ".join(text.split())
