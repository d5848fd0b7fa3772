"""Credentials for an API server from a program that a kubeconfig names, as kubectl asks such programs for them.

Source: Kubernetes documentation, "client-go credential plugins"; ``client.authentication.k8s.io/v1`` and ``v1beta1``.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from mirror.errors import InputError

SECONDS: Final = 60.0
"""How long a program may take."""

_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_EXTENSION: Final = f"{_GROUP}/exec"
_KIND: Final = "ExecCredential"
_LONGEST: Final = 1 << 20
_LEAST: Final = 1.0
_CLUSTER_FIELDS: Final = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")


class ExecCredential(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a program gave: a token, a client certificate with its key (PEM), or both."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _Exec(msgspec.Struct, rename="camel"):
    command: str
    api_version: str
    args: list[str] | None = None
    env: list[_Variable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: ExecCredential | None = None


def exec_credential(
    path: Path,
    user: str,
    fields: Any,
    cluster: Mapping[str, Any],
    authority: bytes | None,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> ExecCredential:
    """Runs the program of a user's ``exec``. What it says on standard error is shown as it comes; it is asked nothing.

    `path` is the kubeconfig, `cluster` the fields of the cluster, `authority` what it is trusted by
    (PEM), `environment` what the program gets besides
    what the kubeconfig gives it.

    Raises:
        InputError: the program is not there, fails, takes too long or says something else; names file and user.
    """
    where = f"{path}: user {user}: exec"
    wanted = _wanted(where, fields)
    program = _program(path, wanted, environment)
    if program is None:
        hint = f"; {' '.join(wanted.install_hint.split())}" if wanted.install_hint else ""
        raise InputError(f"{where}: command: {wanted.command!r}: no such program{hint}")
    spec: dict[str, Any] = {"interactive": False}
    if wanted.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster, authority)
    info = {"kind": _KIND, "apiVersion": wanted.api_version, "spec": spec}
    given = {one.name: one.value for one in wanted.env or ()}
    variables = {**environment, **given, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
    output = _output(where, [program, *(wanted.args or ())], variables, seconds)
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _Answer()
    if answer.kind != _KIND or answer.api_version != wanted.api_version:
        raise InputError(
            f"{where}: {wanted.command} printed no {_KIND} of {wanted.api_version}; expected one as for kubectl"
        )
    found = answer.status or ExecCredential()
    if bool(found.client_certificate_data) != bool(found.client_key_data):
        raise InputError(f"{where}: {wanted.command}: expected clientCertificateData and clientKeyData together")
    if not found.token and not found.client_key_data:
        raise InputError(f"{where}: {wanted.command}: expected a token or a client certificate in its status")
    return found


def _wanted(where: str, fields: Any) -> _Exec:
    try:
        wanted = msgspec.convert(fields, _Exec)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {str(error).replace('`', '')}") from None
    if wanted.api_version not in _VERSIONS:
        raise InputError(f"{where}: apiVersion: {wanted.api_version!r}; expected {' or '.join(_VERSIONS)}")
    if wanted.interactive_mode == "Always":
        raise InputError(
            f"{where}: {wanted.command} asks questions, and nobody answers here; put a token into a kubeconfig"
        )
    return wanted


def _program(path: Path, wanted: _Exec, environment: Mapping[str, str]) -> str | None:
    """Where the program lies: a path is one from the kubeconfig's directory, a name is looked for as by a shell."""
    if os.sep in wanted.command:
        found = path.absolute().parent / wanted.command
        return str(found) if os.access(found, os.X_OK) and found.is_file() else None
    return shutil.which(wanted.command, path=environment.get("PATH", os.defpath))


def _cluster_info(cluster: Mapping[str, Any], authority: bytes | None) -> dict[str, Any]:
    info = {field: cluster[field] for field in _CLUSTER_FIELDS if cluster.get(field)}
    if authority is not None:
        info["certificate-authority-data"] = authority  # msgspec writes bytes in base64
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == _EXTENSION:
            info["config"] = extension.get("extension")
    return info


def _output(where: str, command: list[str], variables: dict[str, str], seconds: float) -> bytes:
    """What a program prints. One that fails, or takes too long, has ended with all that it started."""
    try:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: {command[0]}: {getattr(error, 'strerror', None) or error}") from None
    deadline = time.monotonic() + seconds
    with process:
        try:
            output = _read(process, where, deadline)
            status = process.wait(max(deadline - time.monotonic(), _LEAST))
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
                raise InputError(f"{where}: no answer in {seconds:.0f} seconds; run {command[0]} by hand") from None
            raise
    if status:
        raise InputError(f"{where}: {command[0]}: exit code {status}; run it by hand, or put a token into a kubeconfig")
    return output


def _read(process: subprocess.Popen[bytes], where: str, deadline: float) -> bytes:
    assert process.stdout is not None
    handle = process.stdout.fileno()
    pieces: list[bytes] = []
    length = 0
    while True:
        ready, _, _ = select.select([handle], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        piece = os.read(handle, 1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        length += len(piece)
        if length > _LONGEST:
            raise InputError(f"{where}: printed more than {_LONGEST} bytes; expected an {_KIND}")
