"""`record_from`: real registries in a test, asked once; from then on their answers come from a recording."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

from fake_registry.errors import UsageError
from fake_registry.fixtures import Tree
from fake_registry.testing.registry import FakeRegistry
from mirror.addresses import parse_address
from mirror.config import load_config, read_file
from mirror.errors import InputError
from mirror.recorder.plan import Access, recording_plan
from mirror.recorder.session import Recorder
from mirror.recorder.upstreams import Upstreams, parse_upstream
from mirror.seed.remote.credentials import Logins, login_files, parse_login

Mode = Literal["once", "missing", "none", "all"]
"""``once``: records if there is no recording yet; ``missing``: what the recording lacks; ``none``: never; ``all``:
always, over what is there."""

VARIABLE: Final = "ISMIRROR_RECORD"
TREE: Final = "tree"
FILE: Final = "recorded.yaml"

T = TypeVar("T")

log = logging.getLogger(__name__)


def record_from(
    *sources: str,
    into: str | Path,
    mode: Mode | None = None,
    creds: str | None = None,
    authfile: str | Path | None = None,
    anonymous: bool = True,
    ca: str | Path | bytes | None = None,
    insecure: bool = False,
    connect: str | None = None,
    proxy: str | None = None,
) -> FakeRegistry:
    """A registry that answers as real ones do: the first time it asks them, and keeps what they say; from then on, or
    on other machines, it gives the same answers without a network.

    It is a `FakeRegistry`, to be entered like any other. Nothing can be pushed to it.

    Parameters:
        sources: the real registries, token endpoints and stores of blobs: ``quay.io``, ``https://quay.io``, or
            ``HOST=URL``. Nothing else is contacted.
        into: the directory of the recording, to be checked in: ``recorded.yaml``, and ``tree`` with the content.
        mode: ``once``, ``missing``, ``none`` or ``all``; by default what the environment variable ``ISMIRROR_RECORD``
            says, else ``once``.
        creds, authfile: the login for the first source (``USER:PASSWORD``); a file as ``podman login`` writes it.
        anonymous: the recorder fetches the tokens that registries give to everybody, where it has no login. Otherwise
            clients bring their own credentials, and are sent to the real token endpoints.
        ca: authorities to trust besides those of the system: PEM, or the name of a file.
        insecure: certificates are not looked at.
        connect: ``HOST:PORT`` to connect to, whatever the registries are called.
        proxy: the URL of the proxy to go through; those of the environment do not count.

    Raises:
        UsageError: something of this cannot be used, or with ``none`` there is no recording.
    """
    directory = Path(into)
    upstreams = _usable(lambda: _upstreams(sources))
    wanted = _mode(mode, directory / FILE)
    if wanted == "none":
        config = _usable(lambda: load_config(directory / FILE))
        return FakeRegistry(
            directory / TREE,
            hosts=config.hosts,
            read_only=True,
            default_host=config.server.defaultHost or upstreams.only,
        )
    access = _usable(
        lambda: Access(
            ca=_pem(ca),
            insecure=insecure,
            logins=_logins(next(iter(upstreams)).host, creds, authfile, anonymous=anonymous),
            connect=None if connect is None else parse_address("connect", connect),
            proxy=proxy,
        )
    )
    _usable(access.network)

    def session() -> Recorder:
        directory.mkdir(parents=True, exist_ok=True)
        tree, file = Tree.open(directory / TREE), directory / FILE
        plan = recording_plan(
            tree, upstreams, file, access, log.info, hosts=None, default_host="", missing=wanted == "missing"
        )
        return plan.recorder

    return FakeRegistry(
        directory / TREE,
        hosts=upstreams.hosts(None),
        read_only=True,
        default_host=upstreams.only,
        origin=session,
    )


def _mode(mode: str | None, file: Path) -> str:
    """What is asked of the real registries: ``none``, ``missing`` or ``all``."""
    wanted = mode or os.environ.get(VARIABLE) or "once"
    if wanted not in get_args(Mode):
        where = "mode" if mode else VARIABLE
        raise UsageError(f"{where}: {wanted!r}; expected one of {', '.join(get_args(Mode))}")
    if wanted == "none" and not file.exists():
        raise UsageError(f"{file}: there is no such recording; record it once with {VARIABLE}=once")
    if wanted == "once":
        return "none" if file.exists() else "all"
    return wanted


def _upstreams(sources: tuple[str, ...]) -> Upstreams:
    if not sources:
        raise InputError("name at least one registry, such as quay.io")
    return Upstreams(parse_upstream(source) for source in sources)


def _logins(first: str, creds: str | None, authfile: str | Path | None, *, anonymous: bool) -> Logins | None:
    if creds is None and authfile is None and not anonymous:
        return None
    files = [] if authfile is None else login_files({}, Path.home(), Path(authfile))
    return Logins(files, {} if creds is None else {first: parse_login(creds)})


def _pem(ca: str | Path | bytes | None) -> bytes | None:
    if ca is None or isinstance(ca, bytes):
        return ca
    return ca.encode() if isinstance(ca, str) and "-----BEGIN" in ca else read_file(Path(ca))


def _usable(work: Callable[[], T]) -> T:
    """What some work makes; what it complains about are arguments here, and no options."""
    try:
        return work()
    except InputError as error:
        raise UsageError(f"record_from: {str(error).removeprefix('--record-from: ').removeprefix('--')}") from None
