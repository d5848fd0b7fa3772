"""Objects read from the API server of a live cluster, which a kubeconfig names.

Source: client-go ``tools/clientcmd`` for kubeconfig files; Kubernetes API concepts, "Retrieving large results sets in
chunks".
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec
from yarl import URL

from mirror.client_tls import trusting_context, verifying_context
from mirror.config import MAX_FILE, read_file
from mirror.errors import InputError, IsmirrorError
from mirror.exec_credentials import exec_credential
from mirror.kubejson import yaml_to_json

if TYPE_CHECKING:
    from aiohttp import ClientSession

_PAGE: Final = 500
_MAX_PAGES: Final = 10_000


class LiveApiError(IsmirrorError):
    """The API server gives no answer, or another one than was asked for."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an API server; ``namespace`` is that of the context, ``headers`` say who one is."""

    server: URL
    headers: Mapping[str, str]
    tls: ssl.SSLContext
    namespace: str = "default"
    tls_name: str | None = None
    proxy: str | None = None


class _Named(msgspec.Struct):
    name: str = ""
    cluster: dict[str, Any] = {}
    context: dict[str, Any] = {}
    user: dict[str, Any] = {}


class _File(msgspec.Struct, rename="kebab"):
    current_context: str = ""
    clusters: list[_Named] | None = None
    contexts: list[_Named] | None = None
    users: list[_Named] | None = None


def load_connection(
    environment: Mapping[str, str], home: Path, kubeconfig: Path | None = None, context: str = ""
) -> Connection:
    """Reads the kubeconfig that is given, else those of ``KUBECONFIG``, else ``~/.kube/config``.

    Where that names a program for the credentials of its user, the program is run, in this environment.

    Raises:
        InputError: there is none, or it cannot be used; names file and field.
    """
    found = _Kubeconfig(_paths(environment, home, kubeconfig))
    name = context or found.current_context
    if not name:
        raise InputError(f"{found}: current-context: is not set; --context names one of {found.names('contexts')}")
    _, chosen = found.get("contexts", name)
    path, cluster = found.get("clusters", str(chosen.get("cluster", "")))
    server = str(cluster.get("server", ""))
    try:
        url = URL(server)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise InputError(f"{path}: server of cluster {chosen.get('cluster')}: {server!r} is no URL of an API server")
    headers, authority = (
        {"Accept": "application/json", "User-Agent": "ismirror"},
        _content(path, cluster, "certificate-authority"),
    )
    tls = _trust(path, cluster, authority)
    if chosen.get("user"):
        path, user = found.get("users", str(chosen["user"]))
        own = _who(path, str(chosen["user"]), user)
        certificate, key = (_content(path, user, name) for name in ("client-certificate", "client-key"))
        if not own and certificate is None and user.get("exec"):
            given = exec_credential(path, str(chosen["user"]), user["exec"], cluster, authority, environment)
            own = _bearer(given.token) if given.token else {}
            certificate, key = (
                text.encode() or None for text in (given.client_certificate_data, given.client_key_data)
            )
        headers |= own
        _load_certificate(path, certificate, key, tls)
    return Connection(
        url,
        headers,
        tls,
        str(chosen.get("namespace") or "default"),
        str(cluster["tls-server-name"]) if cluster.get("tls-server-name") else None,
        str(cluster["proxy-url"]) if cluster.get("proxy-url") else None,
    )


async def listed(connection: Connection, group_path: str, resource: str, namespace: str = "") -> AsyncIterator[Any]:
    """The lists of a resource as plain data, page by page; without a namespace those of all.

    Raises:
        LiveApiError: no answer, or a refusal.
    """
    # It takes longer to load than all else together, and most of those who read streams have them in files.
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415

    timeout = ClientTimeout(total=None, sock_connect=30.0, sock_read=60.0)
    place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    path = f"{connection.server.path.rstrip('/')}{group_path}{place}/{resource}"
    url = connection.server.with_path(path)
    connector = TCPConnector(ssl=connection.tls)
    async with ClientSession(
        connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout, trust_env=False
    ) as session:
        query = {"limit": str(_PAGE)}
        for _ in range(_MAX_PAGES):
            page = await _page(session, connection, url.with_query(query))
            yield page
            more = page.get("metadata")
            following = more.get("continue") if isinstance(more, dict) else None
            if not following:
                return
            query = {"limit": str(_PAGE), "continue": str(following)}
    raise LiveApiError(f"{url}: the list does not end")


async def _page(session: ClientSession, connection: Connection, url: URL) -> dict[str, Any]:
    from aiohttp import ClientError  # noqa: PLC0415

    where = f"{url.with_query(None)}"
    try:
        async with session.get(
            url,
            headers=connection.headers,
            allow_redirects=False,
            server_hostname=connection.tls_name,
            proxy=connection.proxy,
        ) as response:
            pieces, length = [], 0
            while piece := await response.content.readany():
                length += len(piece)
                if length > MAX_FILE:
                    raise LiveApiError(f"{where}: a page of more than {MAX_FILE} bytes")
                pieces.append(piece)
            status = response.status
    except (ClientError, OSError) as error:
        raise LiveApiError(f"{where}: {' '.join(str(error).split()) or type(error).__name__}") from None
    try:
        document = msgspec.json.decode(b"".join(pieces))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if status != 200 or not isinstance(document, dict):
        message = document.get("message") if isinstance(document, dict) else ""
        raise LiveApiError(f"{where}: {status} {str(message or 'no JSON')[:300]}")
    return document


def _paths(environment: Mapping[str, str], home: Path, given: Path | None) -> list[Path]:
    if given is not None:
        return [given]
    names = [name for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    paths = [path for path in map(Path, names) if path.exists()] if names else [home / ".kube" / "config"]
    if not paths or not paths[0].exists():
        raise InputError(f"{paths[0] if paths else ', '.join(names)}: no such file; --kubeconfig names one")
    return paths


class _Kubeconfig:
    """One or several files, of which the first that has a name is right about it."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._files = [(path, _read(path)) for path in paths]

    def __str__(self) -> str:
        return ", ".join(map(str, self._paths))

    @property
    def current_context(self) -> str:
        return next((file.current_context for _, file in self._files if file.current_context), "")

    def names(self, field: str) -> str:
        found = (entry.name for _, file in self._files for entry in getattr(file, field) or ())
        return ", ".join(dict.fromkeys(found)) or "none"

    def get(self, field: str, name: str) -> tuple[Path, dict[str, Any]]:
        for path, file in self._files:
            for entry in getattr(file, field) or ():
                if entry.name == name:
                    return path, getattr(entry, field.removesuffix("s"))
        raise InputError(f"{self}: {field}: none is called {name!r}; there are {self.names(field)}")


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(yaml_to_json(read_file(path)), type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no kubeconfig: {' '.join(str(error).split())}") from None


def _trust(path: Path, cluster: dict[str, Any], authority: bytes | None) -> ssl.SSLContext:
    try:
        verifying = verifying_context(authority)  # only this one, as clients of Kubernetes do
    except ValueError as error:
        raise InputError(f"{path}: certificate-authority-data: {error}") from None
    return trusting_context() if cluster.get("insecure-skip-tls-verify") else verifying


def _who(path: Path, name: str, user: dict[str, Any]) -> dict[str, str]:
    token = str(user.get("token") or "")
    if user.get("tokenFile"):
        token = read_file(path.parent / str(user["tokenFile"])).decode("ascii", "ignore").strip()
    if token:
        return _bearer(token)
    if user.get("username"):
        text = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}
    if user.get("auth-provider"):
        raise InputError(
            f"{path}: user {name}: auth-provider: clients of Kubernetes have not had these since 1.26; "
            "expected exec, or a token such as 'oc whoami -t' prints"
        )
    return {}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _load_certificate(path: Path, certificate: bytes | None, key: bytes | None, tls: ssl.SSLContext) -> None:
    if certificate is None or key is None:
        return
    with tempfile.TemporaryDirectory(prefix="ismirror-") as directory:  # the ssl module reads files only
        files = [Path(directory, name) for name in ("certificate", "key")]
        for file, content in zip(files, (certificate, key), strict=True):
            file.write_bytes(content)
        try:
            tls.load_cert_chain(files[0], files[1])
        except (ssl.SSLError, ValueError) as error:
            raise InputError(f"{path}: client-certificate, client-key: {error}") from None


def _content(path: Path, fields: dict[str, Any], name: str) -> bytes | None:
    data = fields.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True)
        except binascii.Error:
            raise InputError(f"{path}: {name}-data: expected base64") from None
    return read_file(path.parent / str(fields[name])) if fields.get(name) else None
