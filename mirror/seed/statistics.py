"""How much there is in a fixture tree, and of what."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from fake_registry.fixtures import Snapshot, Tree
from fake_registry.fixtures.census import census
from fake_registry.oci import INDEX_TYPES

Progress = Callable[[int, int], None]
"""Is told how many of how many repositories were looked at."""


class Amount(msgspec.Struct):
    """Some blobs: how many, and their bytes as far as they are known."""

    count: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Counts one more."""
        self.count += 1
        self.bytes += max(size, 0)


class HostStatistics(msgspec.Struct, kw_only=True, rename="camel"):
    """One host: ``content`` is what its repositories lead to, each blob counted once."""

    host: str
    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    content: Amount = msgspec.field(default_factory=Amount)


class Statistics(msgspec.Struct, kw_only=True, rename="camel"):
    """A tree.

    ``present`` is what repositories lead to and the tree has, each blob once; ``absent_layers`` and
    ``absent_manifests`` what they lead to and it does not have (metadata only, and platforms that nobody wanted), with
    the sizes that manifests state. ``apart`` is how much everything would be if each repository had its own copy;
    ``unnamed`` what no repository leads to: garbage, or content that somebody is about to name.
    """

    hosts: list[HostStatistics]
    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    indexes: int = 0
    present: Amount = msgspec.field(default_factory=Amount)
    absent_layers: Amount = msgspec.field(default_factory=Amount)
    absent_manifests: Amount = msgspec.field(default_factory=Amount)
    apart: Amount = msgspec.field(default_factory=Amount)
    unnamed: Amount = msgspec.field(default_factory=Amount)


def statistics_of(tree: Tree, progress: Progress | None = None) -> Statistics:
    """Counts what there is. Contents are not read, but for manifests.

    Raises:
        TreeError: an ``index.json`` is broken.
    """
    names = [(host, name) for host in tree.hosts() for name in tree.repositories(host)]
    hosts = {host: HostStatistics(host=host) for host in tree.hosts()}
    found = Statistics(hosts=list(hosts.values()))
    everywhere: set[str] = set()
    of_host: dict[str, set[str]] = {host: set() for host in hosts}
    for done, (host, name) in enumerate(names):
        if progress is not None:
            progress(done, len(names))
        snapshot = tree.snapshot(host, name)
        if snapshot is not None:
            _count(found, hosts[host], snapshot, everywhere, of_host[host])
    for item in census(tree):
        if item.kind == "blob" and item.name not in everywhere:
            found.unnamed.add(_size_of(item.path))
    if progress is not None:
        progress(len(names), len(names))
    return found


def _count(
    found: Statistics, host: HostStatistics, snapshot: Snapshot, everywhere: set[str], of_host: set[str]
) -> None:
    manifests = list(snapshot.manifests())
    for part in (found, host):
        part.repositories += 1
        part.tags += len(snapshot.tag_names)
        part.manifests += len(manifests)
    found.indexes += sum(descriptor.media_type in INDEX_TYPES for descriptor in manifests)
    stated = {descriptor.digest: (descriptor.size, found.absent_manifests) for descriptor in manifests}
    for blob in snapshot.blobs():
        stated.setdefault(blob.descriptor.digest, (blob.descriptor.size, found.absent_layers))
    for digest, (size, absent) in stated.items():
        file = snapshot.find_blob(digest)
        if file is not None:
            found.apart.add(file.size)
            if digest not in of_host:
                of_host.add(digest)
                host.content.add(file.size)
        if digest not in everywhere:
            everywhere.add(digest)
            (absent if file is None else found.present).add(size if file is None else file.size)


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0
