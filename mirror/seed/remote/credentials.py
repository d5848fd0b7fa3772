"""Who we are to registries: the files and helpers in which docker, podman and skopeo keep logins.

Sources: containers-auth.json(5), docker's ``config.json`` and the protocol of its credential helpers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from fake_registry.fixtures import canonical_host
from fake_registry.oci import NOT_JSON
from mirror.config import read_file
from mirror.errors import InputError
from mirror.seed.remote.failures import RemoteError

_HUB_KEY: Final = "https://index.docker.io/v1/"
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_TIMEOUT: Final = 60.0
_MAX_REPLY: Final = 1 << 20
_TOKEN_USER: Final = "<token>"


class Login(NamedTuple):
    """A user name and password, or an identity token, with which tokens are asked for."""

    username: str
    password: str
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(msgspec.Struct, rename={"creds_store": "credsStore", "cred_helpers": "credHelpers"}):
    auths: dict[str, _Entry] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


class _Reply(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


class Logins:
    """Finds the login for a repository: the first file that has one, in it the most specific name.

    A file may name a helper for a host or for all. `given` is what the user said for some hosts, which comes first.
    """

    def __init__(self, files: list[Path], given: Mapping[str, Login] | None = None) -> None:
        """Reads the files (raises `InputError` if one is damaged)."""
        self._given = {canonical_host(host): login for host, login in (given or {}).items()}
        self._files = [(path, _read(path)) for path in files]
        self._replies: dict[tuple[str, str], asyncio.Task[Login | None]] = {}

    async def find(self, host: str, repository: str) -> Login | None:
        """The login for a repository, or None.

        Raises:
            RemoteError: a credential helper fails.
        """
        host = canonical_host(host)
        if host in self._given:
            return self._given[host]
        for path, file in self._files:
            login = await self._in_file(path, file, host, repository)
            if login is not None:
                return login
        return None

    async def _in_file(self, path: Path, file: _File, host: str, repository: str) -> Login | None:
        helpers = {_normal(key): name for key, name in file.cred_helpers.items()}
        helper = helpers.get(host) or file.creds_store
        if helper:
            login = await self._ask(helper, _HUB_KEY if host == "docker.io" else host)
            if login is not None:
                return login
        entries = {_normal(key): entry for key, entry in file.auths.items()}
        name = f"{host}/{repository}"
        while name:
            entry = entries.get(name)
            if entry is not None:
                login = _login(entry, f"{path}: auths[{name}]")
                if login is not None:
                    return login
            name = name.rpartition("/")[0]
        return None

    async def _ask(self, helper: str, server: str) -> Login | None:
        key = (helper, server)
        if key not in self._replies:
            self._replies[key] = asyncio.create_task(_helped(helper, server))
        return await self._replies[key]


def login_files(environment: Mapping[str, str], home: Path, authfile: Path | None = None) -> list[Path]:
    """The files that are looked at, those of podman and skopeo before that of docker.

    Raises:
        InputError: a file was named that is not there.
    """
    named = authfile or (Path(environment["REGISTRY_AUTH_FILE"]) if environment.get("REGISTRY_AUTH_FILE") else None)
    if named is not None:
        if not named.is_file():
            raise InputError(f"{named}: no such file; expected logins as 'podman login' or 'docker login' writes them")
        return [named]
    found = []
    if environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    found.append(config / "containers" / "auth.json")
    found.append(Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json")
    return [path for path in found if path.is_file()]


def parse_login(text: str) -> Login:
    """A login as ``--creds`` has it, ``USER:PASSWORD`` (raises `InputError`, which does not show it)."""
    username, colon, password = text.partition(":")
    if not colon or not username:
        raise InputError("--creds: expected USER:PASSWORD")
    return Login(username, password)


def _read(path: Path) -> _File:
    data = read_file(path)
    try:
        return msgspec.json.decode(data.strip() or b"{}", type=_File)
    except NOT_JSON as error:
        raise InputError(f"{path}: {error}; expected logins as 'podman login' or 'docker login' writes them") from None


def _normal(key: str) -> str:
    """A key as host and path; those of docker may be URLs of the first protocol."""
    scheme, separator, rest = key.partition("://")
    name = rest if separator else scheme
    host, slash, path = name.partition("/")
    if separator or path.strip("/") in {"v1", "v2"}:
        slash = path = ""
    return f"{canonical_host(host)}{slash}{path}".rstrip("/")


def _login(entry: _Entry, name: str) -> Login | None:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            text = base64.b64decode(entry.auth, validate=True).decode("utf-8", "surrogateescape")
        except binascii.Error:
            raise InputError(f"{name}: auth: expected USER:PASSWORD in base64") from None
        username, colon, password = text.rstrip("\x00").partition(":")
        if not colon:
            raise InputError(f"{name}: auth: expected USER:PASSWORD in base64")
    if not username and not entry.identitytoken:
        return None
    return Login(username, password, entry.identitytoken)


async def _helped(helper: str, server: str) -> Login | None:
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise RemoteError(f"{helper[:100]!r} is no name of a credential helper")
    try:
        process = await asyncio.create_subprocess_exec(program, "get", stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    except OSError as error:
        raise RemoteError(f"{program}: {error.strerror}") from None
    try:
        async with asyncio.timeout(_HELPER_TIMEOUT):
            output, _ = await process.communicate(server.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RemoteError(f"{program}: no answer for {server} in {_HELPER_TIMEOUT:.0f} seconds") from None
    if process.returncode:
        if b"credentials not found" in output:
            return None
        shown = output[:200].decode("utf-8", "replace").strip()
        raise RemoteError(f"{program}: {server}: {shown or f'exit code {process.returncode}'}")
    try:
        reply = msgspec.json.decode(output[:_MAX_REPLY], type=_Reply)
    except NOT_JSON:
        raise RemoteError(f"{program}: {server}: the answer is no JSON with Username and Secret") from None
    if reply.username == _TOKEN_USER:
        return Login("", "", reply.secret)
    return Login(reply.username, reply.secret) if reply.username else None
