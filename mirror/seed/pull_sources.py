"""Where images are pulled from: the mirrors and settings of ``registries.conf``.

Source: containers-registries.conf(5), version 2; of version 1 the lists of insecure and blocked registries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from fake_registry.fixtures import canonical_host
from mirror.config import read_file
from mirror.errors import InputError
from mirror.seed.remote.failures import RemoteError


class Place(NamedTuple):
    """A repository of a registry, and whether it may be spoken with insecurely."""

    host: str
    repository: str
    insecure: bool = False


class _Mirror(msgspec.Struct, rename="kebab"):
    location: str
    insecure: bool = False
    pull_from_mirror: str = ""


class _Entry(msgspec.Struct, rename="kebab"):
    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirror: list[_Mirror] = []


class _Names(msgspec.Struct, frozen=True):
    registries: list[str] = []


class _OldLists(msgspec.Struct, frozen=True):
    insecure: _Names = _Names()
    block: _Names = _Names()


class _File(msgspec.Struct):
    registry: list[_Entry] = []
    registries: _OldLists = _OldLists()


class PullSources:
    """What the configuration says of images, the entry of the longest prefix first."""

    def __init__(self, entries: Iterable[_Entry] = ()) -> None:
        self._entries: dict[str, _Entry] = {}
        for entry in entries:
            self._entries[entry.prefix or entry.location] = entry  # files that come later win

    def places(self, host: str, repository: str, *, by_digest: bool) -> list[Place]:
        """The places to pull from, in the order in which they are tried; the last one is the image's own.

        Raises:
            RemoteError: the registry is blocked.
        """
        name = f"{host}/{repository}"
        found = [(prefix, entry) for prefix, entry in self._entries.items() if _covers(prefix, name)]
        if not found:
            return [Place(host, repository)]
        prefix, entry = max(found, key=lambda one: len(one[0]))
        if entry.blocked:
            raise RemoteError(f"{name}: registries.conf blocks {prefix}")
        places = []
        for mirror in entry.mirror:
            which = mirror.pull_from_mirror or ("digest-only" if entry.mirror_by_digest_only else "all")
            if which == "all" or (which == "digest-only") == by_digest:
                places.append(_place(mirror.location, prefix, name, insecure=mirror.insecure))
        places.append(_place(entry.location, prefix, name, insecure=entry.insecure))
        return places


def load_pull_sources(
    environment: Mapping[str, str], home: Path, system: Path = Path("/etc/containers")
) -> PullSources:
    """Reads ``registries.conf`` and ``registries.conf.d``: the one that is named, else the user's, else the system's.

    Raises:
        InputError: a file is damaged; names it.
    """
    named = environment.get("CONTAINERS_REGISTRIES_CONF")
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers"
    if named:
        files = [Path(named)]
    else:
        own = user / "registries.conf"
        files = [own if own.is_file() else system / "registries.conf"]
        for directory in (system / "registries.conf.d", user / "registries.conf.d"):
            files += sorted(directory.glob("*.conf"))
    return PullSources(entry for path in files if named or path.is_file() for entry in _entries(path))


def _entries(path: Path) -> list[_Entry]:
    import tomllib  # noqa: PLC0415 - most machines have no such file

    try:
        file = msgspec.convert(tomllib.loads(read_file(path).decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"{path}: {error}; see containers-registries.conf(5)") from None
    entries = [_Entry(location=name, insecure=True) for name in file.registries.insecure.registries]
    entries += [_Entry(location=name, blocked=True) for name in file.registries.block.registries]
    for entry in file.registry:
        if not (entry.prefix or entry.location):
            raise InputError(f"{path}: a registry with neither prefix nor location; see containers-registries.conf(5)")
        entries.append(entry)
    return entries


def _covers(prefix: str, name: str) -> bool:
    """Whether an image lies under a prefix: ``quay.io``, ``quay.io/team``, ``*.example.com``."""
    if prefix.startswith("*."):
        return name.partition("/")[0].endswith(prefix[1:])
    return name == prefix or name.startswith(f"{prefix}/")


def _place(location: str, prefix: str, name: str, *, insecure: bool) -> Place:
    """An image under another location: that stands in for the prefix."""
    wild = prefix.startswith("*.")
    rest = name.partition("/")[2] if wild else name[len(prefix) :].strip("/")
    moved = f"{location.rstrip('/')}/{rest}".rstrip("/") if location else name
    host, _, repository = moved.partition("/")
    return Place(canonical_host(host), repository, insecure)
