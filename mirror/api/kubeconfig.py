"""Kubeconfig files: how clients find this server and who they are there (client-go ``tools/clientcmd/api/v1``)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from fake_registry.replacing import replace_file
from mirror.config import read_file
from mirror.errors import InputError
from mirror.kubejson import YamlError, to_yaml, yaml_to_json

NAME: Final = "ismirror"
"""What cluster, user and context are called."""

_LISTS: Final = ("clusters", "contexts", "users")


@dataclass(frozen=True, slots=True)
class Login:
    """Where a server is and how to show who one is: a token, or a certificate with its key, or nothing.

    `ca` is the certificate of the authority that vouches for the server, PEM; so are `certificate` and `key`.
    `server_name` is what the server's certificate is for, if that is not the host of `server`.
    """

    server: str
    ca: bytes | None = None
    token: str = ""
    certificate: bytes | None = None
    key: bytes | None = None
    namespace: str = "default"
    server_name: str = ""


def write_kubeconfig(path: Path, login: Login, *, merge: bool = False) -> None:
    """Writes a kubeconfig, whole or not at all, for its owner's eyes only.

    With `merge` what is there stays: only cluster, user and context of this name are replaced, and the context becomes
    the current one.

    Raises:
        InputError: the file cannot be written, or what is there is no kubeconfig to merge with.
    """
    document = _existing(path) if merge else {}
    document = {"apiVersion": "v1", "kind": "Config", "preferences": {}} | document
    for field, entry in zip(_LISTS, _entries(login), strict=True):
        others = [one for one in document.get(field) or () if not _is_ours(one)]
        document[field] = [*others, entry]
    document["current-context"] = NAME
    try:
        target = path.resolve()  # a link stays a link
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, to_yaml(document).encode(), mode=0o600)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _entries(login: Login) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    cluster: dict[str, Any] = {"server": login.server}
    if login.ca is not None:
        cluster["certificate-authority-data"] = _base64(login.ca)
    if login.server_name:
        cluster["tls-server-name"] = login.server_name
    user: dict[str, Any] = {}
    if login.token:
        user["token"] = login.token
    if login.certificate is not None and login.key is not None:
        user["client-certificate-data"] = _base64(login.certificate)
        user["client-key-data"] = _base64(login.key)
    context = {"cluster": NAME, "namespace": login.namespace, "user": NAME}
    return {"cluster": cluster, "name": NAME}, {"context": context, "name": NAME}, {"name": NAME, "user": user}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_ours(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("name") == NAME


def _existing(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        document = msgspec.json.decode(yaml_to_json(read_file(path)) or b"null")
    except (YamlError, ValueError) as error:
        raise InputError(f"{path}: no kubeconfig to merge with: {error}") from None
    if document is None:
        return {}
    lists = isinstance(document, dict) and all(isinstance(document.get(field) or [], list) for field in _LISTS)
    if not lists or document.get("kind", "Config") != "Config":
        raise InputError(f"{path}: no kubeconfig to merge with")
    found: dict[str, Any] = document
    return found
